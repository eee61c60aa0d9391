"""What an application's role sees of a tenant: asked on the instance, and again in a copy with a real login.

The tenant is that of some row. Where policies read a setting, such as ``current_setting('app.tenant_id')``, it is set
for the query as a service sets it; where a table has a column ``tenant_id``, the query names it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from howdah import pg
from howdah.manifest.model import Probe, TableImage
from howdah.pg import Connection

TENANT = "tenant_id"
MAINTENANCE = "postgres"
"""Everybody has the right to connect to this database, but no service is let in."""

_ROLES = """
    SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper AND rolname = ANY (%s)
      AND has_database_privilege(rolname, current_database(), 'CONNECT') ORDER BY 1"""
_TABLES = f"""
    SELECT n.nspname, c.relname, a.attname IS NOT NULL,
           (SELECT string_agg(qual, ' ') FROM pg_policies WHERE (schemaname, tablename) = (n.nspname, c.relname))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = '{TENANT}' AND NOT a.attisdropped
    WHERE c.relkind = 'r' AND has_schema_privilege(%s, n.oid, 'USAGE') AND has_table_privilege(%s, c.oid, 'SELECT')"""
_SETTING = re.compile(r"current_setting\('([\w.]+)'")


def probes(
    connection: Connection, database: str, logins: Collection[str], tables: dict[str, TableImage]
) -> Iterator[Probe]:
    """Yield for each role that may connect to the database what it sees of one tenant, or of a table at least.

    :param connection: a superuser's, with a transaction open.
    :param logins: roles whose passwords are known, so that a copy can be asked by them.
    :param tables: what the database holds; the smallest table with rows that shows most is asked.
    """
    if database == MAINTENANCE:
        return
    for (role,) in pg.execute(connection, _ROLES, [list(logins)]).fetchall():
        best: tuple[tuple[int, int], str, str, bool, str] | None = None
        for schema, table, tenants, policies in pg.execute(connection, _TABLES, [role, role]).fetchall():
            held = tables.get(f"{schema}.{table}")
            if held is None or not held.rows:
                continue
            setting = _SETTING.search(policies or "")
            told = 2 if setting and tenants else 1 if tenants else 0
            candidate = ((-told, held.rows), schema, table, tenants, setting[1] if setting else "")
            best = min(best, candidate) if best else candidate
        if best is None:
            yield Probe(database=database, role=role, query="SELECT 1", setting="", tenant="", rows=1)
            continue
        _, schema, table, tenants, setting_name = best
        yield _ask(connection, database, role, pg.qualified(schema, table), tenants=tenants, setting=setting_name)


def _ask(connection: Connection, database: str, role: str, place: str, *, tenants: bool, setting: str) -> Probe:
    tenant = ""
    query = f"SELECT count(*) FROM {place}"
    if tenants:
        row = pg.execute(
            connection, f"SELECT {TENANT}::text FROM {place} WHERE {TENANT} IS NOT NULL LIMIT 1"
        ).fetchone()
        tenant = row[0] if row else ""
        query += f" WHERE {TENANT}::text = {pg.literal(tenant)}"
    with connection.transaction(force_rollback=True):
        # As a service: its policies filter what it reads.
        pg.execute(connection, "SET LOCAL row_security = on")
        pg.execute(connection, f"SET LOCAL ROLE {pg.quoted(role)}")
        pg.execute(connection, "SELECT set_config(%s, %s, true)", [setting or "howdah.tenant", tenant])
        row = pg.execute(connection, query).fetchone()
    return Probe(database=database, role=role, query=query, setting=setting, tenant=tenant, rows=row[0] if row else 0)
