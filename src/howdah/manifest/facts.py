"""What a cluster and a database hold besides rows, as facts of one form: kind, name, value.

Names are what a person calls the thing, values are text that stays the same when the thing does; PostgreSQL's own
functions write both, with nothing but ``pg_catalog`` in the search path. No value holds a password: of a verifier
there is a digest.
"""

from __future__ import annotations

from howdah import pg
from howdah.manifest.model import Facts
from howdah.pg import Connection

_USER = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"
_KIND = (
    "CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'"
    " WHEN 'f' THEN 'foreign table' ELSE 'table' END"
)


def _granted(source: str, kind: str, acl: str, default: str, owner: str, name: str, where: str = "true") -> str:
    """Return a query of privileges, one by one: who may do what on what, and by whose grant."""
    return f"""
        SELECT 'grant', format('%s on %s %s to %s', a.privilege_type, {kind}, {name},
                 CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END),
               string_agg('by ' || pg_get_userbyid(a.grantor) || CASE WHEN a.is_grantable THEN ', with grant option'
                 ELSE '' END, '; ' ORDER BY pg_get_userbyid(a.grantor))
        FROM {source}, aclexplode(coalesce({acl}, acldefault('{default}', {owner}))) a
        WHERE {where} GROUP BY 1, 2"""


_CLUSTER = (
    """SELECT 'role', rolname, concat_ws(' ',
         CASE WHEN rolcanlogin THEN 'LOGIN' END, CASE WHEN rolsuper THEN 'SUPERUSER' END,
         CASE WHEN rolinherit THEN 'INHERIT' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
         CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
         CASE WHEN rolbypassrls THEN 'BYPASSRLS' END, 'connections ' || rolconnlimit,
         'valid until ' || rolvaliduntil,
         'verifier ' || left(encode(sha256(convert_to(rolpassword, 'UTF8')), 'hex'), 16)) FROM pg_authid""",
    """SELECT 'membership', format('%s in %s', pg_get_userbyid(member), pg_get_userbyid(roleid)),
         CASE WHEN admin_option THEN 'with admin option' ELSE 'plain' END FROM pg_auth_members""",
    """SELECT 'role setting', concat_ws(' in ', CASE WHEN setrole = 0 THEN 'all' ELSE pg_get_userbyid(setrole) END,
         (SELECT datname FROM pg_database WHERE oid = setdatabase)), array_to_string(setconfig, ', ')
         FROM pg_db_role_setting""",
    """SELECT 'database', datname, concat_ws(' ', 'owner ' || pg_get_userbyid(datdba),
         pg_encoding_to_char(encoding), datcollate, datctype, daticulocale, datcollversion,
         'connections ' || datconnlimit) FROM pg_database""",
    _granted("pg_database", "'database'", "datacl", "d", "datdba", "datname"),
    _granted("pg_tablespace", "'tablespace'", "spcacl", "t", "spcowner", "spcname"),
    "SELECT 'grant', 'parameter ' || parname, paracl::text FROM pg_parameter_acl",
)

