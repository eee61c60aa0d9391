"""Names: lower case, at most 63 bytes, unique, the same in every run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from howdah.choices import IDENTIFIERS
from howdah.identifiers import LIMIT, fold, snake, styled

names = st.lists(
    st.text(min_size=1, max_size=80) | st.sampled_from(["A", "a", "Ä", "ä", "x" * 70, "x" * 71, "İ"]),
    unique=True,
)


styles = st.sampled_from(IDENTIFIERS)


@given(names, st.sets(st.text(min_size=1, max_size=5)), styles)
def test_folded_names_are_unique_and_fit(given_names, taken, style):
    folded = fold(given_names, taken, style)
    assert list(folded) == given_names
    assert len(set(folded.values())) == len(given_names)
    assert not set(folded.values()) & taken
    assert all(0 < len(name.encode()) <= LIMIT and "\x00" not in name for name in folded.values())


@given(names, styles)
def test_a_name_that_needs_no_change_keeps_itself(given_names, style):
    folded = fold(given_names, style=style)
    for name in given_names:
        if styled(name, style) == name and len(name.encode()) <= LIMIT:
            assert folded[name] == name


@given(names, styles)
def test_the_same_names_fold_the_same_way(given_names, style):
    assert fold(given_names, style=style) == fold(list(given_names), style=style)


def test_long_names_with_a_common_beginning_stay_apart():
    one, other = "x" * 70 + "1", "x" * 70 + "2"
    folded = fold([one, other])
    assert folded[one] != folded[other]


def test_snake_case():
    assert [snake(name) for name in ("InvoiceLineId", "HTTPServer", "already_snake", "with space")] == [
        "invoice_line_id",
        "http_server",
        "already_snake",
        "with_space",
    ]
