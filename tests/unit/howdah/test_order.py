"""Load order: parents first, cycles together, always the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from howdah.order import groups

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
