"""The stage between snapshot and plan: catalogs and profiles of the sources, and what the target is like."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from howdah import heads, order, pg, profile
from howdah.application import Application
from howdah.catalog import postgres, sqlite
from howdah.catalog.model import SourceCatalog, TargetCatalog, TargetTable
from howdah.choices import Choices
from howdah.errors import ConfigurationError, TargetRefused
from howdah.findings import Finding
from howdah.header import shown
from howdah.ledger import Ledger
from howdah.plan import Inspected, Plan, SkippedTable, TablePlan
from howdah.planning import match_tables, missing_tables, table_plan, unmoved_objects
from howdah.profile import Profile
from howdah.progress import Event, Progress
from howdah.report import TargetInfo
from howdah.shared import Shared
from howdah.snapshot import Snapshot

# What derives a schema, and with it the parser of SQL, loads only where there is no application.
if TYPE_CHECKING:
    from howdah import ddl

# Bytes from which on a second connection to the snapshot is worth its while; SQLite works without Python's lock.
_LARGE = 64 << 20


@dataclass(frozen=True)
class Target:
    """Where to, and by whose schema.

    :ivar name: what the ledger and the lock call this migration: the application, or the schema.
    """

    info: TargetInfo
    name: str
    application: Application | None
    folder: Path | None

    @property
    def schema(self) -> str:
        """Return the target schema."""
        return self.info.schema


def inspect(
    snapshots: tuple[Snapshot, ...], known: Ledger, progress: Progress, sample: int | None = None
) -> tuple[Inspected, ...]:
    """Return catalog and profile of every source; the profile of an unchanged one comes from the ledger.

    :param sample: rows of each table that a profile is of; ``None``: all.
    """
    result = []
    for snapshot in snapshots:
        name = snapshot.source.name
        catalog = sqlite.read(snapshot.path)
        before = known.sources.get(name)
        kept = profile.from_json(before.profile) if before and before.blake3 == snapshot.blake3 and not sample else None
        if kept is None:
            progress(Event("profile", name))
            kept = _measured(snapshot, catalog, sample)
        result.append(
            Inspected(
                name=name,
                path=shown(snapshot.source.path),
                size=snapshot.size,
                blake3=snapshot.blake3,
                expected=snapshot.source.expected,
                catalog=catalog,
                profile=kept,
            )
        )
    return tuple(result)


def _measured(snapshot: Snapshot, catalog: SourceCatalog, sample: int | None) -> Profile:
    """Return the profile of a source; the tables of a large one are measured two at a time."""
    from howdah import profiling

    if snapshot.size < _LARGE or sample:
        return profiling.measure(snapshot.path, catalog.tables, sample)
    # Each thread takes the next table when it is done with one; an iterator over a tuple may be shared.
    waiting = iter(catalog.tables)
    with ThreadPoolExecutor(2) as pool:
        parts = [pool.submit(profiling.measure, snapshot.path, waiting) for _ in range(2)]
        found = {name: table for part in parts for name, table in part.result().items()}
    return {table.name: found[table.name] for table in catalog.tables}


def plan_application(
    connection: pg.Connection,
    dsn: str,
    target: Target,
    sources: tuple[Inspected, ...],
    known: Ledger,
    before: Plan | None = None,
) -> Plan:
    """Plan against the schema that the application's Alembic head gives.

    :param before: an earlier plan for the same sources; its tables are taken where the schema is as it was.
    """
    if target.application is None or target.folder is None:
        raise ConfigurationError("An application folder is needed to plan by one.")
    pending: tuple[str, ...] = ()
    if heads.is_reached(connection, known, target.schema, target.folder):
        schema = postgres.read(connection, target.schema)
    else:
        from howdah import revisions

        schema, pending = revisions.preview(dsn, target.folder, target.schema)
    if before and before.schema == schema:
        return replace(before, statements=pending)
    plans: list[TablePlan] = []
    skipped: list[SkippedTable] = []
    findings: list[Finding] = []
    for source in sources:
        tables, left, remarks = match_tables(source, schema, target.application)
        plans += tables
        skipped += left
        findings += remarks
    return Plan(
        application=target.name,
        target=target.info,
        sources=sources,
        groups=grouped(plans),
        skipped=tuple(skipped),
        findings=tuple(findings),
        statements=pending,
        schema=schema,
    )


def plan_derived(
    connection: pg.Connection, target: Target, sources: tuple[Inspected, ...], known: Ledger, choices: Choices
) -> tuple[Plan, ddl.Derived]:
    """Plan against the schema derived from the sources; tables that we made are taken as they are now.

    :raises TargetRefused: tables that are not ours are in the way, or ours lack a column of the source.
    """
    from howdah import create, ddl, trial
    from howdah.ddl.foreign_keys import not_valid

    settled = {name: load.target_table for name, load in known.loads.items() if load.target_schema == target.schema}
    derive = partial(ddl.derive, sources, style=choices.identifiers, settled=settled)
    derived = derive(target.schema)
    actual = postgres.read(connection, target.schema)
    refused = trial.refusals(connection, derive, derived, actual, known)
    if refused:
        derived = derive(target.schema, refused)
    ours = known.tables_made(target.schema)
    blocked = create.in_the_way(derived, actual, ours)
    if blocked:
        shown = ", ".join(blocked[:5]) + (" …" if len(blocked) > 5 else "")
        raise TargetRefused(
            f"Schema {target.schema} already has objects that howdah did not make: {shown}.",
            "Choose another --schema, or describe the target in an application folder.",
        )
    shared = Shared()
    plans: list[TablePlan] = []
    findings = list(derived.findings)
    for source in sources:
        findings += missing_tables(source) + unmoved_objects(source, ("trigger",))
        for table in source.catalog.tables:
            name, columns = derived.names[source.name, table.name]
            planned = derived.catalog.find(name)
            assert planned is not None  # noqa: S101 - names and catalog come from the same derivation
            found = _as_it_is(planned, actual)
            findings += [not_valid(name, key) for key in found.foreign_keys if not key.valid]
            plan, remarks = table_plan(source, table, found, None, columns, shared)
            plans.append(_with_orphans(plan) if choices.orphans == "keep" else plan)
            findings += remarks
    missing = tuple(s.sql for s in (*derived.tables, *derived.after) if not _present(s, actual))
    # What is left to be made of it; the plan has the rest.
    left = replace(
        derived,
        catalog=replace(derived.catalog, tables=tuple(t for t in derived.catalog.tables if t.foreign_keys)),
        names={},
        tables=tuple(s for s in derived.tables if not _present(s, actual)),
        parts=(),
        findings=(),
    )
    return (
        Plan(
            application=target.name,
            target=target.info,
            sources=sources,
            groups=grouped(plans),
            skipped=(),
            findings=tuple(findings),
            statements=missing,
        ),
        left,
    )


def _with_orphans(plan: TablePlan) -> TablePlan:
    """Return a plan that looks for no parents: its foreign keys are made after the load, as far as they hold."""
    if not plan.target.foreign_keys:
        return plan
    return replace(plan, target=replace(plan.target, foreign_keys=()), keeps_orphans=True)


def _as_it_is(planned: TargetTable, actual: TargetCatalog) -> TargetTable:
    """Return the table as the target has it, with the unique indexes and foreign keys that it will have."""
    found = actual.find(planned.name)
    if found is None:
        return planned
    lacking = [column.name for column in planned.columns if found.find(column.name) is None]
    if lacking:
        raise TargetRefused(
            f"The source has columns that table {planned.name} in the target has not: {', '.join(lacking)}.",
            f"Add them to the target (ALTER TABLE {planned.name} ADD COLUMN …), or migrate into another --schema.",
        )
    there = {key.columns for key in found.foreign_keys}
    built = {unique.name for unique in found.uniques}
    return replace(
        found,
        uniques=found.uniques + tuple(unique for unique in planned.uniques if unique.name not in built),
        foreign_keys=found.foreign_keys + tuple(k for k in planned.foreign_keys if k.columns not in there),
    )


def _present(statement: ddl.Statement, actual: TargetCatalog) -> bool:
    if statement.kind == "constraint":
        table = actual.find(statement.table)
        return table is not None and any(key.name == statement.name for key in table.foreign_keys)
    return statement.name in actual.relations


def grouped(plans: list[TablePlan]) -> tuple[tuple[TablePlan, ...], ...]:
    """Put plans in load order.

    :raises ConfigurationError: two sources fill tables that refer to each other in a circle.
    """
    by_target: dict[str, list[TablePlan]] = {}
    for plan in sorted(plans, key=lambda plan: plan.identity):
        by_target.setdefault(plan.target.name, []).append(plan)
    parents = {
        name: frozenset(key.parent for plan in filling for key in plan.target.foreign_keys) - {name}
        for name, filling in by_target.items()
    }
    result: list[tuple[TablePlan, ...]] = []
    for names in order.groups(parents):
        filling = [plan for name in names for plan in by_target[name]]
        if len(names) == 1:
            result += [(plan,) for plan in filling]
            continue
        if len(filling) > len(names):
            raise ConfigurationError(
                f"Several sources fill the tables {', '.join(names)}, which refer to each other in a circle.",
                "Migrate these sources one by one.",
            )
        result.append(tuple(filling))
    return tuple(result)
