"""Settings are read as the server reads them, and a change is classified by what it needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howdah.server_config import Change, classify, parse_settings

settings = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["1", "2", "on"]))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("a = 1", "1"),
        ("a=1", "1"),
        ("a 1", "1"),
        ("  a\t=\t1  # one", "1"),
        ("a = 1#one", "1"),
        ("a = '1'", "1"),
        ("a = 'b # c' # d", "b # c"),
        ("a 'it''s'", "it's"),
        ("a = ''", ""),
        ("a = ''''", "'"),
        (r"a = 'it\'s'", "it's"),
        (r"a = 'C:\\x'", r"C:\x"),
        (r"a = 'x\ty\101'", "x\tyA"),
        ("A = 'B'", "B"),
    ],
)
def test_a_value_is_read_as_the_server_reads_it(line, value):
    assert parse_settings(line) == {"a": value}


@pytest.mark.parametrize("line", ["", "   ", "# a = 1", "#a = 1", "a", "= 1", "1a = 2"])
def test_what_is_no_setting_is_passed_over(line):
    assert parse_settings(line) == {}


def test_a_name_with_a_prefix_is_one_name():
    assert parse_settings("pg_stat_statements.max = 9") == {"pg_stat_statements.max": "9"}


def test_the_last_one_wins_whatever_its_case():
    assert parse_settings("a = 1\nb = 2\nA = 3\n# a = 4") == {"a": "3", "b": "2"}


@given(settings, st.sets(st.sampled_from("abcdef")))
def test_equal_settings_need_nothing(same, restart_only):
    assert classify(same, dict(same), restart_only) == Change("none")


@given(settings, settings, st.sets(st.sampled_from("abcdef")))
def test_a_restart_is_asked_for_exactly_when_a_setting_that_differs_needs_it(before, after, restart_only):
    change = classify(before, after, restart_only)
    differing = {name for name in "abcdef" if before.get(name) != after.get(name)}
    assert change.settings == tuple(sorted(differing))
    assert change.restart_settings == tuple(sorted(differing & restart_only))
    assert (change.kind == "restart") == bool(differing & restart_only)
    assert (change.kind == "reload") == (bool(differing) and not differing & restart_only)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ({"port": "1"}, {"port": "2"}, "restart"),
        ({}, {"port": "2"}, "restart"),
        ({"port": "1"}, {}, "restart"),
        ({"work_mem": "1"}, {}, "reload"),
        ({"work_mem": "1", "port": "1"}, {"work_mem": "2", "port": "1"}, "reload"),
    ],
)
def test_added_changed_and_removed_settings_all_count(before, after, kind):
    assert classify(before, after, ["port"]).kind == kind
