"""Compares what was loaded with the sources, and has the ledger say what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from howdah import ledger, pg
from howdah.context import Patched
from howdah.errors import VerificationFailed
from howdah.plan import Plan, TablePlan
from howdah.progress import Event
from howdah.session import Session

# Arrow loads only where rows need it: see the function that imports howdah.verify.
if TYPE_CHECKING:
    from howdah.verify import Outcome


def compare(
    session: Session, plans: tuple[TablePlan, ...], patched: Mapping[tuple[str, str], Patched] | None = None
) -> tuple[Outcome, ...]:
    """Compare rows of tables with the target, over one connection, and return what came of each table.

    :param patched: tables of which only those rows are compared, as the others were verified before; of all other
        tables, every row is.
    """
    from howdah.verify import Reader, verify_changed, verify_table

    outcomes = []
    session.progress(Event("verify", total=sum(item.rows for item in plans)))
    with session.clock.stage("verify"), contextlib.closing(Reader(pg.conninfo_of(session.connection))) as reader:
        for item in plans:
            session.progress(Event("verify", *item.identity, 0, item.rows))
            path, _ = session.paths[item.source]
            waiting = ledger.quarantined(session.connection, session.target.name, *item.identity)
            part = (patched or {}).get(item.identity)
            outcomes.append(
                verify_changed(session.connection, item, path, waiting, session.folder, part)
                if part
                else verify_table(reader, session.connection, item, session.target.name, path, waiting, session.folder)
            )
            session.progress(Event("verify", *item.identity, item.rows, item.rows))
    return tuple(outcomes)


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
    now = ledger.read(session.connection, session.target.name).loads
    for plan in made.tables:
        entry = now.get(plan.identity)
        waiting = len(ledger.quarantined(session.connection, session.target.name, *plan.identity))
        if entry is None or entry.loaded_rows + waiting != plan.rows:
            raise VerificationFailed(
                f"{plan.table.name} of {plan.source} has {plan.rows} rows, and"
                f" {entry.loaded_rows if entry else 0} were loaded and {waiting} are in quarantine.",
                "Run howdah migrate again; if it stays so, please report it.",
            )
