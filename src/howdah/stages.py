"""The ledger of large tables on their way: which stages there are, and what they hold. See :mod:`howdah.resume`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from howdah import ledger
from howdah.pg import Connection, copy_typed, execute, qualified
from howdah.plan import TablePlan

_TABLES = """
CREATE TABLE howdah.stage (
  name text PRIMARY KEY, application text NOT NULL, source text NOT NULL, table_name text NOT NULL,
  plan_digest text NOT NULL, recipe text NOT NULL, shape text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE howdah.stage IS 'Large tables on their way: each has its rows in a table of that name beside this one';
CREATE TABLE howdah.staged_chunk (
  stage text NOT NULL REFERENCES howdah.stage ON DELETE CASCADE, ordinal int NOT NULL, first_rowid bigint NOT NULL,
  last_rowid bigint NOT NULL, rows bigint NOT NULL, source_digest bytea NOT NULL, mapped bigint NOT NULL,
  rejects text NOT NULL, keys bytea NOT NULL, images bytea, PRIMARY KEY (stage, ordinal)
);
COMMENT ON COLUMN howdah.staged_chunk.rejects IS 'JSON: locator, column, code and reason of the rows that did not fit';
ALTER TABLE howdah.staged_chunk ALTER COLUMN keys SET STORAGE EXTERNAL, ALTER COLUMN images SET STORAGE EXTERNAL;
"""

# By their types' identities: a type that was dropped takes its columns with it, one made again is another.
_SHAPE = """
SELECT array_agg(concat_ws(' ', attname, atttypid, atttypmod) ORDER BY attnum)::text FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""


@dataclass(frozen=True)
class Chunk:
    """A chunk that is staged.

    :ivar mapped: identifiers in it that were mapped.
    :ivar rejects: locator, column, code and reason of the rows that did not fit.
    :ivar keys: of the rows that did, as ``howdah.chunk`` has them; not read back. So with ``images``.
    """

    ordinal: int
    first: int
    last: int
    rows: int
    digest: bytes
    mapped: int
    rejects: tuple[tuple[int, str, str, str], ...]
    keys: bytes = b""
    images: bytes | None = None


def name_of(application: str, plan: TablePlan) -> str:
    """Return the name of a table's stage, within schema ``howdah``."""
    return "stage_" + sha256(ascii([application, *plan.identity]).encode()).hexdigest()[:16]


def find(connection: Connection, application: str, plan: TablePlan, recipe: str) -> tuple[Chunk, ...] | None:
    """Return what a table's stage holds; ``None`` where there is no stage, or one that cannot be gone on with.

    :param recipe: a digest of what decides, besides the plan, how chunks are cut and what their digests are.
    """
    name = name_of(application, plan)
    table = qualified("howdah", name)
    if not _has_ledger(connection):
        return None
    made = execute(
        connection,
        f"SELECT plan_digest, recipe, shape IS NOT DISTINCT FROM ({_SHAPE}) FROM howdah.stage WHERE name = %s",
        [table, name],
    ).fetchone()
    if made != (plan.digest, recipe, True):
        return None
    rows = connection.execute(
        """SELECT ordinal, first_rowid, last_rowid, rows, source_digest, mapped, rejects FROM howdah.staged_chunk
           WHERE stage = %s ORDER BY ordinal""",
        [name],
    )
    found = tuple(
        Chunk(ordinal, first, last, count, bytes(digest), mapped, tuple(map(tuple, json.loads(rejects))))
        for ordinal, first, last, count, digest, mapped, rejects in rows
    )
    counted = execute(connection, f"SELECT count(*) FROM {table}").fetchone()
    return found if counted == (sum(chunk.rows - len(chunk.rejects) for chunk in found),) else None


def make(connection: Connection, application: str, plan: TablePlan, recipe: str, columns: str) -> None:
    """Make an empty stage for a table, in place of what was there.

    :param columns: SQL of its columns.
    """
    name = name_of(application, plan)
    table = qualified("howdah", name)
    with connection.transaction():
        # Two tables may be the first ones at the same moment.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [ledger.lock_key("")])
        if not _has_ledger(connection):
            execute(connection, _TABLES)
        drop(connection, name)
        # Nobody else changes it, and it is gone soon: there is nothing to vacuum.
        execute(
            connection,
            f"CREATE TABLE {table} ({columns}) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)",
        )
        execute(
            connection,
            f"""INSERT INTO howdah.stage (name, application, source, table_name, plan_digest, recipe, shape)
                VALUES (%s, %s, %s, %s, %s, %s, ({_SHAPE}))""",
            [name, application, *plan.identity, plan.digest, recipe, table],
        )


def add(connection: Connection, name: str, chunks: Iterable[Chunk]) -> None:
    """Record chunks, in the transaction that stages them."""
    copy_typed(
        connection,
        """COPY howdah.staged_chunk (stage, ordinal, first_rowid, last_rowid, rows, source_digest, mapped, rejects,
                                     keys, images) FROM STDIN (FORMAT BINARY)""",
        ("text", "int4", "int8", "int8", "int8", "bytea", "int8", "text", "bytea", "bytea"),
        (
            (name, c.ordinal, c.first, c.last, c.rows, c.digest, c.mapped, json.dumps(c.rejects), c.keys, c.images)
            for c in chunks
        ),
    )


def forget(connection: Connection, name: str, ordinal: int) -> None:
    """Take back what is recorded of a stage from a chunk on."""
    connection.execute("DELETE FROM howdah.staged_chunk WHERE stage = %s AND ordinal >= %s", [name, ordinal])


def adopt(connection: Connection, application: str, plan: TablePlan, run_id: UUID) -> None:
    """Make the chunks of a stage those of the ledger, where all that is staged was put in its place."""
    known = [application, *plan.identity]
    connection.execute("DELETE FROM howdah.chunk WHERE application = %s AND source = %s AND table_name = %s", known)
    connection.execute(
        """INSERT INTO howdah.chunk (application, source, table_name, ordinal, run_id, first_rowid, last_rowid, rows,
                                     source_digest, keys, images)
           SELECT %s, %s, %s, ordinal, %s, first_rowid, last_rowid, rows, source_digest, keys, images
           FROM howdah.staged_chunk WHERE stage = %s""",
        [*known, run_id, name_of(application, plan)],
    )


def drop(connection: Connection, name: str) -> None:
    """Drop a stage, if it is there."""
    with connection.transaction():
        execute(connection, f"DROP TABLE IF EXISTS {qualified('howdah', name)}")
        connection.execute("DELETE FROM howdah.stage WHERE name = %s", [name])


def sweep(connection: Connection, application: str, wanted: Collection[TablePlan] = ()) -> None:
    """Drop the stages of an application that no load will go on with.

    :param wanted: tables whose stages stay if they were made by the same plan.
    """
    if not _has_ledger(connection):
        return
    digests = {name_of(application, plan): plan.digest for plan in wanted}
    found = connection.execute("SELECT name, plan_digest FROM howdah.stage WHERE application = %s", [application])
    for name, digest in found.fetchall():
        if digests.get(name) != digest:
            drop(connection, name)


def _has_ledger(connection: Connection) -> bool:
    # Not to_regclass, which may answer from before somebody else's commit that this transaction waited for.
    found = connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'howdah' AND tablename = 'stage'")
    return found.fetchone() is not None
