"""The stages: discover → snapshot → inspect → plan → create → load → finish → verify → report."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from howdah import application as applications
from howdah import (
    choices,
    create,
    definition,
    discover,
    finish,
    inspection,
    ledger,
    pg,
    profile,
    quarantine,
    snapshot,
    trust,
)
from howdah.application import Application
from howdah.choices import Choices
from howdah.clock import Clock
from howdah.context import Budget, Context, Loaded, Merged
from howdah.ddl import Derived
from howdah.discover import SourceFile
from howdah.errors import ConfigurationError, TargetRefused, VerificationFailed
from howdah.findings import Finding, errors
from howdah.inspection import Target
from howdah.ledger import Ledger, Load
from howdah.plan import Inspected, Plan, TablePlan
from howdah.progress import Event, Progress, silent
from howdah.report import Difference, Report, SourceReport, TableReport, Verdict
from howdah.risk import Forecast
from howdah.workspace import workspace

# Alembic and Arrow load only where a schema or rows need them: see the functions that import howdah.revisions, load,
# verify, forecast and vector.
if TYPE_CHECKING:
    from howdah.verify import Outcome


@dataclass(frozen=True)
class Request:
    """What is to be moved, and where to.

    :ivar sources: SQLite files or folders that hold some.
    :ivar dsn: libpq connection string; empty means libpq's own variables and service files.
    :ivar application: application folder, or ``None`` to derive the schema from the source.
    :ivar schema: target schema; ``None`` means the application's, or ``public``.
    :ivar jobs: tables loaded at the same time, at least 1.
    :ivar max_quarantined: stop before more rows than this go to quarantine; ``None`` means no limit.
    :ivar identifiers: ``lower``, ``keep`` or ``snake``, for a derived schema; ``None`` means as before, or lower.
    :ivar orphans: ``quarantine`` or ``keep``, for a derived schema; ``None`` means as before, or quarantine.
    :ivar retry: load tables with rows in quarantine again, whether or not anything changed.
    :ivar sample: for ``plan``: look at no more rows of each table than this; ``None`` means all.
    :ivar work_dir: folder for the snapshots, or ``None`` for a private temporary one.
    :ivar salvage: move what can still be read of a damaged source, instead of refusing it.
    """

    sources: tuple[Path, ...]
    dsn: str = ""
    application: Path | None = None
    schema: str | None = None
    jobs: int = 1
    max_quarantined: int | None = None
    identifiers: str | None = None
    orphans: str | None = None
    retry: bool = False
    sample: int | None = None
    work_dir: Path | None = None
    salvage: bool = False


@dataclass(frozen=True)
class _Session:
    """Everything that the verbs share, once sources are frozen and the target answers.

    :ivar files: all sources; each is in ``snapshots`` or in ``unchanged``.
    :ivar unchanged: sources that are as they were at their last load, and were not copied.
    """

    request: Request
    connection: pg.Connection
    target: Target
    files: tuple[SourceFile, ...]
    snapshots: tuple[snapshot.Snapshot, ...]
    unchanged: dict[str, Inspected]
    known: Ledger
    findings: tuple[Finding, ...]
    folder: Path
    clock: Clock
    progress: Progress

    @property
    def paths(self) -> dict[str, tuple[Path, str]]:
        return {item.source.name: (item.path, item.sha256) for item in self.snapshots}


def plan(request: Request, progress: Progress = silent) -> Plan:
    """Return what ``migrate`` would do; nothing is changed anywhere.

    :param progress: called with what is being done.
    :raises HowdahError: see :mod:`howdah.errors`.
    """
    with _session(request, progress, lock="none") as session:
        made, _ = _plan(session, _inspect(session, request.sample))
        waiting = _waiting(session)
        pending = tuple(p.identity for p in made.tables if _must_load(session, p, waiting))
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
    with _session(request, progress, lock="exclusive", trusting=True) as session:
        sources: tuple[Inspected, ...] = ()
        while True:
            sources = _inspect(session, before=sources)
            made, derived = _plan(session, sources)
            _refuse(session, made)
            due = _due(session, made)
            needed = _read(session, made, due) & session.unchanged.keys()
            if not needed:
                break
            # A source may have changed since it was stamped: look again with what is read now.
            session = _freeze(session, needed)
            sources = tuple(source for source in sources if source.name not in needed)
        unfinished = any(_entry(session, p) is None or not _verified(session, p) for p in made.tables)
        unfinished |= any(not session.known.describes(source.name) for source in made.sources)
        if not due and not made.statements and not unfinished:
            _confirm(session, made)
            return _report(session, made, "migrate", _last_run(session, made), changed=False)
        return _work(session, made, derived, due)


def verify(request: Request, progress: Progress = silent) -> Report:
    """Compare every row of the sources as they are now with the target; no row of it is written.

    Where a difference is found, the ledger notes it, and the next ``migrate`` loads that table again.

    :param progress: called with what is being done.
    :raises VerificationFailed: some tables were not migrated yet.
    :raises HowdahError: see :mod:`howdah.errors`.
    """
    with _session(request, progress, lock="shared") as session:
        made, _ = _plan(session, _inspect(session))
        missing = [p for p in made.tables if _entry(session, p) is None]
        if made.statements or missing or not session.known.exists:
            raise VerificationFailed(
                f"{len(missing) or 'Some'} of {len(made.tables)} tables were not migrated yet.",
                "Run howdah migrate first.",
            )
        outcomes = _verify(session, made.tables)
        _doubt(session, outcomes)
        return _report(session, made, "verify", _last_run(session, made), changed=False, outcomes=outcomes)


def ledger_name(request: Request) -> str:
    """Return what the ledger and the lock call the migration that a request asks for.

    :raises ConfigurationError: the application folder is missing or wrong.
    """
    return _destination(request)[2]


def _destination(request: Request) -> tuple[Application | None, str, str]:
    """Return the application, the target schema, and the name of this migration."""
    application = applications.load(request.application) if request.application else None
    if application is None:
        schema = request.schema or "public"
        return None, schema, f"schema {schema}"
    if request.schema and request.schema != application.schema_:
        # Two schemas of one application are two migrations, each with its own ledger and lock.
        return application, request.schema, f"{application.name} in {request.schema}"
    return application, application.schema_, application.name


def _due(session: _Session, made: Plan) -> set[tuple[str, str]]:
    """Return the tables that must be loaded."""
    waiting = _waiting(session)
    session.progress(Event("compare"))
    with session.clock.stage("compare"):
        due = {p.identity for p in made.tables if _must_load(session, p, waiting)}
    if session.request.retry:
        due |= {p.identity for p in made.tables if p.identity in waiting}
    return due


def _read(session: _Session, made: Plan, due: set[tuple[str, str]]) -> set[str]:
    """Return the sources with rows that will be read: due ones, ones that may lose a parent, unverified ones."""
    targets = {p.target.name for p in made.tables if p.identity in due}
    children = targets
    while children:
        children = {p.target.name for p in made.tables if any(k.parent in children for k in p.target.foreign_keys)}
        children -= targets
        targets |= children
    return {p.source for p in made.tables if p.target.name in targets or not _verified(session, p)}


def _confirm(session: _Session, made: Plan) -> None:
    """Keep what proves that sources are as they were loaded, where what is kept proves it no more."""
    stamps = {s.source.name: s.stamp for s in session.snapshots if s.stamp.settled and not s.salvaged}
    names = stamps.keys() - trust.proven(session.known, stamps)
    run_id = _last_run(session, made) if names else ""
    for source in made.sources:
        if run_id and source.name in names:
            _record_source(session, made, source, UUID(run_id))


def _record_source(session: _Session, made: Plan, source: Inspected, run_id: UUID) -> None:
    taken = next(item for item in session.snapshots if item.source.name == source.name)
    ledger.record_source(
        session.connection,
        session.target.name,
        run_id,
        source.name,
        source.path,
        source.size,
        source.sha256,
        profile.to_json(source.profile),
        definition.to_json(definition.define(source, made.tables, made.skipped)),
        trust.stamp_to_json(taken),
        trust.catalog_to_json(source.catalog),
    )


@contextmanager
def _session(request: Request, progress: Progress, lock: str, *, trusting: bool = False) -> Iterator[_Session]:
    """Resolve sources, reach the target, lock, freeze the sources; undo all of it afterwards.

    :param trusting: leave sources as they are that did not change since their last load.
    """
    clock = Clock()
    if request.jobs < 1:
        raise ConfigurationError("--jobs must be at least 1.")
    application, schema, name = _destination(request)
    files, findings = discover.resolve(request.sources, application)
    if schema == "howdah" or schema.startswith("pg_"):
        raise ConfigurationError(f"Schema {schema} is reserved.", "Choose another --schema.")
    try:
        with pg.connect(request.dsn) as connection:
            info = pg.check_server(connection, schema)
            target = Target(info, name, application, request.application)
            if lock != "none":
                ledger.lock(connection, name, shared=lock == "shared")
            known = ledger.read(connection, name)
            choices.check(request.identifiers, request.orphans, application is not None)
            choices.settle(request.identifiers, request.orphans, known, schema)
            unchanged = trust.unchanged(connection, known, files) if trusting else {}
            with workspace(request.work_dir) as folder:
                session = _Session(
                    request, connection, target, files, (), unchanged, known, findings, folder, clock, progress
                )
                yield _freeze(session, {file.name for file in files if file.name not in unchanged})
    except pg.Error as error:
        raise pg.explain(error) from error


def _freeze(session: _Session, names: set[str]) -> _Session:
    """Take the snapshots of some sources."""
    files = tuple(file for file in session.files if file.name in names)
    with session.clock.stage("snapshot"):
        snapshot.check_space(files, session.folder)
        frozen = []
        for file in files:
            session.progress(Event("snapshot", file.name))
            frozen.append(snapshot.take(file, session.folder, salvaging=session.request.salvage))
    return replace(
        session,
        snapshots=session.snapshots + tuple(frozen),
        unchanged={name: source for name, source in session.unchanged.items() if name not in names},
        findings=session.findings + tuple(finding for item in frozen for finding in item.findings),
    )


def _inspect(session: _Session, sample: int | None = None, before: tuple[Inspected, ...] = ()) -> tuple[Inspected, ...]:
    """Return catalog and profile of all sources.

    :param before: those that were looked at already.
    """
    found = session.unchanged | {source.name: source for source in before}
    new = tuple(item for item in session.snapshots if item.source.name not in found)
    with session.clock.stage("profile"):
        found |= {item.name: item for item in inspection.inspect(new, session.known, session.progress, sample)}
    return tuple(found[file.name] for file in session.files)


def _forecasts(session: _Session, made: Plan, pending: tuple[tuple[str, str], ...]) -> tuple[Forecast, ...]:
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


def _plan(session: _Session, sources: tuple[Inspected, ...]) -> tuple[Plan, Derived | None]:
    with session.clock.stage("plan"):
        if session.target.application:
            return inspection.plan_application(session.request.dsn, session.target, sources), None
        return inspection.plan_derived(session.connection, session.target, sources, session.known, _choices(session))


def _choices(session: _Session) -> Choices:
    request = session.request
    return choices.settle(request.identifiers, request.orphans, session.known, session.target.schema)


def _refuse(session: _Session, made: Plan) -> None:
    """Stop before anything is changed when the plan has errors or the role lacks rights.

    :raises ConfigurationError: with the first error and how many there are.
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


