"""Compares what was loaded with the sources, and has the ledger say what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from howdah import ledger, pg
from howdah.catalog.sqlite import give_back_at
from howdah.context import Patched
from howdah.errors import VerificationFailed
from howdah.order import as_done
from howdah.plan import Plan, TablePlan
from howdah.progress import Event
from howdah.session import Session
from howdah.turns import Turns

# Arrow loads only where rows need it: see the function that imports howdah.verify.
if TYPE_CHECKING:
    from howdah.verify import Outcome, Reader


def compare(
    session: Session, plans: tuple[TablePlan, ...], patched: Mapping[tuple[str, str], Patched] | None = None
) -> tuple[Outcome, ...]:
    """Compare rows of tables with the target and return what came of each table.

    Whole tables are compared over one connection, tables of which some rows are over as many as there are jobs.

    :param patched: tables of which only those rows are compared, as the others were verified before; of all other
        tables, every row is.
    """
    from howdah.verify import Reader

    changed = patched or {}
    session.progress(Event("verify", total=sum(item.rows for item in plans)))
    with session.clock.stage("verify"), contextlib.closing(Reader(pg.conninfo_of(session.connection))) as reader:
        waiting = _Waiting(session)
        parts = [(item, changed[item.identity]) for item in plans if item.identity in changed]
        found = {outcome.plan.identity: outcome for outcome in _changed(session, reader, parts, waiting)}
        whole = [item for item in plans if item.identity not in changed]
        for outcome in _whole(session, reader, whole, waiting):
            found[outcome.plan.identity] = outcome
            give_back_at(len(found))
    return tuple(found[item.identity] for item in plans)


def _changed(
    session: Session, reader: Reader, parts: list[tuple[TablePlan, Patched]], waiting: _Waiting
) -> Iterator[Outcome]:
    """Compare the rows of tables that a load was about, side by side: the server looks for those of one at a time."""
    from howdah.verify import Reader, verify_changed

    server = pg.conninfo_of(session.connection)
    used = [session.connection]
    largest_first = sorted(parts, key=lambda part: -part[0].rows)
    with contextlib.ExitStack() as opened:

        def another() -> tuple[pg.Connection, Reader]:
            connection = opened.enter_context(pg.connect(server))
            used.append(connection)
            return connection, opened.enter_context(contextlib.closing(Reader(server)))

        turns = Turns((session.connection, reader), another)

        def compared(part: tuple[TablePlan, Patched]) -> Outcome:
            item, rows = part
            with _shown(session, item), turns.one() as (connection, own):
                path, _ = session.paths[item.source]
                set_aside = waiting.of(item, connection)
                return verify_changed(own, connection, item, path, set_aside, session.folder, rows)

        if session.request.jobs == 1 or len(parts) == 1:
            yield from map(compared, largest_first)
            return
        with ThreadPoolExecutor(session.request.jobs) as pool:
            try:
                yield from as_done(pool, compared, largest_first)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for connection in used:
                    connection.cancel()
                raise


def _whole(session: Session, reader: Reader, plans: list[TablePlan], waiting: _Waiting) -> Iterator[Outcome]:
    """Compare every row of tables: all that fill one at once, and by themselves where that does not settle it."""
    from howdah.verify import agree, groups, is_worth_it, verify_table, verify_together

    connection, name = session.connection, session.target.name
    paths = {source: path for source, (path, _) in session.paths.items()}
    for group in groups(plans):
        with _shown(session, *group) as step:
            rows = {item.identity: waiting.of(item, connection) for item in group}
            outcomes = agree(connection, group, paths, rows, step)
            if outcomes is None and is_worth_it(group):
                outcomes = verify_together(connection, group, name, paths, rows, session.folder)
        if outcomes is not None:
            yield from outcomes
            continue
        for item in group:
            with _shown(session, item) as step:
                path, set_aside = paths[item.source], waiting.of(item, connection)
                yield verify_table(reader, connection, item, name, path, set_aside, session.folder, step)


@contextlib.contextmanager
def _shown(session: Session, *plans: TablePlan) -> Iterator[Callable[[int], None]]:
    """Tell of the beginning and the end; give what tells how many rows of the first table are done."""

    def step(done: int) -> None:
        session.progress(Event("verify", *plans[0].identity, done, plans[0].rows))

    step(0)
    yield step
    for item in plans:
        session.progress(Event("verify", *item.identity, item.rows, item.rows))


class _Waiting:
    """The rows in quarantine, asked for only where there are any."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._counts = ledger.waiting(session.connection, session.target.name)

    def of(self, plan: TablePlan, connection: pg.Connection) -> dict[int, bytes]:
        """Return locator → row digest of a table's rows in quarantine."""
        if plan.identity not in self._counts:
            return {}
        return ledger.quarantined(connection, self._session.target.name, *plan.identity)


def note_differences(session: Session, outcomes: tuple[Outcome, ...]) -> None:
    """Note in the ledger which tables differ; a role that may only read still gets its answer."""
    for outcome in outcomes:
        if outcome.count:
            with contextlib.suppress(pg.Error):
                ledger.mark_doubtful(session.connection, session.target.name, *outcome.plan.identity)


def check_conservation(session: Session, made: Plan) -> None:
    """Check the first contract against the ledger as it is committed, whatever the stages believe.

    :raises VerificationFailed: rows of the source are neither in the target nor in quarantine.
    """
    now = ledger.tallies(session.connection, session.target.name)
    set_aside = ledger.waiting(session.connection, session.target.name)
    for plan in made.tables:
        entry, waiting = now.get(plan.identity), set_aside.get(plan.identity, 0)
        if entry is None or entry.loaded_rows + waiting != plan.rows:
            raise VerificationFailed(
                f"{plan.table.name} of {plan.source} has {plan.rows} rows, and"
                f" {entry.loaded_rows if entry else 0} were loaded and {waiting} are in quarantine.",
                "Run howdah migrate again; if it stays so, please report it.",
            )
