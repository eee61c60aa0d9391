"""JSON a piece at a time is the JSON that it is as a whole; equal values are held once."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howdah.pg import _escaped
from howdah.plain import gathered, json_parts, plain
from howdah.profile import ColumnProfile, shared_profile
from howdah.shared import Shared

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(), VALUES, min_size=1),
    st.lists(VALUES),
    st.sampled_from([{}, {"indent": 2}, {"indent": 2, "ensure_ascii": False}]),
)
def test_parts_put_together_are_the_json_of_the_whole(content, many, options):
    whole = json.dumps(content | {"many": many}, **options)
    assert "".join(json_parts(content | {"many": iter(many)}, **options)) == whole


def test_a_dataclass_goes_without_what_has_its_default():
    @dataclass
    class Thing:
        name: str
        size: int = 0
        parts: tuple[str, ...] = ()

    assert [plain(Thing("")), plain(Thing("a", 1)), plain(Thing("a", parts=("b",)))] == [
        {"name": ""},
        {"name": "a", "size": 1},
        {"name": "a", "parts": ("b",)},
    ]


@given(st.lists(st.text()), st.integers(1, 20))
def test_gathered_parts_are_the_same_text_in_larger_pieces(parts, size):
    found = list(gathered(parts, size))
    assert "".join(found) == "".join(parts)
    assert all(len(part) >= size for part in found[:-1])


@given(st.text())
def test_a_value_has_no_delimiter_of_copy_in_it(text):
    escaped = _escaped(text)
    assert not set(escaped) & set("\t\n\r")
    back = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\"}
    pieces, rest = [], escaped
    while rest:
        pieces.append(back.get(rest[:2], rest[0]))
        rest = rest[2 if rest[:2] in back else 1 :]
    assert "".join(pieces) == text


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (0.0, -0.0)])
def test_profiles_with_bounds_of_another_kind_are_kept_apart(one, other):
    shared = Shared()
    first, second = (ColumnProfile("c", 1, smallest=bound, largest=bound) for bound in (one, other))
    assert first == second
    assert shared_profile(shared, first) is first
    assert shared_profile(shared, second) is second
    assert shared_profile(shared, ColumnProfile("c", 1, smallest=one, largest=one)) is first
