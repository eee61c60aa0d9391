"""``howdah export``: read → plan → write → check → put in place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from howdah import application as applications
from howdah import definition, ledger, pg
from howdah.catalog.model import TargetTable
from howdah.clock import Clock
from howdah.errors import ConfigurationError
from howdah.export import catalog, kept, original, place, plan, write
from howdah.export.build import Builder
from howdah.export.original import KeptSource
from howdah.export.report import ExportReport
from howdah.findings import Finding
from howdah.pg import Connection, qualified
from howdah.progress import Progress, silent
from howdah.report import TargetInfo


@dataclass(frozen=True)
class Request:
    """What is to be exported.

    :ivar file: the SQLite file to write.
    :ivar dsn: libpq connection string; empty means libpq's own variables and service files.
    :ivar schema: schema of PostgreSQL; ``None`` means the application's, or ``public``.
    :ivar application: folder or name; ``None`` means whatever the ledger knows of the schema.
    :ivar source: only the tables of this source of the migration; ``None`` means the whole schema.
    :ivar force: replace a file that is there.
    """

    file: Path
    dsn: str = ""
    schema: str | None = None
    application: str | None = None
    source: str | None = None
    force: bool = False


@dataclass(frozen=True)
class _Known:
    """What the ledger knows of the schema."""

    sources: tuple[KeptSource, ...]
    findings: tuple[Finding, ...]


def export(request: Request, tell: Progress = silent) -> ExportReport:
    """Write a schema into a SQLite file and compare every value; the file is there only when all are equal.

    :raises ConfigurationError: the file is there already, or there is nothing of that name.
    :raises VerificationFailed: what is in the file is not what PostgreSQL holds.
    :raises HowdahError: see :mod:`howdah.errors`.
    """
    place.check(request.file, force=request.force)
    name, schema = _resolve(request)
    clock = Clock()
    try:
        with pg.connect(request.dsn) as connection:
            names = _lock(connection, schema, name)
            with pg.snapshot(connection), place.partial(request.file, force=request.force) as path:
                origin = _origin(connection, schema)
                with clock.stage("plan"):
                    held = catalog.read(connection, schema)
                    known = _known(connection, names, request.source)
                    drafts = plan.drafts(held, known.sources, _filled(connection), whole=request.source is None)
                builder = Builder(connection, path, original.originals(known.sources), held.estimates, clock, tell)
                built = builder.build(drafts, tuple(source.definition for source in known.sources))
                size = path.stat().st_size
    except pg.Error as error:
        raise pg.explain(error) from error
    return ExportReport(
        file=request.file,
        size=size,
        origin=origin,
        applications=names,
        tables=built.tables,
        findings=(*known.findings, *built.findings, *_left_out(held, known, request, drafts)),
        seconds=clock.total,
        stages=dict(clock.stages),
    )


def _resolve(request: Request) -> tuple[str | None, str]:
    """Return the application's name, if one was given, and the schema."""
    if request.application is None:
        return None, request.schema or "public"
    folder = Path(request.application)
    if not (folder / "application.yml").is_file():
        # A name of the ledger; one that migrate made up for a schema ends in that schema's name.
        found = request.application.rpartition("schema ")[2] if request.application.startswith("schema ") else ""
        return request.application, request.schema or found or "public"
    loaded = applications.load(folder)
    schema = request.schema or loaded.schema_
    return (loaded.name if schema == loaded.schema_ else f"{loaded.name} in {schema}"), schema


def _lock(connection: Connection, schema: str, name: str | None) -> tuple[str, ...]:
    """Return the applications whose rows are in a schema; none of them is migrated while the connection lasts.

    :raises ConfigurationError: the one that was asked for has none there.
    :raises LockHeld: one of them is being migrated.
    """
    found = kept.applications(connection, schema)
    if name is not None and name not in found:
        others = f"it knows {', '.join(found)}" if found else "it knows none"
        raise ConfigurationError(
            f"The ledger knows no rows of {name} in schema {schema}; {others}.", "Check --application and --schema."
        )
    names = found if name is None else (name,)
    for each in names:
        ledger.lock(connection, each, shared=True)
    return names


def _origin(connection: Connection, schema: str) -> TargetInfo:
    row = connection.execute("SELECT current_database(), current_setting('server_version')").fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    return TargetInfo(database=row[0], server_version=str(row[1]).split()[0], schema=schema)


def _known(connection: Connection, names: tuple[str, ...], wanted: str | None) -> _Known:
    """Return the sources that the ledger describes.

    :param wanted: only this one.
    :raises ConfigurationError: there is no such source, or its rows lie together with those of another.
    """
    every: list[KeptSource] = []
    findings: list[Finding] = []
    for name in names:
        for source, value in kept.definitions(connection, name).items():
            found = definition.from_json(value)
            if found is not None:
                every.append(KeptSource(name, source, found))
                continue
            message = (
                "Another version of howdah kept its schema in its own form; run howdah migrate to keep it in this one."
            )
            findings.append(Finding("warning", "not_described", message, source))
        for (source, table), count in kept.waiting_rows(connection, name).items():
            message = "Rows in quarantine never came to PostgreSQL, so they are not in the file."
            findings.append(Finding("warning", "quarantined_rows", message, source, table, rows=count))
    if wanted is None:
        return _Known(tuple(every), tuple(findings))
    chosen = tuple(source for source in every if source.name == wanted)
    if not chosen:
        there = ", ".join(sorted(source.name for source in every)) or "none"
        raise ConfigurationError(f"The ledger describes no source {wanted}; it has: {there}.", "Check --source.")
    _alone(chosen[0], every)
    return _Known(chosen[:1], tuple(finding for finding in findings if finding.source == wanted))


def _alone(chosen: KeptSource, every: list[KeptSource]) -> None:
    """Refuse a source whose rows cannot be told from those of another."""
    own = {(table.schema, table.target) for table in chosen.definition.tables if table.target}
    for other in every:
        shared = [t.target for t in other.definition.tables if (t.schema, t.target) in own]
        if other is not chosen and shared:
            raise ConfigurationError(
                f"Rows of {chosen.name} and {other.name} lie together in {', '.join(shared)}.",
                "Export the whole schema, without --source.",
            )


def _filled(connection: Connection) -> plan.Filled:
    def ask(held: TargetTable, columns: dict[str, str]) -> frozenset[str]:
        return write.filled(connection, qualified(held.schema, held.name), columns)

    return ask


def _left_out(schema: catalog.Schema, known: _Known, request: Request, drafts: tuple[plan.Draft, ...]) -> list[Finding]:
    """Report what of the schema is not in the file."""
    if request.source is not None:
        there = {draft.table.held.name for draft in drafts if draft.table.held}
        others = [table.name for table in schema.tables if table.name not in there]
        message = f"{len(others)} other tables of the schema are not in the file, as only {request.source} was wanted."
        return [Finding("info", "other_tables", message)] if others else []
    views = {o.name.lower() for s in known.sources for o in s.definition.objects if o.kind == "view"}
    return catalog.left_out(schema, frozenset(views))