def _entry(session: _Session, plan: TablePlan) -> Load | None:
    return session.known.loads.get(plan.identity)


def _verified(session: _Session, plan: TablePlan) -> bool:
    entry = _entry(session, plan)
    return entry is not None and entry.verified_at is not None


def _waiting(session: _Session) -> dict[tuple[str, str], frozenset[str]]:
    return ledger.waiting_reasons(session.connection, session.target.name) if session.known.exists else {}


def _must_load(session: _Session, plan: TablePlan, waiting: dict[tuple[str, str], frozenset[str]]) -> bool:
    """Return whether a table is due: new, planned differently, changed, damaged, or worth another try."""
    entry = _entry(session, plan)
    if entry is None or entry.plan_digest != plan.digest or not entry.settled:
        return True
    if waiting.get(plan.identity, frozenset()) & quarantine.DEPENDS_ON_TARGET:
        return True
    path, digest = session.paths.get(plan.source, (None, ""))
    if path and entry.snapshot_sha256 != digest:
        from howdah.vector.stream import content_digest

        if content_digest(path, plan) != entry.content_digest:
            return True
    return _rows_gone(session, entry)


def _rows_gone(session: _Session, entry: Load) -> bool:
    target = pg.qualified(entry.target_schema, entry.target_table)
    there = session.connection.execute("SELECT to_regclass(%s) IS NOT NULL", [target]).fetchone()
    if not there or not there[0]:
        return True
    counted = pg.execute(session.connection, f"SELECT count(*) FROM {target}").fetchone() or (0,)
    return int(counted[0]) < entry.target_rows


