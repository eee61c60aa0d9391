"""Everything of a migration that writes: create → load → finish → verify → report, with a ledger of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from howdah import create, definition, finish, heads, ledger, pg, profile, sequences, stages, trust
from howdah.catalog.sqlite import let_go
from howdah.context import Budget, Context
from howdah.ddl import Derived
from howdah.due import Due, is_verified
from howdah.errors import ConfigurationError, TargetRefused
from howdah.findings import errors
from howdah.order import batched
from howdah.plain import json_parts
from howdah.plan import Inspected, Plan, SkippedTable, TablePlan
from howdah.progress import Event
from howdah.proof import check_conservation, compare, note_differences
from howdah.report import Report
from howdah.reporting import last_run, make_report
from howdah.schedule import load_all
from howdah.session import Session, chosen, make_plan

# Statements of one transaction: it locks all that it makes, and the server's table of locks has its bounds.
_OBJECTS = 100
# Sources that are recorded by one statement: it holds all that is kept of them.
_SOURCES = 50

# Alembic loads only where a schema needs it: see the function that imports howdah.revisions.


def refuse(session: Session, made: Plan) -> None:
    """Stop before anything is changed when the plan has errors or the role lacks rights.

    :raises ConfigurationError: with the first error and how many there are.
    :raises TargetRefused: a right is missing.
    """
    found = errors(made.findings)
    if found:
        first = found[0]
        where = ".".join(part for part in (first.source, first.table, first.column) if part)
        more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
        raise ConfigurationError(f"{where}: {first.message}{more}", "See all of it with: howdah plan")
    row = session.connection.execute(
        """SELECT has_database_privilege(current_database(), 'TEMP'),
                  has_database_privilege(current_database(), 'CREATE'),
                  to_regnamespace(%s) IS NOT NULL, current_user""",
        [pg.quoted(session.target.schema)],
    ).fetchone()
    temporary, may_create, there, role = row or (False, False, False, "")
    if not temporary:
        raise TargetRefused(f"Role {role} may not make temporary tables.", "Grant TEMP on the database.")
    if not may_create and not (there and session.known.exists):
        raise TargetRefused(
            f"Role {role} may not create schemas in {session.target.info.database}; the ledger needs one.",
            f'GRANT CREATE ON DATABASE "{session.target.info.database}" TO "{role}"',
        )


def confirm(session: Session, made: Plan) -> None:
    """Leave the ledger as a run does that has nothing to move.

    What proves that sources are as they were loaded, and the schema at its head, is kept anew where what is kept proves
    it no more, and stages of loads that were ended are dropped.
    """
    stamps = {s.source.name: s.stamp for s in session.snapshots if s.stamp.settled and not s.salvaged}
    names = stamps.keys() - trust.proven(session.known, stamps)
    run_id = last_run(session, made)
    if run_id and session.target.folder is not None:
        heads.record(session.connection, session.known, UUID(run_id), session.target.schema, session.target.folder)
    if run_id:
        _record_sources(session, made, [source for source in made.sources if source.name in names], UUID(run_id))
    stages.sweep(session.connection, session.target.name)


@dataclass
class Work:
    """What is to be made: planned once more when the schema is there, and what was planned before is let go of.

    :ivar made: the plan.
    :ivar derived: what is to be made of the schema, where there is no application.
    """

    made: Plan
    derived: Derived | None

    def plan_again(self, session: Session) -> None:
        """Plan with the target as it is now, and with what the ledger now says is ours."""
        sources, before = self.made.sources, None if self.derived else self.made
        del self.made, self.derived
        self.made, self.derived = make_plan(session, sources, before)


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
    made, derived = work.made, work.derived
    context = Context(
        application=name,
        run_id=run_id,
        snapshots=session.paths,
        known=session.known,
        budget=Budget(session.request.max_quarantined, session.request.max_quarantined),
        progress=session.progress,
        deltas={identity: item.delta for identity, item in due.items() if item.delta},
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
            kept = chosen(session).orphans == "keep"
            more, remarks = finish.complete(connection, derived, name, run_id, validate=not kept)
            created += tuple(item for item in more if item.removeprefix("constraint ") not in released)
            notes += remarks
        created += tuple(f"sequence of {moved}" for moved in sequences.advance(connection, stale))
        finish.analyze(connection, [item.plan for item in loaded.values() if item.outdates_statistics])
    filled = Counter((plan.target.schema, plan.target.name) for plan in made.tables)
    for schema, table in sorted({(plan.target.schema, plan.target.name) for plan in stale}):
        if filled[schema, table] > 1:
            ledger.recount(connection, name, schema, table)
    let_go()
    # Before anything counts as verified: a run that is killed here is finished by the next one.
    _record_sources(session, made, [s for s in made.sources if s.name not in session.unchanged], run_id)
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


def _record_sources(session: Session, made: Plan, sources: Sequence[Inspected], run_id: UUID) -> None:
    taken = {item.source.name: item for item in session.snapshots}
    plans: dict[str, list[TablePlan]] = {}
    skipped: dict[str, list[SkippedTable]] = {}
    for plan in made.tables:
        plans.setdefault(plan.source, []).append(plan)
    for left in made.skipped:
        skipped.setdefault(left.source, []).append(left)
    for some in batched(sources, _SOURCES):
        found = [
            ledger.Source(
                source.name,
                source.path,
                source.size,
                source.sha256,
                json_parts(profile.to_json(source.profile)),
                definition.to_json(source, plans.get(source.name, ()), skipped.get(source.name, ())),
                trust.stamp_to_json(taken[source.name]),
                trust.catalog_to_json(source.catalog),
            )
            for source in some
        ]
        ledger.record_sources(session.connection, session.target.name, run_id, found)
