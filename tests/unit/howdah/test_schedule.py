"""Which tables are loaded side by side."""

from __future__ import annotations

from types import SimpleNamespace

from howdah import schedule


def plan(name, *parents, rows=1):
    keys = [SimpleNamespace(parent=parent) for parent in parents]
    return SimpleNamespace(target=SimpleNamespace(name=name, foreign_keys=keys), rows=rows)


def lanes(*groups):
    """Return each lane's tables, and the tables of the lanes that go before it."""
    found, needs = schedule._lanes(groups)
    names = ["".join(plan.target.name for group in lane for plan in group) for lane in found]
    return [(name, [names[place] for place in before]) for name, before in zip(names, needs, strict=True)]


def test_a_table_waits_for_its_parents_only_and_large_ones_come_first():
    tables = [plan("a"), plan("b", rows=9), plan("c", "a", rows=99), plan("d", "c", "b")]
    assert lanes(*[(table,) for table in tables]) == [("c", ["a"]), ("b", []), ("a", []), ("d", ["c", "b"])]


def test_sources_that_fill_the_same_table_follow_each_other():
    groups = [(plan("a"),), (plan("a"),), (plan("b", "a"),), (plan("b", "a"),)]
    assert lanes(*groups) == [("aa", []), ("bb", ["aa"])]


def test_a_circle_is_one_lane_and_a_part_of_it_another():
    groups = [(plan("a", "b"), plan("b", "a")), (plan("a", "b"),), (plan("e", "e", "elsewhere"),)]
    assert lanes(*groups) == [("ab", []), ("a", ["ab"]), ("e", [])]