def _work(
    session: _Session,
    made: Plan,
    derived: Derived | None,
    due: set[tuple[str, str]],
) -> Report:
    """Everything that writes."""
    run_id = uuid4()
    connection, name = session.connection, session.target.name
    ledger.create(connection)
    ledger.start_run(connection, name, run_id)
    session.progress(Event("create"))
    with session.clock.stage("create"):
        created = _create(session, made, derived, run_id)
        released = _release(session, made, derived, due)
    # Planned again with the target as it is now, and with what the ledger now says is ours.
    session = replace(session, known=ledger.read(connection, name))
    made, derived = _plan(session, made.sources)
    context = Context(
        application=name,
        run_id=run_id,
        snapshots=session.paths,
        known=session.known,
        budget=Budget(session.request.max_quarantined, session.request.max_quarantined),
        progress=session.progress,
    )
    session.progress(Event("load", total=sum(p.rows for p in made.tables if p.identity in due)))
    with session.clock.stage("load"):
        loaded, notes = _load(session, made, due, context)
    stale = [p for p in made.tables if p.identity in loaded or not _verified(session, p)]
    session.progress(Event("indexes"))
    with session.clock.stage("indexes"):
        if derived:
            kept = _choices(session).orphans == "keep"
            more, remarks = finish.complete(connection, derived, name, run_id, validate=not kept)
            created += tuple(item for item in more if item.removeprefix("constraint ") not in released)
            notes += remarks
        created += tuple(f"sequence of {moved}" for moved in finish.advance_sequences(connection, stale))
        finish.analyze(connection, [item.plan for item in loaded.values() if item.effective])
    # Before anything counts as verified: a run that is killed here is finished by the next one.
    for source in made.sources:
        if source.name not in session.unchanged:
            _record_source(session, made, source, run_id)
    outcomes = _verify(session, tuple(stale))
    _doubt(session, outcomes)
    for outcome in outcomes:
        if not outcome.count:
            ledger.mark_verified(connection, name, *outcome.plan.identity)
    _conserve(session, made)
    changed = bool(created) or any(item.effective for item in loaded.values())
    report = _report(session, made, "migrate", str(run_id), changed, outcomes, loaded, notes, created)
    ledger.finish_run(connection, run_id, report.verdict, report.to_dict())
    return report


