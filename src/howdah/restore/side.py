"""A part of a restored copy, put into schemas of its own there, and carried over into the live database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import conninfo

from howdah import pg
from howdah.drill.sandbox import Sandbox
from howdah.errors import ConfigurationError, RestoreFailed, VerificationFailed
from howdah.instance import Instance
from howdah.manifest import digest
from howdah.manifest.model import TableImage
from howdah.pg import Connection

_LIVE = "/run/live"
_PART = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')
_NAMESPACES = """
    SELECT nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'howdah') ORDER BY 1"""
_EXTENSIONS = "SELECT extname FROM pg_extension WHERE extnamespace = %s::regnamespace ORDER BY 1"
_GRANTEES = """
    SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
    FROM pg_namespace, aclexplode(nspacl) WHERE nspname = %s"""
_FAMILY = """
    WITH RECURSIVE family (oid) AS (
      SELECT to_regclass(%s)::oid UNION SELECT inhrelid FROM pg_inherits JOIN family ON inhparent = family.oid)
    SELECT family.oid::regclass::text,
           CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
             ELSE 'TABLE' END
    FROM family JOIN pg_class ON pg_class.oid = family.oid WHERE relkind IN ('r', 'p', 'v', 'm', 'f')"""
_LEADING_OUT = """
    SELECT conrelid::regclass::text, conname, confrelid::regclass::text FROM pg_constraint
      JOIN pg_class own ON own.oid = conrelid JOIN pg_class other ON other.oid = confrelid
    WHERE contype = 'f' AND conparentid = 0
      AND own.relnamespace::regnamespace::text = ANY (%s) AND NOT other.relnamespace::regnamespace::text = ANY (%s)"""

# Both ends over sockets, as the administrator: row level security hides nothing. All of it comes, or nothing.
_CARRY = """
pg_dump --format=custom --compress=0 --strict-names "${@:3}" --dbname="$1" |
  pg_restore --single-transaction --exit-on-error --dbname="$2"
