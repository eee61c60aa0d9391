"""Everything of a migration that writes: create → load → finish → verify → report, with a ledger of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from howdah import create, finish, heads, ledger, pg, sequences, stages
from howdah.catalog.sqlite import let_go
from howdah.context import Budget, Context
from howdah.due import Due, is_verified, shared_targets
from howdah.order import batched
from howdah.plain import json_parts
from howdah.plan import Plan, TablePlan
from howdah.progress import Event
from howdah.proof import check_conservation, compare, note_differences
from howdah.report import Report
from howdah.reporting import make_report
from howdah.schedule import load_all
from howdah.session import Session, chosen
from howdah.standing import Work, record_sources

if TYPE_CHECKING:
    from howdah.ddl import Derived

# Statements of one transaction: it locks all that it makes, and the server's table of locks has its bounds.
_OBJECTS = 100

# Alembic loads only where a schema needs it: see the function that imports howdah.revisions.


def apply(session: Session, work: Work, due: Mapping[tuple[str, str], Due]) -> Report:
    """Move what is due, verify it, and return what was done; each step is in the ledger when it is committed.

    :param work: only its plan is left of it.
    :param due: what :func:`howdah.due.tables_due` returned.
    :raises HowdahError: see :mod:`howdah.errors`.
    """
    run_id = uuid4()
    connection, name = session.connection, session.target.name
    ledger.create(connection)
    ledger.start_run(connection, name, run_id)
    # Before the schema is worked on: a stage uses its types.
    stages.sweep(connection, name, work.made.tables)
    session.progress(Event("create"))
    with session.clock.stage("create"):
        created = _create(session, work.made, work.derived, run_id)
        released = _release(session, work.made, work.derived, due)
    session = replace(session, known=ledger.read(connection, name))
    work.plan_again(session)
    # What was read of both sides for the plan is freed; rows take its place.
    let_go()
    made, derived = work.made, work.derived
    keeping = derived is not None and chosen(session).orphans == "keep"
    # What was made before decided what is to be made, and no more than that.
    session = replace(session, known=replace(session.known, objects=frozenset()))
    context = Context(
        application=name,
        run_id=run_id,
        snapshots=session.paths,
        known=session.known,
        budget=Budget(session.request.max_quarantined, session.request.max_quarantined),
        counts=session.counts,
        progress=session.progress,
        deltas={identity: item.delta for identity, item in due.items() if item.delta},
        shared=shared_targets(made),
        waiting=ledger.waiting(connection, name),
    )
    session.progress(Event("load", total=sum(p.rows for p in made.tables if p.identity in due)))
    with session.clock.stage("load"):
        loaded, notes = load_all(session, made, due, context)
        stages.sweep(connection, name)
    stale = [p for p in made.tables if p.identity in loaded or not is_verified(session, p)]
    session.progress(Event("indexes"))
    with session.clock.stage("indexes"):
        if derived:
            more, remarks = finish.complete(connection, derived, name, run_id, validate=not keeping)
            created += tuple(item for item in more if item.removeprefix("constraint ") not in released)
            notes += remarks
        created += tuple(f"sequence of {moved}" for moved in sequences.advance(connection, stale))
        finish.analyze(connection, [item.plan for item in loaded.values() if item.outdates_statistics])
    _recount(session, made, stale)
    let_go()
    # Before anything counts as verified: a run that is killed here is finished by the next one.
    record_sources(session, made, [s for s in made.sources if s.name not in session.unchanged], run_id, work.measured)
    work.measured.clear()
    let_go()
    patched = {identity: item.patched for identity, item in loaded.items() if item.patched}
    outcomes = compare(session, tuple(stale), patched)
    let_go()
    note_differences(session, outcomes)
    ledger.mark_verified(connection, name, [outcome.plan.identity for outcome in outcomes if not outcome.count])
    check_conservation(session, made)
    changed = bool(created) or any(item.effective for item in loaded.values())
    report = make_report(session, made, "migrate", str(run_id), changed, outcomes, loaded, notes, created)
    ledger.finish_run(connection, run_id, report.verdict, json_parts(report.content()))
    return report


def _release(
    session: Session, made: Plan, derived: Derived | None, due: Mapping[tuple[str, str], Due]
) -> frozenset[str]:
    """Make way for orphans that are to move."""
    if derived is None or chosen(session).orphans != "keep":
        return frozenset()
    loads = frozenset(plan.target.name for plan in made.tables if plan.identity in due)
    return create.release(session.connection, derived, loads)


def _recount(session: Session, made: Plan, stale: list[TablePlan]) -> None:
    """Have the ledger count the target tables anew that several sources fill."""
    filled = Counter((plan.target.schema, plan.target.name) for plan in made.tables)
    for schema, table in sorted({(plan.target.schema, plan.target.name) for plan in stale}):
        if filled[schema, table] > 1:
            ledger.recount(session.connection, session.target.name, schema, table)


def _create(session: Session, made: Plan, derived: Derived | None, run_id: UUID) -> tuple[str, ...]:
    """Make the schema; return what was made."""
    connection, target = session.connection, session.target
    if target.folder is not None:
        if heads.is_reached(connection, session.known, target.schema, target.folder):
            return ()
        from howdah import revisions

        made_now = revisions.upgrade(session.request.dsn, target.folder, target.schema)
        heads.record(connection, session.known, run_id, target.schema, target.folder)
        return tuple(f"revision {revision}" for revision in made_now)
    if derived is None:
        return ()
    ledger.record_refusals(connection, session.known, run_id, target.schema, derived.refused)
    ledger.record_choices(connection, session.known, run_id, target.schema, chosen(session).to_dict())
    missing = frozenset(made.statements)
    wanted = tuple(statement for statement in derived.tables if statement.sql in missing)
    if not wanted:
        return ()
    with connection.transaction():
        # IF NOT EXISTS would ask for the right to create schemas even where there is nothing to create.
        if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [target.schema]).fetchone():
            pg.execute(connection, f"CREATE SCHEMA {pg.quoted(target.schema)}")
    for some in batched(wanted, _OBJECTS):
        with connection.transaction():
            create.run(connection, some)
            ledger.record_objects(
                connection, target.name, run_id, target.schema, [(i.kind, i.name, i.table, i.sql) for i in some]
            )
    return tuple(f"{item.kind} {item.name}" for item in wanted)