def _release(session: _Session, made: Plan, derived: Derived | None, due: set[tuple[str, str]]) -> frozenset[str]:
    """Make way for orphans that are to move."""
    if derived is None or _choices(session).orphans != "keep":
        return frozenset()
    loads = frozenset(plan.target.name for plan in made.tables if plan.identity in due)
    return create.release(session.connection, derived, loads)


def _create(session: _Session, made: Plan, derived: Derived | None, run_id: UUID) -> tuple[str, ...]:
    """Make the schema; return what was made."""
    connection, target = session.connection, session.target
    if target.folder is not None:
        from howdah import revisions

        return tuple(f"revision {r}" for r in revisions.upgrade(session.request.dsn, target.folder, target.schema))
    if derived is None:
        return ()
    ledger.record_refusals(connection, session.known, run_id, target.schema, derived.refused)
    ledger.record_choices(connection, session.known, run_id, target.schema, _choices(session).to_dict())
    wanted = tuple(statement for statement in derived.tables if statement.sql in made.statements)
    if not wanted:
        return ()
    with connection.transaction():
        # IF NOT EXISTS would ask for the right to create schemas even where there is nothing to create.
        if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [target.schema]).fetchone():
            pg.execute(connection, f"CREATE SCHEMA {pg.quoted(target.schema)}")
        create.run(connection, wanted)
        for item in wanted:
            ledger.record_object(
                connection, target.name, run_id, target.schema, item.kind, item.name, item.table, item.sql
            )
    return tuple(f"{item.kind} {item.name}" for item in wanted)


