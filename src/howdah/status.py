"""One page about an instance: what runs, how full the pools are, how old the last backup is and whether it was
proven, what was migrated.

A part that does not answer is a finding on the page, never the end of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from howdah import backup, key, pooler
from howdah.drill import history
from howdah.errors import HowdahError
from howdah.instance import Instance

# A backup a day is the schedule; an hour's grace for one that is under way.
BACKUP_MAX_AGE = timedelta(hours=25)
# So is a drill, and one that was missed is made up for.
DRILL_MAX_AGE = timedelta(hours=50)

Value = TypeVar("Value")


@dataclass(frozen=True)
class ServerStatus:
    """The server; times are ISO 8601 in UTC, sizes bytes."""

    version: str
    started_at: str
    connections: int
    max_connections: int
    size: int
    checksum_failures: int


@dataclass(frozen=True)
class PoolStatus:
    """One pool of the pooler."""

    database: str
    user: str
    clients: int
    waiting: int
    servers: int


@dataclass(frozen=True)
class ArchiveStatus:
    """WAL archiving since the server's statistics began."""

    archived: int
    failed: int
    last_archived_at: str
    failing: bool


@dataclass(frozen=True)
class BackupStatus:
    """The newest backup; age in seconds."""

    label: str
    kind: str
    age: int
    count: int


@dataclass(frozen=True)
class DrillStatus:
    """The last restore drill.

    :ivar verdict: ``proven``, ``restored`` or ``failed``.
    :ivar age: seconds since it began.
    :ivar proven_age: seconds since the last one began that proved a backup; ``None``: none ever did.
    """

    verdict: str
    sentence: str
    age: int
    proven_age: int | None
    rto_seconds: float | None


@dataclass(frozen=True)
class TableStatus:
    """Where the rows of one source table are, by the ledger."""

    source: str
    table: str
    target: str
    source_rows: int
    loaded_rows: int
    quarantined_rows: int


@dataclass(frozen=True)
class ApplicationStatus:
    """The last run of an application's migration, and where its rows are.

    :ivar verdict: ``verified``, ``quarantined``, ``different``, ``unfinished``, or ``never``.
    """

    name: str
    database: str
    verdict: str
    finished_at: str
    tables: tuple[TableStatus, ...] = ()

    @property
    def loaded_rows(self) -> int:
        """Rows that are in PostgreSQL."""
        return sum(table.loaded_rows for table in self.tables)

    @property
    def quarantined_rows(self) -> int:
        """Rows that wait in quarantine."""
        return sum(table.quarantined_rows for table in self.tables)


