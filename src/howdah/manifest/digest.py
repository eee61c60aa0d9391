"""The rows of a table as one number that does not depend on where they lie: see ADR 10.

Every row is hashed to 64 bits, and the hashes are added up. A type's own hash is made for equality: 0.0 equals -0.0,
1.0 equals 1.00, and ``a`` equals ``A`` in a case-insensitive column: values of such types are hashed as the bytes that
PostgreSQL sends for them in binary, and as text where they have no binary form.
"""

from __future__ import annotations

from typing import Literal

import psycopg

from howdah import pg
from howdah.manifest.model import TableImage
from howdah.pg import Connection

Way = Literal["binary", "text"]
Rows = dict[tuple[str, str], dict[Way, str]]
"""(schema, table) → way → the row as an SQL expression."""

_SEED = 0

# Types whose own hash tells apart whatever can be told apart: equal means the same bytes. In jsonb only trailing zeros
# of a number are not seen; to send it as text instead would cost half as much again.
_EXACT = (
    "bool", "int2", "int4", "int8", "oid", "uuid", "text", "varchar", "name", "bytea", "date", "timestamp",
    "timestamptz", "time", "inet", "cidr", "macaddr", "jsonb",
)  # fmt: skip

_COLUMNS = """
    WITH RECURSIVE base (oid, root) AS (
      SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
      UNION ALL SELECT t.oid, b.root FROM pg_type t JOIN base b ON t.typbasetype = b.oid WHERE t.typtype = 'd')
    SELECT n.nspname, c.relname, a.attname,
           t.typtype = 'e' OR (t.oid = ANY (%s::text[]::regtype[])
             AND coalesce((SELECT collisdeterministic FROM pg_collation WHERE oid = a.attcollation), true)),
           (SELECT quote_ident(s.nspname) || '.' || quote_ident(p.proname)
            FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace WHERE p.oid = t.typsend)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN (pg_attribute a JOIN base ON base.oid = a.atttypid JOIN pg_type t ON t.oid = base.root)
        ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    ORDER BY 1, 2, a.attnum"""


def rows(connection: Connection) -> Rows:
    """Return for every table of a database how its rows are hashed."""
    found: dict[tuple[str, str], dict[Way, list[str]]] = {}
    for schema, table, column, exact, send in pg.execute(connection, _COLUMNS, [list(_EXACT)]):
        parts = found.setdefault((schema, table), {"binary": [], "text": []})
        if column is None:
            continue
        name = f"howdah_row.{pg.quoted(column)}"
        text = f"CAST({name} AS text)"
        parts["binary"].append(name if exact else f"{send}({name})" if send else text)
        parts["text"].append(name if exact else text)
    return {key: {way: f"ROW({', '.join(parts)})" for way, parts in ways.items()} for key, ways in found.items()}


def image(connection: Connection, schema: str, table: str, row: dict[Way, str], way: Way | None = None) -> TableImage:
    """Return count and digest of a table's rows, in the transaction that the connection has open.

    :param row: of :func:`rows`.
    :param way: how a manifest hashed it, so that both can be compared; ``None``: binary where its types allow it.
    :raises psycopg.Error: the table cannot be read, for instance because a page of it is damaged.
    """
    if way is None:
        try:
            with connection.transaction():
                return _image(connection, schema, table, row, "binary")
        # A type inside an array or a composite may have no binary form: that shows with the first row only.
        except (psycopg.errors.UndefinedFunction, psycopg.errors.FeatureNotSupported):
            way = "text"
    return _image(connection, schema, table, row, way)


def _image(connection: Connection, schema: str, table: str, row: dict[Way, str], way: Way) -> TableImage:
    found = pg.execute(
        connection,
        f"SELECT count(*), coalesce(sum(hash_record_extended({row[way]}, {_SEED})), 0)::text"
        f" FROM ONLY {pg.qualified(schema, table)} AS howdah_row",
    ).fetchone()
    count, digest = found or (0, "0")
    return TableImage(rows=count, digest=digest, way=way)