_DATABASE = (
    _granted("pg_namespace n", "'schema'", "nspacl", "n", "nspowner", "nspname", "nspname !~ '^pg_(toast|temp)'"),
    _granted(
        "pg_class c JOIN pg_namespace n ON n.oid = relnamespace", _KIND, "relacl", "r", "relowner",
        "n.nspname || '.' || relname", f"{_USER} AND relkind IN ('r', 'p', 'v', 'm', 'f')",
    ),
    _granted(
        "pg_class c JOIN pg_namespace n ON n.oid = relnamespace", _KIND, "relacl", "s", "relowner",
        "n.nspname || '.' || relname", f"{_USER} AND relkind = 'S'",
    ),
    _granted(
        "pg_attribute t JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace", "'column'",
        "attacl", "c", "relowner", "n.nspname || '.' || relname || '.' || attname", f"{_USER} AND attacl IS NOT NULL",
    ),
    _granted(
        "pg_proc p JOIN pg_namespace n ON n.oid = pronamespace", "'function'", "proacl", "f", "proowner",
        "n.nspname || '.' || proname || '(' || pg_get_function_identity_arguments(p.oid) || ')'", _USER,
    ),
    _granted(
        "pg_type t JOIN pg_namespace n ON n.oid = typnamespace", "'type'", "typacl", "T", "typowner",
        "n.nspname || '.' || typname", f"{_USER} AND typacl IS NOT NULL",
    ),
    """SELECT 'grant', 'on objects of the system', count(*) || ' md5 '
         || md5(string_agg(line, ' ' ORDER BY line COLLATE "C"))
       FROM (SELECT 'r ' || oid::regclass || relacl::text AS line FROM pg_class
               WHERE oid < 16384 AND relacl IS NOT NULL
             UNION ALL SELECT 'f ' || oid::regprocedure || proacl::text FROM pg_proc
               WHERE oid < 16384 AND proacl IS NOT NULL
             UNION ALL SELECT 'l ' || lanname || lanacl::text FROM pg_language WHERE lanacl IS NOT NULL) s""",
    """SELECT 'default privileges', format('of %s for %s %s', pg_get_userbyid(defaclrole),
         coalesce('schema ' || (SELECT nspname FROM pg_namespace WHERE oid = defaclnamespace), 'all schemas'),
         CASE defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
           WHEN 'T' THEN 'types' ELSE 'schemas' END),
         (SELECT string_agg(a::text, ' ' ORDER BY a::text COLLATE "C") FROM unnest(defaclacl) a) FROM pg_default_acl""",
    f"""SELECT 'owner', {_KIND} || ' ' || n.nspname || '.' || relname, pg_get_userbyid(relowner)
       FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
       WHERE {_USER} AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')""",
    """SELECT 'owner', 'schema ' || nspname, pg_get_userbyid(nspowner) FROM pg_namespace
       WHERE nspname !~ '^pg_(toast|temp)'""",
    f"""SELECT 'row security', n.nspname || '.' || relname,
         CASE WHEN relforcerowsecurity THEN 'forced' ELSE 'enabled' END
       FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE {_USER} AND relrowsecurity""",
    """SELECT 'policy', format('%s on %s.%s', policyname, schemaname, tablename), concat_ws(' ', permissive, cmd,
         'to ' || array_to_string(roles, ', '), 'using ' || qual, 'with check ' || with_check) FROM pg_policies""",
    """SELECT 'extension', extname, extversion || ' in ' || n.nspname
       FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace""",
    """SELECT 'collation', n.nspname || '.' || collname, concat_ws(' ', collprovider, collcollate, collctype,
         colliculocale, collversion, CASE WHEN collisdeterministic THEN 'deterministic' ELSE 'nondeterministic' END)
       FROM pg_collation l JOIN pg_namespace n ON n.oid = collnamespace
       WHERE collversion IS NOT NULL AND (n.nspname <> 'pg_catalog' OR l.oid IN (
         SELECT attcollation FROM pg_attribute WHERE attrelid >= 16384))""",
    f"""SELECT 'columns', n.nspname || '.' || relname, string_agg(attname || ' ' || format_type(atttypid, atttypmod)
         || CASE WHEN attnotnull THEN ' not null' ELSE '' END || CASE attidentity WHEN '' THEN '' ELSE ' identity' END
         || CASE attgenerated WHEN '' THEN '' ELSE ' generated' END
         || coalesce(' default ' || pg_get_expr(adbin, adrelid), ''), ', ' ORDER BY attnum)
       FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
         JOIN pg_attribute t ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
         LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
       WHERE {_USER} AND relkind IN ('r', 'p', 'm', 'f') GROUP BY 2""",
    f"""SELECT 'index', n.nspname || '.' || c.relname, pg_get_indexdef(indexrelid)
         || CASE WHEN indisvalid THEN '' ELSE ' not valid' END
       FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE {_USER}""",
    f"""SELECT 'constraint', format('%s on %s.%s', conname, n.nspname, c.relname), pg_get_constraintdef(o.oid)
       FROM pg_constraint o JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = relnamespace
       WHERE {_USER}""",
    f"""SELECT 'trigger', format('%s on %s.%s', tgname, n.nspname, c.relname),
         tgenabled::text || ' ' || pg_get_triggerdef(t.oid)
       FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid JOIN pg_namespace n ON n.oid = relnamespace
       WHERE {_USER} AND NOT tgisinternal""",
    f"""SELECT 'view', n.nspname || '.' || relname, concat_ws(' ', array_to_string(reloptions, ','),
         'md5 ' || md5(pg_get_viewdef(c.oid)))
       FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE {_USER} AND relkind IN ('v', 'm')""",
    f"""SELECT 'function', n.nspname || '.' || proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
         CASE WHEN prokind IN ('f', 'p') THEN 'md5 ' || md5(pg_get_functiondef(p.oid)) ELSE prokind::text END
       FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE {_USER}""",
    """SELECT 'sequence', schemaname || '.' || sequencename, format('%s from %s by %s, %s to %s%s, cache %s', data_type,
         start_value, increment_by, min_value, max_value, CASE WHEN cycle THEN ', cycles' ELSE '' END, cache_size)
       FROM pg_sequences""",
)  # fmt: skip


def of_cluster(connection: Connection) -> Facts:
    """Return what holds for all databases: roles, memberships, settings, databases and grants on them."""
    return _ask(connection, _CLUSTER)


def of_database(connection: Connection) -> Facts:
    """Return what the connected database holds besides rows."""
    return _ask(connection, _DATABASE)


def _ask(connection: Connection, queries: tuple[str, ...]) -> Facts:
    found: Facts = {}
    for query in queries:
        for kind, name, value in pg.execute(connection, query):
            found.setdefault(kind, {})[name] = value or ""
    return {kind: dict(sorted(names.items())) for kind, names in sorted(found.items())}
