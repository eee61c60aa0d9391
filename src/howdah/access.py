"""Who may do what in a database: the rights as declared, compared with the rights as they are.

Everything that is not declared is taken back from the roles named here and from PUBLIC; the owner keeps what owners
have. Rights are read from the catalogs (``aclexplode``), so a second run finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

TABLE_RIGHTS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
SEQUENCE_RIGHTS = frozenset({"USAGE", "SELECT"})


@dataclass(frozen=True)
class DatabaseAccess:
    """The rights on one database.

    :param owner: role that owns the database's schema and objects, and grants.
    :param users: login roles of services: they connect, read and write rows, and change no structure.
    :param creators: roles that may make schemas and connect for administration (the migrator).
    :param schema: schema that the services use.
    :param extensions: extensions that the database has, whatever else it has.
    """

    database: str
    owner: str
    users: tuple[str, ...]
    creators: tuple[str, ...] = ()
    schema: str = "public"
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class Right:
    """One right on one object.

    :param scope: ``database``, ``schema``, ``tables`` or ``sequences`` (the last two: by default, for new objects).
    """

    scope: str
    grantee: str
    privilege: str


def declared(access: DatabaseAccess) -> set[Right]:
    """Return every right that should stand, the owner's aside."""
    rights = {Right("database", role, "CONNECT") for role in (*access.users, *access.creators)}
    rights |= {Right("database", role, "CREATE") for role in access.creators}
    for user in access.users:
        rights.add(Right("database", user, "TEMPORARY"))
        rights.add(Right("schema", user, "USAGE"))
        rights |= {Right("tables", user, privilege) for privilege in TABLE_RIGHTS}
        rights |= {Right("sequences", user, privilege) for privilege in SEQUENCE_RIGHTS}
    return rights


def present(connection: psycopg.Connection[Any], access: DatabaseAccess) -> set[Right]:
    """Return the rights that stand, the owner's aside; PUBLIC is spelled in capitals."""
    rows = connection.execute(
        """
        WITH acls(scope, owner, acl) AS (
            SELECT 'database', datdba, coalesce(datacl, acldefault('d', datdba))
            FROM pg_catalog.pg_database WHERE datname = %(database)s
            UNION ALL
            SELECT 'schema', nspowner, coalesce(nspacl, acldefault('n', nspowner))
            FROM pg_catalog.pg_namespace WHERE nspname = %(schema)s
            UNION ALL
            SELECT CASE defaclobjtype WHEN 'r' THEN 'tables' ELSE 'sequences' END, defaclrole, defaclacl
            FROM pg_catalog.pg_default_acl
            WHERE defaclobjtype IN ('r', 'S')
              AND defaclrole = to_regrole(quote_ident(%(owner)s))
              AND defaclnamespace = to_regnamespace(quote_ident(%(schema)s))
        )
        SELECT acls.scope, coalesce(role.rolname, 'PUBLIC'), entry.privilege_type
        FROM acls CROSS JOIN LATERAL aclexplode(acls.acl) AS entry
        LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = entry.grantee
        WHERE entry.grantee <> acls.owner
        """,
        {"database": access.database, "schema": access.schema, "owner": access.owner},
    ).fetchall()
    return {Right(*row) for row in rows}


def schema_owner(connection: psycopg.Connection[Any], schema: str) -> str | None:
    """Return the owner of a schema, or ``None`` where there is no such schema."""
    row = connection.execute(
        "SELECT nspowner::regrole::text FROM pg_catalog.pg_namespace WHERE nspname = %s", [schema]
    ).fetchone()
    return str(row[0]).strip('"') if row else None


def missing_extensions(connection: psycopg.Connection[Any], access: DatabaseAccess) -> list[sql.Composed]:
    """Return what creates the extensions that the database lacks."""
    rows = connection.execute("SELECT extname FROM pg_catalog.pg_extension").fetchall()
    there = {str(row[0]) for row in rows}
    return [
        sql.SQL("CREATE EXTENSION {}").format(sql.Identifier(name)) for name in access.extensions if name not in there
    ]


def statements(access: DatabaseAccess, standing: set[Right], owner: str | None) -> list[sql.Composed]:
    """Return what has to be run so that the declared rights stand, and only those; empty when they do."""
    wanted = declared(access)
    todo: list[sql.Composed] = []
    schema, role = sql.Identifier(access.schema), sql.Identifier(access.owner)
    if owner is None:
        todo.append(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(schema, role))
    elif owner != access.owner:
        todo.append(sql.SQL("ALTER SCHEMA {} OWNER TO {}").format(schema, role))
    todo += [_statement(access, right, "REVOKE") for right in sorted(standing - wanted)]
    todo += [_statement(access, right, "GRANT") for right in sorted(wanted - standing)]
    return todo


def _statement(access: DatabaseAccess, right: Right, verb: str) -> sql.Composed:
    grantee = sql.SQL("PUBLIC") if right.grantee == "PUBLIC" else sql.Identifier(right.grantee)
    direction = sql.SQL("TO" if verb == "GRANT" else "FROM")
    what: sql.Composable
    if right.scope in {"tables", "sequences"}:
        return sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} {} {} ON {} {} {}").format(
            sql.Identifier(access.owner),
            sql.Identifier(access.schema),
            sql.SQL(verb),
            sql.SQL(right.privilege),
            sql.SQL(right.scope.upper()),
            direction,
            grantee,
        )
    if right.scope == "database":
        what = sql.SQL("DATABASE {}").format(sql.Identifier(access.database))
    else:
        what = sql.SQL("SCHEMA {}").format(sql.Identifier(access.schema))
    return sql.SQL("{} {} ON {} {} {}").format(sql.SQL(verb), sql.SQL(right.privilege), what, direction, grantee)


def apply(connection: psycopg.Connection[Any], access: DatabaseAccess, *, dry_run: bool = False) -> list[str]:
    """Make the rights stand in one transaction; return the statements, as text.

    :param connection: to ``access.database``, as an administrator, in autocommit mode.
    """
    todo = missing_extensions(connection, access)
    todo += statements(access, present(connection, access), schema_owner(connection, access.schema))
    if not dry_run:
        with connection.transaction():
            for statement in todo:
                connection.execute(statement)
    return [statement.as_string(connection) for statement in todo]


def apply_all(dsn: str, accesses: Iterable[DatabaseAccess], *, dry_run: bool = False) -> dict[str, list[str]]:
    """Make the rights of several databases stand; return the statements by database.

    :param dsn: of an administrator, without a database. A database that is absent in a dry run is skipped.
    """
    done = {}
    for access in accesses:
        try:
            with psycopg.connect(dsn, dbname=access.database, autocommit=True, connect_timeout=10) as connection:
                done[access.database] = apply(connection, access, dry_run=dry_run)
        except psycopg.OperationalError:
            if not dry_run:
                raise
    return done
