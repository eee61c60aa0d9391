"""The tables of schema ``howdah``: they record runs, sources, loads, chunks and quarantined rows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from howdah import __version__, pg
from howdah.errors import LockHeld, TargetRefused
from howdah.pg import Connection

VERSION = 4
RELATIONS = ("table", "index", "view")
CHOICE = "choice"
"""Kind of what a person chose for a derived schema."""
REFUSED = "refused "
"""Before the kind of what PostgreSQL did not take: recorded with the reason, so that it is not tried in every run."""

_TABLES = """
CREATE SCHEMA IF NOT EXISTS howdah;
COMMENT ON SCHEMA howdah IS 'Ledger of howdah: what was moved from SQLite, and what waits in quarantine';
CREATE TABLE howdah.version (version int NOT NULL);
CREATE TABLE howdah.run (
  run_id uuid PRIMARY KEY, application text NOT NULL, started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz, howdah_version text NOT NULL, verdict text, report jsonb
);
CREATE TABLE howdah.object (
  application text NOT NULL, schema_name text NOT NULL, kind text NOT NULL, name text NOT NULL,
  table_name text NOT NULL, run_id uuid NOT NULL REFERENCES howdah.run, definition text NOT NULL,
  PRIMARY KEY (application, schema_name, kind, table_name, name)
);
COMMENT ON TABLE howdah.object IS 'What howdah itself created, without an application folder';
CREATE TABLE howdah.source (
  application text NOT NULL, source text NOT NULL, path text NOT NULL, size bigint NOT NULL,
  sha256 text NOT NULL, profile jsonb NOT NULL, run_id uuid NOT NULL REFERENCES howdah.run,
  definition json NOT NULL, stamp json, catalog json, PRIMARY KEY (application, source)
);
COMMENT ON COLUMN howdah.source.definition IS 'Its schema and casts, by which it can be exported again';
COMMENT ON COLUMN howdah.source.stamp IS 'Sizes and times of its files: while they stay, it is not read again';
CREATE TABLE howdah.load (
  application text NOT NULL, source text NOT NULL, table_name text NOT NULL, target_schema text NOT NULL,
  target_table text NOT NULL, run_id uuid NOT NULL REFERENCES howdah.run, snapshot_sha256 text NOT NULL,
  content_digest text NOT NULL, plan_digest text NOT NULL, source_rows bigint NOT NULL,
  loaded_rows bigint NOT NULL, quarantined_rows bigint NOT NULL, target_rows bigint NOT NULL,
  mapped bigint NOT NULL, settled boolean NOT NULL, key_columns jsonb NOT NULL,
  loaded_at timestamptz NOT NULL DEFAULT now(), verified_at timestamptz,
  PRIMARY KEY (application, source, table_name),
  CONSTRAINT conservation CHECK (source_rows = loaded_rows + quarantined_rows)
);
COMMENT ON COLUMN howdah.load.settled IS 'false while vanished rows still wait to be deleted';
CREATE TABLE howdah.chunk (
  application text NOT NULL, source text NOT NULL, table_name text NOT NULL, ordinal int NOT NULL,
  run_id uuid NOT NULL REFERENCES howdah.run, first_rowid bigint, last_rowid bigint, rows bigint NOT NULL,
  source_digest bytea NOT NULL, keys bytea NOT NULL,
  PRIMARY KEY (application, source, table_name, ordinal)
);
COMMENT ON COLUMN howdah.chunk.keys IS 'Keys of the rows that are ours: rows of a binary COPY stream';
-- Keys do not compress.
ALTER TABLE howdah.chunk ALTER COLUMN keys SET STORAGE EXTERNAL;
COMMENT ON COLUMN howdah.load.key_columns IS 'Name and type of each column of those keys';
CREATE TABLE howdah.quarantine (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run_id uuid NOT NULL REFERENCES howdah.run,
  application text NOT NULL, source text NOT NULL, table_name text NOT NULL, locator bigint NOT NULL,
  source_key jsonb NOT NULL, column_name text NOT NULL, code text NOT NULL, reason text NOT NULL,
  row_data jsonb NOT NULL, row_digest bytea NOT NULL, quarantined_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (application, source, table_name, locator)
);
COMMENT ON TABLE howdah.quarantine IS 'Whole source rows that did not fit, each with the reason';
"""


@dataclass(frozen=True)
class Load:
    """What the ledger knows about one source table.

    :ivar target_rows: rows of the target table right after the load, other people's included.
    :ivar mapped: identifiers that were mapped to UUIDs.
    :ivar settled: nothing waits to be deleted.
    :ivar key_columns: name and type of each column of the keys in the chunks.
    """

    target_schema: str
    target_table: str
    run_id: UUID
    snapshot_sha256: str
    content_digest: str
    plan_digest: str
    source_rows: int
    loaded_rows: int
    quarantined_rows: int
    target_rows: int
    mapped: int
    settled: bool
    key_columns: Any
    verified_at: datetime | None


@dataclass(frozen=True)
class KnownSource:
    """A source as it was at its last load.

    :ivar size: bytes of its snapshot.
    :ivar described: its schema and casts are kept too.
    :ivar stamp: what :mod:`howdah.trust` tells by whether it changed; ``None``: it must be looked at.
    """

    size: int
    sha256: str
    profile: dict[str, Any]
    described: bool
    stamp: dict[str, Any] | None


@dataclass(frozen=True)
class Quarantined:
    """A row in quarantine.

    :ivar locator: rowid, or position in key order for tables without one.
    :ivar digest: of the row's values; a row that changed since is another row.
    """

    locator: int
    column: str
    code: str
    reason: str
    key: str
    row: str
    digest: bytes


@dataclass(frozen=True)
class Ledger:
    """The ledger of one application, read at the start of a run; empty where there is none yet."""

    application: str
    exists: bool
    loads: dict[tuple[str, str], Load]
    sources: dict[str, KnownSource]
    objects: frozenset[tuple[str, str, str]]
    """(schema, kind, name) of what howdah created."""
    refused: dict[tuple[str, str, str, str], str] = field(default_factory=dict)
    """(schema, kind, table, name) of what PostgreSQL did not take → why."""
    choices: dict[tuple[str, str], str] = field(default_factory=dict)
    """(schema, option) → what was chosen for a derived schema."""

    def describes(self, source: str) -> bool:
        """Return whether schema and casts of a source are kept."""
        return source in self.sources and self.sources[source].described

    def tables_made(self, schema: str) -> frozenset[str]:
        """Return names of the tables and indexes that howdah created in a schema."""
        return frozenset(name for where, kind, name in self.objects if where == schema and kind in RELATIONS)


def lock_key(application: str) -> int:
    """Return the advisory lock key of an application; the lock itself is per database."""
    return int.from_bytes(sha256(f"howdah:{application}".encode()).digest()[:8], "big", signed=True)


def lock(connection: Connection, application: str, *, shared: bool = False, patience: float = 3.0) -> None:
    """Take the application's lock for the life of the connection.

    :param patience: seconds to wait for a killed run's backend to notice that its client is gone.
    :raises LockHeld: another run has it.
    """
    function = "pg_try_advisory_lock_shared" if shared else "pg_try_advisory_lock"
    until = time.monotonic() + patience
    while True:
        row = pg.execute(connection, f"SELECT {function}(%s)", [lock_key(application)]).fetchone()
        if row and row[0]:
            return
        if time.monotonic() >= until:
            raise LockHeld(
                f"Another howdah run works on {application} in this database.",
                "Wait for it to end; pg_stat_activity shows it with application_name howdah.",
            )
        time.sleep(0.2)


def read(connection: Connection, application: str) -> Ledger:
    """Return the ledger of an application.

    :raises TargetRefused: a newer howdah made it, or a schema ``howdah`` is there that is no ledger.
    """
    row = connection.execute(
        """SELECT to_regnamespace('howdah') IS NOT NULL, to_regclass('howdah.version') IS NOT NULL,
                  to_regnamespace('howdah') IS NOT NULL AND EXISTS (
                    SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace('howdah'))"""
    ).fetchone()
    schema, made, filled = row or (False, False, False)
    if not made:
        if schema and filled:
            raise TargetRefused(
                "The target has a schema named howdah that is no ledger of ours.",
                "Rename it: that name is howdah's.",
            )
        return Ledger(application, False, {}, {}, frozenset())
    check_version(connection)
    loads = {
        (source, table): Load(*rest)
        for source, table, *rest in connection.execute(
            """SELECT source, table_name, target_schema, target_table, run_id, snapshot_sha256,
                      content_digest, plan_digest, source_rows, loaded_rows, quarantined_rows, target_rows,
                      mapped, settled, key_columns, verified_at
               FROM howdah.load WHERE application = %s""",
            [application],
        )
    }
    sources = {
        name: KnownSource(*rest)
        for name, *rest in pg.execute(
            connection,
            """SELECT source, size, sha256, profile, definition IS NOT NULL,
                      CASE WHEN catalog IS NOT NULL THEN stamp END
               FROM howdah.source WHERE application = %s""",
            [application],
        )
    }
    objects = connection.execute(
        """SELECT schema_name, kind, table_name, name,
                  CASE WHEN starts_with(kind, %s) OR kind = %s THEN definition END
           FROM howdah.object WHERE application = %s""",
        [REFUSED, CHOICE, application],
    ).fetchall()
    return Ledger(
        application,
        True,
        loads,
        sources,
        objects=frozenset((schema, kind, name) for schema, kind, _, name, why in objects if why is None),
        refused={
            (schema, kind.removeprefix(REFUSED), table, name): why
            for schema, kind, table, name, why in objects
            if why is not None and kind != CHOICE
        },
        choices={(schema, name): chosen for schema, kind, _, name, chosen in objects if kind == CHOICE},
    )


def check_version(connection: Connection) -> None:
    """Refuse a ledger of another version.

    :raises TargetRefused: this howdah does not know it.
    """
    row = connection.execute("SELECT version FROM howdah.version").fetchone()
    if row != (VERSION,):
        raise TargetRefused(
            f"The ledger in the target has version {row and row[0]}, and this howdah {__version__} knows {VERSION}.",
            "Use the version of howdah that made it.",
        )


def create(connection: Connection) -> None:
    """Make the ledger's tables, if they are not there.

    :raises TargetRefused: no right to create a schema (from the driver's error, by the caller).
    """
    with connection.transaction():
        # Two applications may start at the same moment in one database; their own locks differ.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key("")])
        row = connection.execute("SELECT to_regclass('howdah.version') IS NULL").fetchone()
        if row and row[0]:
            connection.execute(_TABLES)
            connection.execute("INSERT INTO howdah.version VALUES (%s)", [VERSION])


def start_run(connection: Connection, application: str, run_id: UUID) -> None:
    """Record that a run works on the target."""
    connection.execute(
        "INSERT INTO howdah.run (run_id, application, howdah_version) VALUES (%s, %s, %s)",
        [run_id, application, __version__],
    )


def finish_run(connection: Connection, run_id: UUID, verdict: str, report: dict[str, Any]) -> None:
    """Record how a run ended."""
    connection.execute(
        "UPDATE howdah.run SET finished_at = clock_timestamp(), verdict = %s, report = %s WHERE run_id = %s",
        [verdict, json.dumps(report).replace("\\u0000", "\\ufffd"), run_id],
    )


def record_source(
    connection: Connection,
    application: str,
    run_id: UUID,
    name: str,
    path: str,
    size: int,
    digest: str,
    profile: Any,
    definition: str,
    stamp: str | None,
    catalog: str,
) -> None:
    """Record what a source was when all its tables were loaded from it, or found as they had been loaded."""
    with connection.transaction():
        connection.execute(
            """INSERT INTO howdah.source
                 (application, source, path, size, sha256, profile, run_id, definition, stamp, catalog)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
               ON CONFLICT (application, source) DO UPDATE
               SET path = excluded.path, size = excluded.size, sha256 = excluded.sha256,
                   profile = excluded.profile, run_id = excluded.run_id, definition = excluded.definition,
                   stamp = excluded.stamp, catalog = excluded.catalog""",
            [application, name, _storable(path), size, digest, json.dumps(profile), run_id, definition, stamp, catalog],
        )
        # A table that is the same in other bytes (after a VACUUM, or as another table changed) is not compared again.
        connection.execute(
            """UPDATE howdah.load SET snapshot_sha256 = %s
               WHERE application = %s AND source = %s AND snapshot_sha256 <> %s""",
            [digest, application, name, digest],
        )


def catalogs(connection: Connection, application: str, sources: list[str]) -> dict[str, Any]:
    """Return source → the catalog that is kept of it, as JSON values."""
    if not sources:
        return {}
    rows = connection.execute(
        "SELECT source, catalog FROM howdah.source WHERE application = %s AND source = ANY (%s)",
        [application, sources],
    )
    return dict(rows.fetchall())


def _storable(text: str) -> str:
    """Return text that PostgreSQL can hold: a path may have bytes that are no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def record_object(
    connection: Connection,
    application: str,
    run_id: UUID,
    schema: str,
    kind: str,
    name: str,
    table: str,
    sql: str,
) -> None:
    """Record that howdah created something, in the transaction that creates it."""
    connection.execute(
        """INSERT INTO howdah.object (application, schema_name, kind, name, table_name, run_id, definition)
           VALUES (%s, %s, %s, %s, %s, %s, %s)
           ON CONFLICT (application, schema_name, kind, table_name, name)
           DO UPDATE SET run_id = excluded.run_id, definition = excluded.definition""",
        [application, schema, kind, name, table, run_id, sql],
    )


def record_refusals(
    connection: Connection, known: Ledger, run_id: UUID, schema: str, refused: Mapping[tuple[str, str, str], str]
) -> None:
    """Record what PostgreSQL did not take, and why."""
    for (kind, table, name), why in refused.items():
        if known.refused.get((schema, kind, table, name)) != why:
            record_object(connection, known.application, run_id, schema, REFUSED + kind, name, table, why)


def record_choices(
    connection: Connection, known: Ledger, run_id: UUID, schema: str, choices: Mapping[str, str]
) -> None:
    """Record what was chosen for a derived schema."""
    for name, chosen in choices.items():
        if known.choices.get((schema, name)) != chosen:
            record_object(connection, known.application, run_id, schema, CHOICE, name, "", chosen)


def quarantined(connection: Connection, application: str, source: str, table: str) -> dict[int, bytes]:
    """Return locator → row digest of the rows of a table that wait in quarantine."""
    rows = connection.execute(
        "SELECT locator, row_digest FROM howdah.quarantine WHERE application = %s AND source = %s AND table_name = %s",
        [application, source, table],
    )
    return {locator: bytes(digest) for locator, digest in rows}


def clear_quarantine(connection: Connection, application: str, source: str, table: str) -> None:
    """Take the rows of an earlier load of a table out of quarantine."""
    connection.execute(
        "DELETE FROM howdah.quarantine WHERE application = %s AND source = %s AND table_name = %s",
        [application, source, table],
    )


def add_quarantine(
    connection: Connection,
    application: str,
    run_id: UUID,
    source: str,
    table: str,
    rows: Iterable[Quarantined],
) -> None:
    """Put rows of a table that did not fit into quarantine."""
    pg.copy_in(
        connection,
        """COPY howdah.quarantine (run_id, application, source, table_name, locator, source_key,
                                   column_name, code, reason, row_data, row_digest) FROM STDIN""",
        (
            (
                run_id,
                application,
                source,
                table,
                r.locator,
                r.key,
                r.column,
                r.code,
                r.reason,
                r.row,
                r.digest,
            )
            for r in rows
        ),
    )


def record_load(connection: Connection, application: str, source: str, table: str, load: Load) -> None:
    """Record a load, in the transaction that holds its rows."""
    columns = [field.name for field in fields(Load)]
    values = {name: getattr(load, name) for name in columns} | {"key_columns": pg.as_json(load.key_columns)}
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns)
    pg.execute(
        connection,
        f"""INSERT INTO howdah.load (application, source, table_name, {", ".join(columns)})
            VALUES (%s, %s, %s, {", ".join(["%s"] * len(columns))})
            ON CONFLICT (application, source, table_name) DO UPDATE
            SET loaded_at = now(), {updates}""",
        [application, source, table, *(values[name] for name in columns)],
    )


def waiting_reasons(connection: Connection, application: str) -> dict[tuple[str, str], frozenset[str]]:
    """Return (source, table) → the codes of its rows in quarantine."""
    return {
        (source, table): frozenset(codes)
        for source, table, codes in connection.execute(
            """SELECT source, table_name, array_agg(DISTINCT code) FROM howdah.quarantine
               WHERE application = %s GROUP BY 1, 2""",
            [application],
        )
    }


def mark_doubtful(connection: Connection, application: str, source: str, table: str) -> None:
    """Record that a table differs from its source, so that the next ``migrate`` compares it row by row."""
    connection.execute(
        """UPDATE howdah.load SET verified_at = NULL, snapshot_sha256 = '', content_digest = ''
           WHERE application = %s AND source = %s AND table_name = %s""",
        [application, source, table],
    )


def mark_verified(connection: Connection, application: str, source: str, table: str) -> None:
    """Record that a table was verified."""
    connection.execute(
        """UPDATE howdah.load SET verified_at = clock_timestamp()
           WHERE application = %s AND source = %s AND table_name = %s""",
        [application, source, table],
    )