def _load(
    session: _Session, made: Plan, due: set[tuple[str, str]], context: Context
) -> tuple[dict[tuple[str, str], Loaded], tuple[Finding, ...]]:
    """Load what is due, parents before children; then delete what had to wait, children before parents."""
    from howdah.load import load_group, settle

    loaded: dict[tuple[str, str], Loaded] = {}
    unsettled: dict[str, TablePlan] = {}
    for level in _levels(made.groups):
        batch = [group for group in level if _is_due(group, due, unsettled)]
        for items in _in_parallel(session, batch, context, tuple(unsettled.values())):
            for item in items:
                loaded[item.plan.identity] = item
                if item.retained:
                    unsettled[item.plan.target.name] = item.plan
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
    again = [plan for plan in made.tables if _freed(session, plan, loaded)]
    for plan in again:
        # A value that a waiting row still held is free now.
        (second,) = load_group(session.connection, (plan,), context)
        first = loaded[plan.identity].merged
        merged = Merged(
            inserted=first.inserted + second.merged.inserted,
            updated=first.updated + second.merged.updated,
            deleted=first.deleted + second.merged.deleted,
        )
        loaded[plan.identity] = replace(second, merged=merged, effective=True)
    return loaded, tuple(notes)


def _freed(session: _Session, plan: TablePlan, loaded: dict[tuple[str, str], Loaded]) -> bool:
    item = loaded.get(plan.identity)
    if item is None or not item.merged.deleted:
        return False
    waiting = ledger.waiting_reasons(session.connection, session.target.name)
    return "unique_conflict" in waiting.get(plan.identity, frozenset())


def _is_due(group: tuple[TablePlan, ...], due: set[tuple[str, str]], unsettled: dict[str, TablePlan]) -> bool:
    """A table whose parent lost rows is due as well: its rows may be orphans now."""
    return any(p.identity in due or any(key.parent in unsettled for key in p.target.foreign_keys) for p in group)


def _levels(groups: tuple[tuple[TablePlan, ...], ...]) -> list[list[tuple[TablePlan, ...]]]:
    """Put independent groups side by side; groups that fill the same table stay apart."""
    depth: dict[str, int] = {}
    levels: list[list[tuple[TablePlan, ...]]] = []
    for group in groups:
        own = {plan.target.name for plan in group}
        parents = {key.parent for plan in group for key in plan.target.foreign_keys} | own
        level = 1 + max((depth[name] for name in parents if name in depth), default=-1)
        for name in own:
            depth[name] = level
        while len(levels) <= level:
            levels.append([])
        levels[level].append(group)
    return levels


def _in_parallel(
    session: _Session, batch: list[tuple[TablePlan, ...]], context: Context, unsettled: tuple[TablePlan, ...]
) -> Iterator[tuple[Loaded, ...]]:
    from howdah.load import load_group

    if session.request.jobs == 1 or len(batch) == 1:
        for group in batch:
            yield load_group(session.connection, group, context, unsettled)
        return

    def work(group: tuple[TablePlan, ...]) -> tuple[Loaded, ...]:
        with pg.connect(session.request.dsn) as connection:
            return load_group(connection, group, context, unsettled)

    with ThreadPoolExecutor(session.request.jobs) as pool:
        yield from pool.map(work, batch)


def _verify(session: _Session, plans: tuple[TablePlan, ...]) -> tuple[Outcome, ...]:
    from howdah.verify import Reader, verify_table

    outcomes = []
    session.progress(Event("verify", total=sum(item.rows for item in plans)))
    with session.clock.stage("verify"), contextlib.closing(Reader(pg.conninfo_of(session.connection))) as reader:
        for item in plans:
            session.progress(Event("verify", *item.identity, 0, item.rows))
            path, _ = session.paths[item.source]
            waiting = ledger.quarantined(session.connection, session.target.name, *item.identity)
            outcomes.append(
                verify_table(reader, session.connection, item, session.target.name, path, waiting, session.folder)
            )
            session.progress(Event("verify", *item.identity, item.rows, item.rows))
    return tuple(outcomes)


def _doubt(session: _Session, outcomes: tuple[Outcome, ...]) -> None:
    """Note in the ledger which tables differ; a role that may only read still gets its answer."""
    for outcome in outcomes:
        if outcome.count:
            with contextlib.suppress(pg.Error):
                ledger.mark_doubtful(session.connection, session.target.name, *outcome.plan.identity)


