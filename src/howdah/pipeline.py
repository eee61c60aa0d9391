"""The stages: discover → snapshot → inspect → plan → create → load → finish → verify → report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from howdah.due import entry_of, is_verified, must_load, sources_read, tables_due, waiting_reasons
from howdah.errors import VerificationFailed
from howdah.plan import Inspected, Plan, TablePlan
from howdah.progress import Event, Progress, silent
from howdah.proof import compare, note_differences
from howdah.report import Report
from howdah.reporting import last_run, make_report
from howdah.session import Request, Session, freeze, inspect, ledger_name, make_plan, opened
from howdah.standing import Work, confirm, refuse

__all__ = ["Request", "ledger_name", "migrate", "plan", "verify"]

# What tries, moves or compares rows loads only where it is needed: see the functions that import it.
if TYPE_CHECKING:
    from howdah.risk import Forecast


def plan(request: Request, progress: Progress = silent) -> Plan:
    """Return what ``migrate`` would do; nothing is changed anywhere.

    :param progress: called with what is being done.
    :raises HowdahError: see :mod:`howdah.errors`.
    """
    with opened(request, progress, lock="none") as session:
        made, _ = make_plan(session, inspect(session, request.sample))
        waiting = waiting_reasons(session)
        session.settle()
        pending = tuple(p.identity for p in made.tables if must_load(session, p, waiting))
        unverified = (
            any(entry.verified_at is None for entry in session.known.loads.values()) or not session.known.exists
        )
        return replace(
            made,
            findings=session.findings + made.findings,
            pending=bool(pending or made.statements or unverified),
            pending_tables=pending,
            forecasts=_forecasts(session, made, pending),
            sample=request.sample,
        )


def migrate(request: Request, progress: Progress = silent) -> Report:
    """Move every row, verify it, and return what was done; safe to run again at any time.

    :param progress: called with what is being done.
    :raises HowdahError: see :mod:`howdah.errors`; what was committed before is whole and verified by the next
        run.
    """
    with opened(request, progress, lock="exclusive", trusting=True) as session:
        sources: tuple[Inspected, ...] = ()
        while True:
            sources = inspect(session, before=sources)
            work = Work(*make_plan(session, sources))
            refuse(session, work.made)
            due = tables_due(session, work.made)
            needed = sources_read(session, work.made, due) & session.unchanged.keys()
            if not needed:
                break
            # A source may have changed since it was stamped: look again with what is read now.
            session = freeze(session, needed)
            sources = tuple(source for source in sources if source.name not in needed)
        session.settle()
        unfinished = any(entry_of(session, p) is None or not is_verified(session, p) for p in work.made.tables)
        unfinished |= any(not session.known.describes(source.name) for source in work.made.sources)
        if not due and not work.made.statements and not unfinished:
            confirm(session, work.made)
            return make_report(session, work.made, "migrate", last_run(session, work.made), changed=False)
        # The plan has them, and lets go of what it needs no more.
        del sources
        from howdah.apply import apply

        return apply(session, work, due)


def verify(request: Request, progress: Progress = silent) -> Report:
    """Compare every row of the sources as they are now with the target; no row of it is written.

    Where a difference is found, the ledger notes it, and the next ``migrate`` loads that table again.

    :param progress: called with what is being done.
    :raises VerificationFailed: some tables were not migrated yet.
    :raises HowdahError: see :mod:`howdah.errors`.
    """
    with opened(request, progress, lock="shared") as session:
        made, _ = make_plan(session, inspect(session))
        missing = [p for p in made.tables if entry_of(session, p) is None]
        if made.statements or missing or not session.known.exists:
            raise VerificationFailed(
                f"{len(missing) or 'Some'} of {len(made.tables)} tables were not migrated yet.",
                "Run howdah migrate first.",
            )
        outcomes = compare(session, made.tables)
        session.settle()
        note_differences(session, outcomes)
        return make_report(session, made, "verify", last_run(session, made), changed=False, outcomes=outcomes)


def _forecasts(session: Session, made: Plan, pending: tuple[tuple[str, str], ...]) -> tuple[Forecast, ...]:
    """Try the casts on the rows of the tables that would move."""
    if not pending:
        return ()
    from howdah.forecast import try_casts

    found = []
    with session.clock.stage("forecast"):
        for item in made.tables:
            if item.identity in pending:

                def step(done: int, item: TablePlan = item) -> None:
                    session.progress(Event("forecast", *item.identity, done=done, total=item.rows))

                path, _ = session.paths[item.source]
                found.append(try_casts(path, item, made.profile(item), session.request.sample, step))
    return tuple(found)
