"""Loads the tables of a run in their order: parents before children, side by side what is independent."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from howdah import ledger, pg
from howdah.context import Context, Loaded, Merged
from howdah.findings import Finding
from howdah.order import as_done
from howdah.plan import Plan, TablePlan
from howdah.session import Session

# Arrow loads only where rows need it: see the functions that import howdah.load.

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
        for lanes in _levels(made.groups):
            for items in workers.load(lanes, unsettled):
                for item in items:
                    loaded[item.plan.identity] = item
                    if item.retained:
                        unsettled[item.plan.target.name] = item.plan
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


def _levels(groups: tuple[Group, ...]) -> list[list[Lane]]:
    """Put independent groups side by side; groups that fill the same table follow each other in a lane."""
    depth: dict[str, int] = {}
    levels: list[dict[frozenset[str], Lane]] = []
    for group in groups:
        own = frozenset(plan.target.name for plan in group)
        parents = {key.parent for plan in group for key in plan.target.foreign_keys} - own
        level = 1 + max((depth[name] for name in parents if name in depth), default=-1)
        for name in own:
            depth[name] = level
        while len(levels) <= level:
            levels.append({})
        levels[level].setdefault(own, []).append(group)
    return [list(lanes.values()) for lanes in levels]


class _Workers:
    """Load lanes side by side; each worker keeps its connection for the whole run."""

    def __init__(self, session: Session, context: Context, due: Collection[tuple[str, str]]) -> None:
        self._session = session
        self._context = context
        self._due = due
        self._over = threading.Event()
        self._idle: list[pg.Connection] = []
        self._open = ExitStack()

    def __enter__(self) -> _Workers:
        """Start nothing yet: threads and connections come with the first work for them."""
        self._pool = ThreadPoolExecutor(self._session.request.jobs)
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the work that was begun, then close the connections."""
        self._over.set()
        with self._open:
            self._pool.shutdown(cancel_futures=True)

    def load(self, lanes: list[Lane], unsettled: Mapping[str, TablePlan]) -> Iterator[tuple[Loaded, ...]]:
        """Yield what loading each lane did, as they are done."""
        if self._session.request.jobs == 1 or len(lanes) == 1:
            for lane in lanes:
                yield from self._lane(self._session.connection, lane, unsettled)
            return

        def work(lane: Lane) -> tuple[Loaded, ...]:
            with self._connection() as connection:
                return tuple(item for items in self._lane(connection, lane, unsettled) for item in items)

        yield from as_done(self._pool, work, lanes)

    def _lane(
        self, connection: pg.Connection, lane: Lane, unsettled: Mapping[str, TablePlan]
    ) -> Iterator[tuple[Loaded, ...]]:
        """Yield what loading the groups of a lane that are due did."""
        from howdah.load import load_group, load_portion
        from howdah.small import portions

        waiting = dict(unsettled)
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

    @contextmanager
    def _connection(self) -> Iterator[pg.Connection]:
        # Appending, popping and entering are atomic; there are never more connections than threads.
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._open.enter_context(pg.connect(self._session.request.dsn))
        yield connection
        self._idle.append(connection)
