"""The order in which tables are worked on: parents before children, those in a cycle together; many in batches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from heapq import heappop, heappush
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Calls that wait for a thread: each takes more memory than what it is about.
_AHEAD = 8


def groups(parents: Mapping[str, frozenset[str]]) -> tuple[tuple[str, ...], ...]:
    """Return groups of tables, each after all groups that it refers to.

    A group has one table, or all tables of one cycle of references (a strongly connected component, by
    Tarjan's algorithm, SIAM J. Comput. 1(2), 1972; written without recursion, as schemas may have ten
    thousand tables). Equal input gives equal output: names are visited sorted.

    :param parents: for every table the tables it refers to; names that are no keys are ignored.

    >>> circle = {"a": frozenset({"b"}), "b": frozenset({"a"})}
    >>> groups({"line": frozenset({"invoice"}), "invoice": frozenset(), **circle})
    (('a', 'b'), ('invoice',), ('line',))
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    result: list[tuple[str, ...]] = []
    for root in sorted(parents):
        if root in index:
            continue
        work = [(root, iter(sorted(parents[root] & parents.keys())))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, remaining = work[-1]
            advanced = False
            for parent in remaining:
                if parent not in index:
                    index[parent] = low[parent] = len(index)
                    stack.append(parent)
                    on_stack.add(parent)
                    work.append((parent, iter(sorted(parents[parent] & parents.keys()))))
                    advanced = True
                    break
                if parent in on_stack:
                    low[node] = min(low[node], index[parent])
            if advanced:
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == index[node]:
                cut = stack.index(node)
                result.append(tuple(sorted(stack[cut:])))
                on_stack.difference_update(stack[cut:])
                del stack[cut:]
    return tuple(result)


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield parts of a sequence, in its order.

    >>> list(batched("abcde", 2))
    ['ab', 'cd', 'e']
    """
    for start in range(0, len(items), size):
        yield items[start : start + size]


def as_done(pool: Executor, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield the results of a function for many items, as they are done; few items are taken ahead."""
    running: set[Future[R]] = set()
    for item in items:
        if len(running) >= _AHEAD:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in done)
        running.add(pool.submit(function, item))
    for one in running:
        yield one.result()


def as_ready(
    pool: Executor, function: Callable[[T], R], items: Sequence[T], needs: Sequence[Collection[int]], most: int
) -> Iterator[R]:
    """Yield the results of a function for many items, as they are done; the first ones come first, as far as they can.

    :param needs: for each item the places of those whose results must have been taken before it is begun.
    :param most: items that are worked on at the same time.
    :raises ValueError: items need each other in a circle.
    """
    left = [len(places) for places in needs]
    followers: dict[int, list[int]] = {}
    for place, before in enumerate(needs):
        for other in before:
            followers.setdefault(other, []).append(place)
    ready = [place for place, count in enumerate(left) if not count]
    running: dict[Future[R], int] = {}
    done = 0
    while ready or running:
        while ready and len(running) < most:
            place = heappop(ready)
            running[pool.submit(function, items[place])] = place
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            place = running.pop(future)
            yield future.result()
            done += 1
            for follower in followers.pop(place, ()):
                left[follower] -= 1
                if not left[follower]:
                    heappush(ready, follower)
    if done < len(items):
        raise ValueError("Items need each other in a circle.")
