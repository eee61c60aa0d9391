"""Read a server's contents: on the instance at a restore point, and in a restored copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import psycopg

from howdah import pg
from howdah.errors import HowdahError
from howdah.manifest import digest, facts
from howdah.manifest.model import DatabaseImage, SequenceImage, TableImage
from howdah.pg import Connection

# WAL of a sequence is written this many values ahead (SEQ_LOG_VALS in sequence.c).
_LOGGED_AHEAD = 32

_TABLES = """
    SELECT n.nspname, c.relname, c.relpersistence = 'u', pg_relation_filenode(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.relispopulated
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    ORDER BY 1, 2"""
_SEQUENCES = "SELECT schemaname || '.' || sequencename, last_value, increment_by * (cache_size + %s) FROM pg_sequences"

Unreadable = Callable[[str, str], None]
"""Told of a table that cannot be read: its name, and what the server says."""


class Moved(HowdahError):
    """A table was truncated, rebuilt or dropped while it was read, so the old snapshot no longer sees its rows."""


def databases(dsn: str) -> list[str]:
    """Return the names of the databases that can hold data, in order.

    :param dsn: of any database of the server.
    """
    with pg.connect(dsn) as connection:
        found = connection.execute(
            "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
        )
        return [name for (name,) in found]


def contents(
    connection: Connection,
    *,
    like: DatabaseImage | None = None,
    before: Mapping[str, int | None] | None = None,
    after: Mapping[str, int | None] | None = None,
    unreadable: Unreadable | None = None,
) -> DatabaseImage:
    """Return what a database holds, as the transaction sees it that the connection has open.

    :param like: the manifest's: tables are hashed as they were there.
    :param before: sequences' values just before a restore point, where they are known.
    :param after: the same just after it.
    :param unreadable: told of tables that cannot be read, which are then left out; ``None``: that is an error.
    :raises Moved: a table lost its rows to a TRUNCATE, or its place, in the meantime.
    """
    listed = connection.execute(_TABLES).fetchall()
    rows = digest.rows(connection)
    # An index may be damaged, and may be damaged unseen: rows are what the table itself holds.
    _use_indexes(connection, "off")
    tables: dict[str, TableImage] = {}
    for schema, name, unlogged, _ in listed:
        if unlogged:
            continue
        known = like.tables.get(f"{schema}.{name}") if like else None
        try:
            with connection.transaction():
                tables[f"{schema}.{name}"] = digest.image(
                    connection, schema, name, rows[schema, name], known.way if known else None
                )
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidTableDefinition) as error:
            raise Moved(f"Table {schema}.{name} was dropped while it was read.") from error
        except psycopg.Error as error:
            if unreadable is None or connection.closed:
                raise
            unreadable(f"{schema}.{name}", pg.message(error))
    _use_indexes(connection, "default")
    return DatabaseImage(
        tables=tables,
        sequences={
            name: SequenceImage(
                before=value if before is None else before.get(name),
                after=value if after is None else after.get(name),
                ahead=ahead,
            )
            for name, value, ahead in connection.execute(_SEQUENCES, [_LOGGED_AHEAD])
        },
        facts=facts.of_database(connection),
        unlogged=tuple(f"{schema}.{name}" for schema, name, unlogged, _ in listed if unlogged),
    )


def _use_indexes(connection: Connection, value: str) -> None:
    for way in ("indexscan", "indexonlyscan", "bitmapscan"):
        pg.execute(connection, f"SET LOCAL enable_{way} = {value}")


def places(connection: Connection) -> dict[tuple[str, str], int]:
    """Return the file that holds each table; a TRUNCATE, which no snapshot is safe from, gives it another one."""
    return {(schema, name): node for schema, name, _, node in connection.execute(_TABLES)}