"""


@dataclass(frozen=True)
class Selection:
    """What is wanted of a copy; ``None`` for all."""

    database: str
    schema: str | None = None
    table: str | None = None


@dataclass(frozen=True)
class Side:
    """What was put aside in the copy.

    :ivar schemas: schema → the name that it has beside the live ones.
    :ivar left_out: what does not come along, one sentence each.
    """

    schemas: Mapping[str, str]
    left_out: tuple[str, ...]


def parse(text: str) -> Selection:
    """Read ``DATABASE[.SCHEMA[.TABLE]]``; a part in double quotes may hold anything.

    :raises ConfigurationError: it is something else.

    >>> parse('shop_db.public."Order.Lines"')
    Selection(database='shop_db', schema='public', table='Order.Lines')
    """
    parts = [quoted.replace('""', '"') or plain for quoted, plain in _PART.findall(text)]
    if not 1 <= len(parts) <= 3 or not re.fullmatch(rf"({_PART.pattern})(\.({_PART.pattern}))*", text):
        raise ConfigurationError(
            f"{text!r} names no part.", "Write DATABASE, DATABASE.SCHEMA or DATABASE.SCHEMA.TABLE."
        )
    return Selection(*parts)


def names(copy: Connection, what: Selection, into: str) -> dict[str, str]:
    """Return the schemas that are wanted, and their names beside the live ones: of several, each has its own added."""
    there = [name for (name,) in copy.execute(_NAMESPACES)]
    wanted = [what.schema] if what.schema else there
    return {name: into if len(wanted) == 1 else f"{into}_{name}" for name in wanted}


def put(copy: Connection, what: Selection, schemas: Mapping[str, str]) -> Side:
    """Give what is wanted a schema of its own in the copy; nobody else works there.

    :raises ConfigurationError: the copy has no such schema or table.
    """
    with copy.transaction():
        for old, new in schemas.items():
            if not copy.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [old]).fetchone():
                raise ConfigurationError(f"There was no schema {old} in {what.database} then.", "See its spelling.")
            if what.table:
                _put_table(copy, old, what.table, new)
            else:
                _put_schema(copy, old, new)
            # Nobody but administrators is let in; the objects in it keep their owners and rights.
            pg.execute(copy, f"ALTER SCHEMA {pg.quoted(new)} OWNER TO CURRENT_USER")
            for (role,) in copy.execute(_GRANTEES, [new]).fetchall():
                pg.execute(copy, f"REVOKE ALL ON SCHEMA {pg.quoted(new)} FROM {role}")
        inside = [pg.quoted(new) for new in schemas.values()]
        inside += list(schemas.values())
        left_out = []
        for table, constraint, other in copy.execute(_LEADING_OUT, [inside, inside]).fetchall():
            pg.execute(copy, f"ALTER TABLE {table} DROP CONSTRAINT {pg.quoted(constraint)}")
            left_out.append(f"Foreign key {constraint} of {table} leads to {other} and was left out.")
    return Side(schemas, tuple(left_out))


def _put_table(copy: Connection, schema: str, table: str, new: str) -> None:
    family = copy.execute(_FAMILY, [pg.qualified(schema, table)]).fetchall()
    if not family:
        raise ConfigurationError(f"There was no table {schema}.{table} then.", "See its spelling, and the time.")
    pg.execute(copy, f"CREATE SCHEMA {pg.quoted(new)}")
    for name, kind in family:
        pg.execute(copy, f"ALTER {kind} {name} SET SCHEMA {pg.quoted(new)}")


def _put_schema(copy: Connection, old: str, new: str) -> None:
    extensions = copy.execute(_EXTENSIONS, [pg.quoted(old)]).fetchall()
    pg.execute(copy, f"ALTER SCHEMA {pg.quoted(old)} RENAME TO {pg.quoted(new)}")
    if extensions:
        # What extensions bring is where it was in the live database too.
        pg.execute(copy, f"CREATE SCHEMA {pg.quoted(old)}")
        for (name,) in extensions:
            pg.execute(copy, f"ALTER EXTENSION {pg.quoted(name)} SET SCHEMA {pg.quoted(old)}")


def carry(copy: Sandbox, instance: Instance, database: str, side: Side) -> None:
    """Copy the schemas into the live database, in one transaction.

    :raises RestoreFailed: the live database refuses something; then nothing of it is there.
    """
    here = conninfo.make_conninfo(host="/run/postgresql", user="postgres", dbname=database)
    there = conninfo.make_conninfo(host=_LIVE, user="postgres", dbname=database)
    wanted = [f"--schema={pg.quoted(new)}" for new in side.schemas.values()]
    command = ["bash", "-euo", "pipefail", "-c", _CARRY, "carry", here, there, *wanted]
    answer = copy.run(command, "carry", mounts={str(instance.server.socket_dir): _LIVE})
    if answer.code != 0:
        said = [line for line in answer.err.splitlines() if "error:" in line]
        raise RestoreFailed(
            f"{database} does not take it: {(said or [answer.last_line])[0]}.",
            "Nothing of it is there. Make what is missing (a role, a type, an extension), then run this again.",
        )


def compared(copy: Connection, live: Connection, side: Side) -> dict[str, int]:
    """Return the rows of each table, which are the same in both, value by value.

    :raises VerificationFailed: a table differs.
    """
    wanted, found = _images(copy, side), _images(live, side)
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            rows = [image.rows if image else 0 for image in (wanted.get(name), found.get(name))]
            raise VerificationFailed(
                f"Table {name} has {rows[1]:,} rows, and the copy had {rows[0]:,}; or other values.",
                f"Do not use it: DROP SCHEMA {', '.join(map(pg.quoted, side.schemas.values()))} CASCADE",
            )
    return {name: image.rows for name, image in found.items()}


def _images(connection: Connection, side: Side) -> dict[str, TableImage]:
    with pg.snapshot(connection):
        return {
            f"{schema}.{table}": digest.image(connection, schema, table, row)
            for (schema, table), row in digest.rows(connection).items()
            if schema in side.schemas.values()
        }
