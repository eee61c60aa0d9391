"""Asks every part of an instance. A part that does not answer is a problem on the page, never the end of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg.rows import dict_row

from howdah import backup, key, pooler
from howdah.drill import history
from howdah.errors import HowdahError
from howdah.instance import Instance
from howdah.restore import state
from howdah.status import wal
from howdah.status.judge import judged
from howdah.status.model import (
    ApplicationStatus,
    ArchiveStatus,
    BackupStatus,
    DrillStatus,
    PoolStatus,
    Problem,
    RestoreStatus,
    ServerStatus,
    Status,
    TableStatus,
)
from howdah.status.silent import silent

Value = TypeVar("Value")


def gather(instance: Instance, *, now: datetime | None = None) -> Status:
    """Ask every part of an instance."""
    now = now or datetime.now(UTC)
    problems: list[Problem] = []

    def asked(question: Callable[[], Value], default: Value) -> Value:
        try:
            return question()
        except psycopg.Error as error:
            problems.append(silent(instance, error))
        except HowdahError as error:
            problems.append(Problem(error.what, error.next_step))
        return default

    server = asked(lambda: _server(instance), None)
    archive = asked(lambda: _archive(instance), None) if server else None
    newest = asked(lambda: _backup(instance, now), None) if server else None
    page = Status(
        name=instance.name,
        environment=instance.environment,
        server=server,
        pools=asked(lambda: _pools(instance), None),
        archive=archive,
        backup=newest,
        second=asked(lambda: _backup(instance, now, 2), None) if server and instance.repository.second else None,
        second_declared=bool(instance.repository.second),
        drill=asked(lambda: _drill(instance, now), None),
        second_drill=asked(lambda: _drill(instance, now, 2), None) if instance.repository.second else None,
        restore=asked(lambda: _restore(instance, now), None),
        applications=asked(lambda: _applications(instance), ()) if server else (),
    )
    return judged(page, problems, key.doubt(instance))


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
    with psycopg.connect(instance.dsn(), connect_timeout=5) as connection:
        return wal.ask(connection)


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


def _backup(instance: Instance, now: datetime, number: int = 1) -> BackupStatus | None:
    good = [found for found in backup.list_backups(instance, number) if not found.error]
    if not good:
        return None
    ages = [max(0, int(now.timestamp()) - found.stopped) for found in good]
    where = Path(instance.repository.where(number))
    return BackupStatus(
        label=good[-1].label,
        kind=good[-1].kind,
        age=ages[-1],
        count=len(good),
        oldest_age=ages[0],
        stored=sum(found.repository_size for found in good),
        free=shutil.disk_usage(where).free if where.is_dir() else None,
    )


def _drill(instance: Instance, now: datetime, number: int = 1) -> DrillStatus | None:
    drills = history.of(instance, number)
    if not drills:
        return None
    ages = [int((now - datetime.fromisoformat(drill.started_at)).total_seconds()) for drill in drills]
    proven = [age for drill, age in zip(drills, ages, strict=True) if drill.verdict == "proven"]
    last = drills[-1]
    return DrillStatus(
        verdict=last.verdict,
        sentence=last.sentence,
        age=max(0, ages[-1]),
        proven_age=min(proven, default=None),
        rto_seconds=last.rto_seconds,
        rpo_seconds=last.rpo_seconds,
        next_step=last.next_step,
    )


def _restore(instance: Instance, now: datetime) -> RestoreStatus | None:
    try:
        if not state.is_left(instance):
            return None
        left, at = state.read(instance), state.path(instance).stat().st_mtime
    except PermissionError:
        # Only root may restore, and see how far one came.
        return None
    age = max(0, int(now.timestamp() - at))
    if left is None:
        return RestoreStatus("", "", age, "howdah restore --help")
    return RestoreStatus(left.target.words, left.step, age, left.command(instance.environment))


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
