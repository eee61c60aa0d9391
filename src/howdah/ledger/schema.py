"""The tables of schema ``howdah``, and their version."""

from __future__ import annotations

from howdah import __version__
from howdah.errors import TargetRefused
from howdah.ledger.locks import lock_key
from howdah.pg import Connection

VERSION = 8

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
  blake3 text NOT NULL, profile jsonb NOT NULL, run_id uuid NOT NULL REFERENCES howdah.run,
  definition json NOT NULL, stamp json, catalog json, PRIMARY KEY (application, source)
);
COMMENT ON COLUMN howdah.source.blake3 IS 'Digest of its snapshot, as b3sum gives it';
COMMENT ON COLUMN howdah.source.definition IS 'Its schema and casts, by which it can be exported again';
COMMENT ON COLUMN howdah.source.stamp IS 'Sizes and times of its files: while they stay, it is not read again';
CREATE TABLE howdah.load (
  application text NOT NULL, source text NOT NULL, table_name text NOT NULL, target_schema text NOT NULL,
  target_table text NOT NULL, run_id uuid NOT NULL REFERENCES howdah.run, snapshot_blake3 text NOT NULL,
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
  source_digest bytea NOT NULL, keys bytea NOT NULL, images bytea,
  PRIMARY KEY (application, source, table_name, ordinal)
);
COMMENT ON COLUMN howdah.chunk.keys IS 'Keys of the rows that are ours: rows of a binary COPY stream';
COMMENT ON COLUMN howdah.chunk.images IS
  'Locator, digest and size of the key of each row, an Arrow stream; NULL where rows have no rowid or no key';
-- Neither compresses any further.
ALTER TABLE howdah.chunk ALTER COLUMN keys SET STORAGE EXTERNAL, ALTER COLUMN images SET STORAGE EXTERNAL;
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
        # Not to_regclass, which may answer from before the commit that this transaction waited for.
        there = connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'howdah' AND tablename = 'version'")
        if there.fetchone() is None:
            connection.execute(_TABLES)
            connection.execute("INSERT INTO howdah.version VALUES (%s)", [VERSION])
