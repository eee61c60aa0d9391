"""What a schema of PostgreSQL holds that is to be exported, and what of it cannot be."""

from __future__ import annotations

from dataclasses import dataclass

from howdah import pg
from howdah.catalog import postgres
from howdah.catalog.model import TargetTable
from howdah.errors import ConfigurationError, TargetRefused
from howdah.findings import Finding
from howdah.pg import Connection, qualified

_KINDS = {"v": "view", "m": "materialized view", "f": "foreign table"}

# Objects of extensions come with the extension, not with the data.
_RELATIONS = """
SELECT c.relname, c.relkind,
       CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) ELSE '' END, greatest(c.reltuples, 0)::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                  AND d.deptype = 'e')
ORDER BY c.relname
"""

_INDEXES = """
SELECT c.relname, ic.relname, pg_get_indexdef(i.indexrelid), am.amname, i.indisunique,
       i.indpred IS NULL AND i.indexprs IS NULL,
       ARRAY(SELECT a.attname FROM generate_series(1, i.indnkeyatts) n
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n - 1] ORDER BY n)::text[],
       ARRAY(SELECT i.indoption[n - 1] & 1 = 1 FROM generate_series(1, i.indnkeyatts) n ORDER BY n)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class ic ON ic.oid = i.indexrelid
JOIN pg_am am ON am.oid = ic.relam JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND NOT c.relispartition
  AND NOT EXISTS (SELECT 1 FROM pg_constraint con WHERE con.conindid = i.indexrelid AND con.contype IN ('p', 'u'))
ORDER BY c.relname, ic.relname
"""


@dataclass(frozen=True)
class HeldIndex:
    """An index of PostgreSQL that no constraint needs.

    :ivar plain: a B-tree over columns, without expressions and without a WHERE.
    """

    table: str
    name: str
    sql: str
    unique: bool
    plain: bool
    columns: tuple[str, ...]
    descending: tuple[bool, ...]


@dataclass(frozen=True)
class Schema:
    """A schema as it is to be exported.

    :ivar partitioned: names of tables whose rows lie in partitions.
    :ivar estimates: (schema, table) → about how many rows, as of the last ANALYZE.
    :ivar others: (kind, name, SQL) of what is no table: views, materialised views, foreign tables.
    """

    name: str
    tables: tuple[TargetTable, ...]
    indexes: tuple[HeldIndex, ...]
    partitioned: frozenset[str]
    estimates: dict[tuple[str, str], int]
    others: tuple[tuple[str, str, str], ...]

    def find(self, schema: str, name: str) -> TargetTable | None:
        """Return a table of this schema, or ``None``."""
        return next((t for t in self.tables if t.name == name), None) if schema == self.name else None


def read(connection: Connection, schema: str) -> Schema:
    """Return what is in a schema; its tables stay as they are until the transaction ends.

    :raises ConfigurationError: there is no such schema.
    :raises TargetRefused: row level security would hide rows from this role.
    """
    relations = connection.execute(_RELATIONS, [schema]).fetchall()
    if not relations and not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]).fetchone():
        raise ConfigurationError(f"There is no schema {schema} in this database.", "Say which with --schema NAME.")
    wanted = {name: kind for name, kind, *_ in relations if kind in ("r", "p")}
    if wanted:
        # Or a column that is added between reading the catalog and reading the rows would be missed.
        named = ", ".join(qualified(schema, name) for name in wanted)
        pg.execute(connection, f"LOCK TABLE {named} IN ACCESS SHARE MODE")
    tables = tuple(t for t in postgres.read(connection, schema).tables if t.name in wanted)
    hidden = [table.name for table in tables if table.forced_rls]
    if hidden:
        raise TargetRefused(
            f"Row level security of {', '.join(hidden[:5])} applies to this role, so rows would be missing.",
            "Connect as a role with BYPASSRLS, or as the owner of tables without FORCE ROW LEVEL SECURITY.",
        )
    indexes = connection.execute(_INDEXES, [schema]).fetchall()
    return Schema(
        name=schema,
        tables=tables,
        indexes=tuple(
            HeldIndex(table, name, sql, unique, plain and method == "btree", tuple(columns), tuple(descending))
            for table, name, sql, method, unique, plain, columns, descending in indexes
        ),
        partitioned=frozenset(name for name, kind in wanted.items() if kind == "p"),
        estimates={(schema, name): rows for name, kind, _, rows in relations if name in wanted},
        others=tuple((_KINDS[kind], name, sql) for name, kind, sql, _ in relations if kind in _KINDS),
    )


def sequence_value(connection: Connection, table: TargetTable, column: str) -> int:
    """Return the last value that the sequence of a column gave, 0 when it gave none or there is no sequence."""
    owner = qualified(table.schema, table.name)
    row = connection.execute("SELECT pg_get_serial_sequence(%s, %s)", [owner, column]).fetchone()
    if not row or row[0] is None:
        return 0
    state = pg.execute(connection, f"SELECT last_value FROM {row[0]} WHERE is_called").fetchone()
    return max(int(state[0]), 0) if state else 0


def left_out(schema: Schema, made: frozenset[str]) -> list[Finding]:
    """Report what is no table, with its SQL: PostgreSQL's is not SQLite's.

    :param made: names of views that the file has from its source, in lower case.
    """
    return [
        Finding(
            "warning",
            f"{kind.replace(' ', '_')}_not_exported",
            f"The {kind} {name} is not exported; its SQL is in the report.",
            table=name,
            sql=sql,
        )
        for kind, name, sql in schema.others
        if name.lower() not in made
    ]
