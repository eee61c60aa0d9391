"""Takes down the indexes of an empty table and puts the same ones up again once it is full."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from howdah.pg import Connection, attempt, execute, quoted

# What hangs on the index itself, and would be lost with it, keeps it where it is: references to it, comments,
# clustering, replica identity, statistics targets, a tablespace of its own.
_INDEXES = """
SELECT c.relname, n.nspname, con.conname, pg_get_constraintdef(con.oid), pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_constraint con ON con.conindid = i.indexrelid AND con.conrelid = i.indrelid
  AND con.contype IN ('p', 'u', 'x')
WHERE i.indrelid = to_regclass(%s) AND i.indisvalid AND NOT i.indisclustered AND NOT i.indisreplident
  AND c.reltablespace = 0 AND obj_description(c.oid, 'pg_class') IS NULL
  AND (con.oid IS NULL OR obj_description(con.oid, 'pg_constraint') IS NULL)
  AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = i.indexrelid)
  AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND coalesce(a.attstattarget, -1) <> -1)
ORDER BY con.contype = 'p' DESC NULLS LAST, c.relname
"""


@dataclass(frozen=True)
class Taken:
    """Something that was taken down, and the statement that puts it up again."""

    name: str
    statement: str


def take_down(connection: Connection, table: str, only: Collection[str] | None = None) -> tuple[Taken, ...]:
    """Drop the indexes of a table that can be made again exactly as they are; return them.

    Runs in the caller's transaction, so nobody sees the table without them.

    :param table: qualified and quoted.
    :param only: names of the indexes to take down; ``None``: all.
    """
    taken = []
    for name, schema, constraint, definition, index in connection.execute(_INDEXES, [table]).fetchall():
        if only is not None and name not in only:
            continue
        if constraint:
            drop = f"ALTER TABLE {table} DROP CONSTRAINT {quoted(constraint)}"
            again = f"ALTER TABLE {table} ADD CONSTRAINT {quoted(constraint)} {definition}"
        else:
            drop, again = f"DROP INDEX {quoted(schema)}.{quoted(name)}", index
        # A view may lean on a primary key; a role that is no owner may drop nothing.
        if attempt(connection, drop):
            taken.append(Taken(name, again))
    return tuple(taken)


def put_up(connection: Connection, taken: tuple[Taken, ...]) -> None:
    """Make the same indexes again.

    :raises psycopg.IntegrityError: two rows have the same value for a unique one.
    """
    for item in taken:
        execute(connection, item.statement)


def names(connection: Connection, table: str) -> frozenset[str]:
    """Return the names of a table's constraints and indexes."""
    rows = connection.execute(
        """SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(%(table)s) AND convalidated
           UNION SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
           WHERE i.indrelid = to_regclass(%(table)s) AND i.indisvalid""",
        {"table": table},
    )
    return frozenset(row[0] for row in rows)
