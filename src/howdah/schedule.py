"""Loads the tables of a run in their order: parents before children, side by side what is independent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, TypeVar

from howdah import ledger, pg
from howdah.catalog.sqlite import give_back_at
from howdah.context import Context, Loaded, Merged
from howdah.findings import Finding
from howdah.order import as_ready
from howdah.plan import Plan, TablePlan
from howdah.session import Session
from howdah.turns import Turns

# Arrow loads only where rows need it: see the functions that import howdah.load.

R = TypeVar("R")
Group = tuple[TablePlan, ...]
Lane = list[Group]
"""Groups that fill the same table, or one group of tables that refer to each other in a circle."""


def load_all(
    session: Session, made: Plan, due: Collection[tuple[str, str]], context: Context
) -> tuple[dict[tuple[str, str], Loaded], tuple[Finding, ...]]:
    """Load what is due, parents before children; then delete what had to wait, children before parents."""
    loaded: dict[tuple[str, str], Loaded] = {}
    unsettled: dict[str, TablePlan] = {}
    with _Workers(session, context, due) as workers:
        for items in workers.load(*_lanes(made.groups), unsettled):
            for item in items:
                loaded[item.plan.identity] = item
                if item.retained:
                    unsettled[item.plan.target.name] = item.plan
                give_back_at(len(loaded))
    notes = _settle(session, made, loaded, context)
    _load_freed(session, made, loaded, context)
    return loaded, notes


def _settle(
    session: Session, made: Plan, loaded: dict[tuple[str, str], Loaded], context: Context
) -> tuple[Finding, ...]:
    """Delete the rows that had to wait, children before parents; correct ``loaded``, return what stays."""
    from howdah.load import settle

    notes: list[Finding] = []
    for plan in reversed(made.tables):
        done = loaded.get(plan.identity)
        if done is None or not done.retained:
            continue
        deleted, left = settle(session.connection, plan, context)
        merged = replace(done.merged, deleted=done.merged.deleted + deleted)
        loaded[plan.identity] = replace(done, merged=merged, retained=left, effective=done.effective or deleted > 0)
        if left:
            notes.append(
                Finding(
                    "warning",
                    "still_referenced",
                    f"{left} rows of {plan.target.name} are gone from the source and "
                    "stay, as rows that howdah did not load refer to them.",
                    *plan.identity,
                    rows=left,
                )
            )
    return tuple(notes)


def _load_freed(session: Session, made: Plan, loaded: dict[tuple[str, str], Loaded], context: Context) -> None:
    """Load again the tables whose waiting rows still held values; correct ``loaded``."""
    from howdah.load import load_group

    again = [plan for plan in made.tables if _freed(session, plan, loaded)]
    for plan in again:
        # A value that a waiting row still held is free now.
        (second,) = load_group(session.connection, (plan,), replace(context, deltas={}))
        first = loaded[plan.identity].merged
        merged = Merged(
            inserted=first.inserted + second.merged.inserted,
            updated=first.updated + second.merged.updated,
            deleted=first.deleted + second.merged.deleted,
        )
        loaded[plan.identity] = replace(second, merged=merged, effective=True)


def _freed(session: Session, plan: TablePlan, loaded: dict[tuple[str, str], Loaded]) -> bool:
    item = loaded.get(plan.identity)
    if item is None or not item.merged.deleted:
        return False
    waiting = ledger.waiting_reasons(session.connection, session.target.name)
    return "unique_conflict" in waiting.get(plan.identity, frozenset())


def _is_due(group: Group, due: Collection[tuple[str, str]], unsettled: Collection[str]) -> bool:
    """A table whose parent lost rows is due as well: its rows may be orphans now."""
    return any(p.identity in due or any(key.parent in unsettled for key in p.target.foreign_keys) for p in group)


def _lanes(groups: tuple[Group, ...]) -> tuple[list[Lane], list[tuple[int, ...]]]:
    """Put groups that fill the same table into a lane, where they follow each other, the lanes with most rows first.

    With each lane the places of those that are to be done before it, as they fill tables that its own refer to.
    """
    depth: dict[str, int] = {}
    found: dict[tuple[int, frozenset[str]], Lane] = {}
    for group in groups:
        own = frozenset(plan.target.name for plan in group)
        level = 1 + max((depth[name] for name in _parents(group) - own if name in depth), default=-1)
        for name in own:
            depth[name] = level
        found.setdefault((level, own), []).append(group)
    lanes = sorted(found.items(), key=lambda lane: -sum(plan.rows for group in lane[1] for plan in group))
    fillers: dict[str, list[int]] = {}
    for place, ((_, own), _) in enumerate(lanes):
        for name in own:
            fillers.setdefault(name, []).append(place)

    def needs(level: int, own: frozenset[str], lane: Lane) -> tuple[int, ...]:
        touched = own.union(*map(_parents, lane))
        others = {place for name in touched for place in fillers.get(name, ())}
        return tuple(sorted(place for place in others if lanes[place][0][0] < level))

    return [lane for _, lane in lanes], [needs(*key, lane) for key, lane in lanes]


def _parents(group: Group) -> frozenset[str]:
    return frozenset(key.parent for plan in group for key in plan.target.foreign_keys)


class _AtOnce(Executor):
    """Does what is submitted before it returns."""

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """Return what was done."""
        future: Future[R] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class _Workers:
    """Load lanes side by side; each worker keeps its connection for the whole run."""

    def __init__(self, session: Session, context: Context, due: Collection[tuple[str, str]]) -> None:
        self._session = session
        self._context = context
        self._due = due
        self._over = threading.Event()
        self._open = ExitStack()
        # It knows the tables already, and nobody else uses it meanwhile.
        self._connections = Turns(session.connection, lambda: self._open.enter_context(pg.connect(session.request.dsn)))

    def __enter__(self) -> _Workers:
        """Start nothing yet: threads and connections come with the first work for them."""
        self._pool = ThreadPoolExecutor(self._session.request.jobs)
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the work that was begun, then close the connections."""
        self._over.set()
        with self._open:
            self._pool.shutdown(cancel_futures=True)

    def load(
        self, lanes: list[Lane], needs: list[tuple[int, ...]], unsettled: Mapping[str, TablePlan]
    ) -> Iterator[tuple[Loaded, ...]]:
        """Yield what loading each lane did, as they are done.

        :param needs: for each lane the places of those that go before it.
        :param unsettled: tables with rows that wait to be deleted, as far as is known of what was yielded.
        """
        jobs = self._session.request.jobs

        def work(lane: Lane) -> tuple[Loaded, ...]:
            with self._connections.one() as connection:
                return tuple(item for items in self._lane(connection, lane, unsettled) for item in items)

        if jobs == 1 or len(lanes) == 1:
            yield from as_ready(_AtOnce(), work, lanes, needs, 1)
        else:
            yield from as_ready(self._pool, work, lanes, needs, jobs)

    def _lane(
        self, connection: pg.Connection, lane: Lane, unsettled: Mapping[str, TablePlan]
    ) -> Iterator[tuple[Loaded, ...]]:
        """Yield what loading the groups of a lane that are due did."""
        from howdah.load import load_group, load_portion
        from howdah.small import portions

        touched = frozenset().union(*map(_parents, lane))
        waiting = {name: plan for name, plan in dict(unsettled).items() if name in touched}
        if len(lane[0]) > 1:
            for circle in lane:
                if _is_due(circle, self._due, waiting):
                    yield load_group(connection, circle, self._context, tuple(waiting.values()))
            return
        with portions(connection, [plan for (plan,) in lane], self._context) as found:
            for portion in found:
                if self._over.is_set():
                    return
                # Tables that are loaded together are new, and so they are due.
                if len(portion.plans) == 1 and not _is_due(portion.plans, self._due, waiting):
                    continue
                items = load_portion(connection, portion, self._context, tuple(waiting.values()))
                waiting |= {item.plan.target.name: item.plan for item in items if item.retained}
                yield items