def _conserve(session: _Session, made: Plan) -> None:
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


def _last_run(session: _Session, made: Plan) -> str:
    """Return the run that the target is as it is by."""
    runs = {str(entry.run_id) for p in made.tables if (entry := _entry(session, p))}
    row = session.connection.execute(
        "SELECT run_id FROM howdah.run WHERE run_id = ANY (%s) ORDER BY started_at DESC LIMIT 1", [list(runs)]
    ).fetchone()
    return str(row[0]) if row else ""


def _report(
    session: _Session,
    made: Plan,
    verb: str,
    run_id: str,
    changed: bool,
    outcomes: tuple[Outcome, ...] = (),
    loaded: dict[tuple[str, str], Loaded] | None = None,
    notes: tuple[Finding, ...] = (),
    created: tuple[str, ...] = (),
) -> Report:
    known = ledger.read(session.connection, session.target.name)
    waiting = quarantine.groups(session.connection, quarantine.Selection(session.target.name))
    identities = {p.identity for p in made.tables}
    tables = [_table_report(p, known.loads.get(p.identity), (loaded or {}).get(p.identity)) for p in made.tables]
    tables += [TableReport(s.source, s.table, "", s.rows, skipped=True) for s in made.skipped]
    differences: list[Difference] = [d for outcome in outcomes for d in outcome.differences]
    count = sum(outcome.count for outcome in outcomes)
    verdict: Verdict = "verified"
    if count:
        verdict = "different"
    elif any(item.salvaged for item in session.snapshots):
        verdict = "salvaged"
    elif any(table.quarantined_rows for table in tables):
        verdict = "quarantined"
    findings = session.findings + made.findings + notes + _run_findings(made, known, loaded or {}, outcomes)
    return Report(
        verb=verb,
        verdict=verdict,
        run_id=run_id,
        changed=changed,
        seconds=session.clock.total,
        stages=dict(session.clock.stages),
        quarantine=tuple(group for group in waiting if (group.source, group.table) in identities),
        application=session.target.name,
        target=session.target.info,
        sources=tuple(SourceReport(s.name, s.path, s.size, s.sha256) for s in made.sources),
        tables=tuple(tables),
        findings=findings,
        differences=tuple(differences),
        difference_count=count,
        created=created,
    )


def _table_report(plan: TablePlan, entry: Load | None, item: Loaded | None) -> TableReport:
    return TableReport(
        source=plan.source,
        table=plan.table.name,
        target=f"{plan.target.schema}.{plan.target.name}",
        source_rows=plan.rows,
        loaded_rows=entry.loaded_rows if entry else 0,
        quarantined_rows=entry.quarantined_rows if entry else 0,
        inserted=item.merged.inserted if item else 0,
        updated=item.merged.updated if item else 0,
        deleted=item.merged.deleted if item else 0,
        changed=item.effective if item else False,
        seconds=item.seconds if item else 0.0,
        columns=tuple((c.source, c.target, c.type.sql, c.lossless) for c in plan.columns),
    )


def _run_findings(
    made: Plan, known: Ledger, loaded: dict[tuple[str, str], Loaded], outcomes: tuple[Outcome, ...]
) -> tuple[Finding, ...]:
    found = []
    for plan in made.tables:
        entry = known.loads.get(plan.identity)
        if entry and entry.mapped:
            found.append(
                Finding(
                    "info",
                    "identifiers_mapped",
                    f"{entry.mapped:,} identifiers mapped to UUIDs.",
                    *plan.identity,
                    rows=entry.mapped,
                )
            )
        item = loaded.get(plan.identity)
        if item and item.shared:
            found.append(
                Finding(
                    "info",
                    "already_there",
                    f"{item.shared:,} rows were there already, equal, and are not howdah's.",
                    *plan.identity,
                    rows=item.shared,
                )
            )
    for outcome in outcomes:
        if outcome.foreign:
            found.append(
                Finding(
                    "info",
                    "foreign_rows",
                    f"{outcome.foreign:,} rows of {outcome.plan.target.name} are not howdah's; they were left alone.",
                    *outcome.plan.identity,
                    rows=outcome.foreign,
                )
            )
    return tuple(found)
