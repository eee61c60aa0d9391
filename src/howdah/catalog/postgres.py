"""Reads the catalog of one schema of the target."""

from __future__ import annotations

from collections import defaultdict

from howdah.catalog.model import (
    Reference,
    TargetCatalog,
    TargetCheck,
    TargetColumn,
    TargetForeignKey,
    TargetTable,
    TargetType,
    TargetUnique,
)
from howdah.pg import Connection
from howdah.shared import Shared

_ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}

_COLUMNS = """
SELECT c.oid::bigint, a.attnum::int, a.attname, a.attnotnull,
       coalesce(pg_get_expr(d.adbin, d.adrelid), ''), a.attidentity, a.attgenerated,
       base.typname, format_type(a.atttypid, a.atttypmod), t.typtype,
       CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type base ON base.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.oid = ANY (%s) ORDER BY c.oid, a.attnum
"""

_UNIQUES = """
SELECT i.indrelid::bigint, ic.relname, i.indisprimary, i.indnullsnotdistinct,
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true)
             FROM generate_series(1, i.indnkeyatts) n ORDER BY n),
       ARRAY(SELECT i.indkey[n - 1]::int FROM generate_series(1, i.indnkeyatts) n ORDER BY n),
       coalesce(pg_get_expr(i.indpred, i.indrelid), ''),
       ARRAY(SELECT DISTINCT d.refobjsubid::int FROM pg_depend d
             WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
               AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid > 0),
       pg_get_constraintdef(con.oid) LIKE 'EXCLUDE%%'
FROM pg_index i
JOIN pg_class ic ON ic.oid = i.indexrelid
LEFT JOIN pg_constraint con ON con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x')
WHERE i.indrelid = ANY (%s) AND i.indisunique AND i.indisvalid
ORDER BY i.indrelid, NOT i.indisprimary, ic.relname
"""

_CONSTRAINTS = """
SELECT con.conrelid::bigint, con.conname, con.contype, con.conkey::int[],
       pg_get_expr(con.conbin, con.conrelid),
       con.confrelid::bigint, fn.nspname, f.relname, con.confkey::int[], con.confupdtype, con.confdeltype,
       con.condeferrable, con.convalidated, cn.nspname, c.relname
FROM pg_constraint con
JOIN pg_class c ON c.oid = con.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
LEFT JOIN pg_class f ON f.oid = con.confrelid LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
WHERE con.contype IN ('c', 'f') AND con.conparentid = 0
  AND (con.conrelid = ANY (%(oids)s) OR con.confrelid = ANY (%(oids)s))
ORDER BY con.conrelid, con.conname
"""


def read(connection: Connection, schema: str) -> TargetCatalog:
    """Return the tables of a schema; an absent schema has none.

    Expressions come back fully qualified, as they are evaluated again under howdah's own ``search_path``.
    """
    tables: dict[int, tuple[str, bool]] = {}
    relations: set[str] = set()
    for oid, name, kind, forced in connection.execute(
        """SELECT c.oid::bigint, c.relname, c.relkind,
                  c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE'))
                  AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = %s ORDER BY c.relname""",
        [schema],
    ):
        relations.add(name)
        if kind in ("r", "p"):
            tables[oid] = (name, forced)
    oids = list(tables)
    shared = Shared()
    names, columns = _columns(connection, oids, shared)
    # A constraint may point at another schema; its column numbers are looked up there.
    constraints = connection.execute(_CONSTRAINTS, {"oids": oids}).fetchall()
    elsewhere = [oid for row in constraints for oid in (row[0], row[5]) if oid and oid not in names]
    names |= _columns(connection, elsewhere, shared)[0]
    uniques = _uniques(connection, oids, names, shared)
    checks: dict[int, list[TargetCheck]] = defaultdict(list)
    foreign: dict[int, list[TargetForeignKey]] = defaultdict(list)
    references: dict[int, list[Reference]] = defaultdict(list)
    for row in constraints:
        child, name, kind, numbers = row[0], row[1], row[2], row[3] or []
        used = tuple(names[child][number] for number in numbers if number > 0)
        if kind == "c":
            checks[child].append(TargetCheck(name, row[4], used))
            continue
        parents = tuple(names[row[5]][number] for number in row[8])
        foreign[child].append(
            TargetForeignKey(name, used, row[6], row[7], parents, _ACTIONS[row[9]], _ACTIONS[row[10]], row[11], row[12])
        )
        references[row[5]].append(Reference(row[13], row[14], used, parents))
    return TargetCatalog(
        schema=schema,
        tables=tuple(
            TargetTable(
                schema=schema,
                name=name,
                columns=columns[oid],
                uniques=uniques[oid],
                checks=tuple(checks[oid]),
                foreign_keys=tuple(foreign[oid]),
                referenced_by=tuple(references[oid]),
                forced_rls=forced,
            )
            for oid, (name, forced) in tables.items()
        ),
        relations=frozenset(relations),
    )


def _columns(
    connection: Connection, oids: list[int], shared: Shared
) -> tuple[dict[int, dict[int, str]], dict[int, tuple[TargetColumn, ...]]]:
    names: dict[int, dict[int, str]] = {oid: {} for oid in oids}
    columns: dict[int, list[TargetColumn]] = {oid: [] for oid in oids}
    for oid, number, name, not_null, default, identity, generated, *kind in connection.execute(_COLUMNS, [oids]):
        name = shared(name)
        names[oid][number] = name
        columns[oid].append(
            TargetColumn(
                name=name,
                type=shared(target_type(*kind)),
                not_null=not_null,
                default="" if generated else default,
                expression=default if generated else "",
                identity=identity,
                generated=bool(generated),
            )
        )
    return names, {oid: shared(tuple(map(shared, found))) for oid, found in columns.items()}


def target_type(name: str, sql: str, kind: str, modifier: int) -> TargetType:
    """Return a type from its catalog entry; ``modifier`` is ``atttypmod`` (−1: none)."""
    length = precision = scale = None
    if modifier >= 4 and name in ("varchar", "bpchar"):
        length = modifier - 4
    elif modifier >= 4 and name == "numeric":
        precision = (modifier - 4) >> 16 & 0xFFFF
        # 11 bits, sign-extended: PostgreSQL 15 allows negative scales (numeric_typmod_scale in numeric.c).
        scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    elif modifier >= 0 and name in ("timestamp", "timestamptz", "time"):
        precision = modifier
    return TargetType(name=name, sql=sql, kind=kind, length=length, precision=precision, scale=scale)


def _uniques(
    connection: Connection, oids: list[int], names: dict[int, dict[int, str]], shared: Shared
) -> dict[int, tuple[TargetUnique, ...]]:
    found: dict[int, list[TargetUnique]] = {oid: [] for oid in oids}
    rows = connection.execute(_UNIQUES, [oids])
    for oid, name, primary, not_distinct, expressions, numbers, predicate, used, excludes in rows:
        if excludes:
            continue
        plain = tuple(names[oid][number] for number in numbers) if all(numbers) and not predicate else ()
        everything = {names[oid][number] for number in used} | {names[oid][n] for n in numbers if n}
        found[oid].append(
            TargetUnique(
                name=name,
                expressions=shared(tuple(expressions)),
                columns=shared(plain),
                used=shared(tuple(sorted(everything))),
                primary=primary,
                predicate=predicate,
                nulls_distinct=not not_distinct,
            )
        )
    return {oid: tuple(uniques) for oid, uniques in found.items()}
