"""Load order: parents first, cycles together, always the same."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howdah.order import as_ready, groups

graphs = st.dictionaries(
    st.sampled_from("abcdefgh"), st.frozensets(st.sampled_from("abcdefghxyz"), max_size=4), max_size=8
)


def reachable(graph, start):
    seen, waiting = set(), [start]
    while waiting:
        for parent in graph[waiting.pop()]:
            if parent in graph and parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return seen


@given(graphs)
def test_every_table_is_loaded_once(graph):
    assert sorted(name for group in groups(graph) for name in group) == sorted(graph)


@given(graphs)
def test_parents_come_first_and_cycles_together(graph):
    found = groups(graph)
    position = {name: number for number, group in enumerate(found) for name in group}
    for name, parents in graph.items():
        assert all(position[parent] <= position[name] for parent in parents if parent in graph)
    for one in graph:
        for other in graph:
            together = one == other or (other in reachable(graph, one) and one in reachable(graph, other))
            assert (position[one] == position[other]) == together


@given(graphs)
def test_the_order_does_not_depend_on_the_order_of_input(graph):
    assert groups(graph) == groups(dict(reversed(graph.items())))


def test_a_chain_of_ten_thousand_tables_does_not_overflow():
    chain = {f"t{n:05}": frozenset({f"t{n + 1:05}"}) for n in range(10_000)}
    assert groups(chain)[0] == ("t09999",)


def test_an_item_waits_for_those_that_it_needs_and_for_no_other():
    free = threading.Event()

    def work(name):
        if name == "slow":
            assert free.wait(10)
        return name

    with ThreadPoolExecutor(2) as pool:
        results = as_ready(pool, work, ["slow", "parent", "child", "grandchild"], [(), (), (1,), (2,)], 2)
        assert [next(results) for _ in range(3)] == ["parent", "child", "grandchild"]
        free.set()
        assert list(results) == ["slow"]


def test_what_came_of_an_item_is_taken_before_those_that_need_it_begin():
    taken = []
    with ThreadPoolExecutor(2) as pool:
        for name in as_ready(pool, lambda name: (name, list(taken)), ["child", "parent"], [(1,), ()], 2):
            taken.append(name)
    assert taken == [("parent", []), ("child", [("parent", [])])]


def test_the_first_ones_begin_first_and_no_more_than_allowed():
    begun = []
    with ThreadPoolExecutor(1) as pool:
        results = as_ready(pool, begun.append, list("abcdef"), [(), (3,), (), (), (), ()], 2)
        next(results)
        assert set(begun) <= {"a", "c"}
        list(results)
    assert begun == ["a", "c", "d", "b", "e", "f"] or begun == ["a", "c", "d", "e", "b", "f"]


def test_items_that_need_each_other_are_refused():
    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="circle"):
        list(as_ready(pool, str, "ab", [(1,), (0,)], 1))


def test_what_fails_is_raised():
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        list(as_ready(pool, lambda n: 1 // n, [1, 0], [(), ()], 1))