@dataclass(frozen=True)
class Status:
    """The page.

    :ivar problems: what needs attention, one sentence each, worst first; empty when all is well.
    """

    name: str
    environment: str
    server: ServerStatus | None
    pools: tuple[PoolStatus, ...]
    archive: ArchiveStatus | None
    backup: BackupStatus | None
    applications: tuple[ApplicationStatus, ...]
    problems: tuple[str, ...] = field(default=())
    drill: DrillStatus | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the page as JSON-ready values."""
        return asdict(self)


def gather(instance: Instance, *, now: datetime | None = None) -> Status:
    """Ask every part of an instance."""
    now = now or datetime.now(UTC)
    problems: list[str] = []

    def asked(question: Callable[[], Value], default: Value) -> Value:
        try:
            return question()
        except psycopg.Error as error:
            problems.append(f"The server does not answer: {' '.join(str(error).split())}.")
        except HowdahError as error:
            problems.append(str(error))
        return default

    server = asked(lambda: _server(instance), None)
    archive = asked(lambda: _archive(instance), None) if server else None
    newest = asked(lambda: _backup(instance, now), None) if server else None
    page = Status(
        name=instance.name,
        environment=instance.environment,
        server=server,
        pools=asked(lambda: _pools(instance), ()),
        archive=archive,
        backup=newest,
        drill=asked(lambda: _drill(instance, now), None),
        applications=asked(lambda: _applications(instance), ()) if server else (),
    )
    return _judge(page, problems, key.doubt(instance))


def _judge(page: Status, problems: list[str], doubt: str = "") -> Status:
    """Add what the figures say to what did not answer.

    :param doubt: why the repository's key may be lost one day.
    """
    if page.server and page.server.checksum_failures:
        problems.append(f"{page.server.checksum_failures} data pages fail their checksum: restore from a backup.")
    if page.archive and page.archive.failing:
        problems.append("WAL archiving fails: a restore would miss the newest changes. Try howdah backup --check.")
    if page.server and page.backup is None and not problems:
        problems.append("There is no good backup. Take one: howdah backup.")
    if page.backup and page.backup.age > BACKUP_MAX_AGE.total_seconds():
        problems.append(f"The last backup is {page.backup.age // 3600} hours old. Take one: howdah backup.")
    if page.drill and page.drill.verdict == "failed":
        problems.append(f"The last drill failed: {page.drill.sentence}")
    elif page.drill and page.drill.proven_age and page.drill.proven_age > DRILL_MAX_AGE.total_seconds():
        problems.append(f"No backup was proven for {page.drill.proven_age // 3600} hours. Prove one: howdah drill.")
    if doubt:
        problems.append(doubt)
    problems += [
        f"{pool.waiting} clients wait for a connection to {pool.database}." for pool in page.pools if pool.waiting
    ]
    problems += [
        f"{app.name}: the last migration ended {app.verdict}."
        for app in page.applications
        if app.verdict not in ("verified", "never")
    ]
    return Status(**{**vars(page), "problems": tuple(problems)})


def _server(instance: Instance) -> ServerStatus:
    with psycopg.connect(instance.dsn(), connect_timeout=5, row_factory=dict_row) as connection:
        row = connection.execute(
            """
            SELECT split_part(current_setting('server_version'), ' ', 1) AS version,
                   to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS started_at,
                   (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend')
                     AS connections,
                   current_setting('max_connections')::int AS max_connections,
                   (SELECT sum(pg_database_size(oid))::bigint FROM pg_catalog.pg_database) AS size,
                   (SELECT coalesce(sum(checksum_failures), 0)::bigint FROM pg_catalog.pg_stat_database)
                     AS checksum_failures
            """
        ).fetchone()
    return ServerStatus(**(row or {}))


def _archive(instance: Instance) -> ArchiveStatus:
    with psycopg.connect(instance.dsn(), connect_timeout=5, row_factory=dict_row) as connection:
        row = connection.execute(
            """
            SELECT archived_count AS archived, failed_count AS failed,
                   coalesce(to_char(last_archived_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '')
                     AS last_archived_at,
                   coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS failing
            FROM pg_catalog.pg_stat_archiver
            """
        ).fetchone()
    return ArchiveStatus(**(row or {}))


def _pools(instance: Instance) -> tuple[PoolStatus, ...]:
    return tuple(
        PoolStatus(
            database=row["database"],
            user=row["user"],
            clients=int(row["cl_active"]),
            waiting=int(row["cl_waiting"]),
            servers=int(row["sv_active"]) + int(row["sv_idle"]) + int(row["sv_used"]),
        )
        for row in pooler.console(instance.pooler.container, "SHOW POOLS")[0]
        if row["database"] != "pgbouncer"
    )


def _backup(instance: Instance, now: datetime) -> BackupStatus | None:
    good = [found for found in backup.list_backups(instance) if not found.error]
    if not good:
        return None
    age = int(now.timestamp()) - good[-1].stopped
    return BackupStatus(label=good[-1].label, kind=good[-1].kind, age=max(0, age), count=len(good))


def _drill(instance: Instance, now: datetime) -> DrillStatus | None:
    drills = history.read(instance)
    if not drills:
        return None
    ages = [int((now - datetime.fromisoformat(drill.started_at)).total_seconds()) for drill in drills]
    proven = [age for drill, age in zip(drills, ages, strict=True) if drill.verdict == "proven"]
    last = drills[-1]
    return DrillStatus(last.verdict, last.sentence, max(0, ages[-1]), min(proven, default=None), last.rto_seconds)


def _applications(instance: Instance) -> tuple[ApplicationStatus, ...]:
    return tuple(_application(instance, place.name, place.database) for place in instance.applications)


def _application(instance: Instance, name: str, database: str) -> ApplicationStatus:
    with psycopg.connect(instance.dsn(database), connect_timeout=5, row_factory=dict_row) as connection:
        there = connection.execute("SELECT to_regclass('howdah.run') IS NOT NULL AS there").fetchone()
        if not there or not there["there"]:
            return ApplicationStatus(name, database, "never", "")
        run = connection.execute(
            """
            SELECT coalesce(verdict, 'unfinished') AS verdict,
                   coalesce(to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '') AS finished_at
            FROM howdah.run WHERE application = %s ORDER BY started_at DESC LIMIT 1
            """,
            [name],
        ).fetchone()
        tables = connection.execute(
            """
            SELECT source, table_name AS table, target_schema || '.' || target_table AS target,
                   source_rows, loaded_rows, quarantined_rows
            FROM howdah.load WHERE application = %s ORDER BY source, table_name
            """,
            [name],
        ).fetchall()
    if run is None:
        return ApplicationStatus(name, database, "never", "")
    return ApplicationStatus(name=name, database=database, tables=tuple(TableStatus(**row) for row in tables), **run)


def as_json(page: Status) -> str:
    """Return the page as JSON text."""
    return json.dumps(page.to_dict(), indent=2)
