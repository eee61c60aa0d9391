"""A SQLite table for a table of PostgreSQL, from its catalog: every value fits it exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from howdah.catalog.affinity import affinity
from howdah.catalog.model import TargetColumn, TargetForeignKey, TargetTable, TargetType, TargetUnique
from howdah.discover import quoted
from howdah.export.catalog import HeldIndex, Schema
from howdah.export.defaults import translate
from howdah.export.values import Column, Index, Names, Table
from howdah.findings import Finding
from howdah.reverse import INEXACT, WHOLE, Storage

# Decimal digits that a double keeps (DBL_DIG).
_DIGITS = 15

# Declarations whose affinity leaves the values alone: a column declared UUID or JSON would make numbers of some.
_DECLARED: dict[str, tuple[str, Storage]] = {
    **dict.fromkeys(WHOLE, ("INTEGER", "integer")),
    **dict.fromkeys(INEXACT, ("REAL", "real")),
    "bool": ("BOOLEAN", "integer"),
    "bytea": ("BLOB", "blob"),
    "uuid": ("CHAR(36)", "text"),
    "timestamptz": ("TIMESTAMPTZ", "text"),
    "timestamp": ("TIMESTAMP", "text"),
    "date": ("DATE", "text"),
    "time": ("TIME", "text"),
}
_TEXTS = {"varchar": "VARCHAR", "bpchar": "CHAR"}
# Types whose text in PostgreSQL means the same to everybody.
_PLAIN = ("text", "citext", "name", "json", "jsonb", "xml", *_TEXTS, *_DECLARED)


def declared(kind: TargetType) -> tuple[str, Storage]:
    """Return the declared type of a column, and how its values are written.

    >>> declared(TargetType("numeric", "numeric(10,2)", precision=10, scale=2))
    ('NUMERIC(10, 2)', 'number')
    >>> declared(TargetType("numeric", "numeric"))
    ('TEXT', 'text')
    """
    if kind.kind == "e":
        return "TEXT", "text"
    if kind.name in _DECLARED:
        return _DECLARED[kind.name]
    if kind.name in _TEXTS and kind.length:
        return f"{_TEXTS[kind.name]}({kind.length})", "text"
    if kind.name == "numeric" and kind.precision and kind.precision <= _DIGITS and (kind.scale or 0) >= 0:
        return f"NUMERIC({kind.precision}, {kind.scale or 0})", "number"
    return "TEXT", "text"


def column(held: TargetColumn, name: str) -> Column:
    """Return the column of SQLite for one of PostgreSQL."""
    written, storage = declared(held.type)
    return Column(name, held.name, held.type, storage, affinity(written))


def table(held: TargetTable, schema: Schema, names: Names, taken: set[str]) -> tuple[Table, list[Finding]]:
    """Return the table of SQLite for one of PostgreSQL, and what of it cannot be said there.

    :param taken: names of tables and indexes of the file, folded; those that this table needs are added.
    """
    place = (held.schema, held.name)
    name, own = names.tables[place], names.columns[place]
    findings: list[Finding] = []
    counted = _counted(held)
    lines = []
    for item in held.columns:
        line = f"{quoted(own[item.name])} {declared(item.type)[0]}"
        if item.name == counted:
            lines.append(line + " PRIMARY KEY AUTOINCREMENT")
            continue
        default, whole = ("", True) if item.generated or item.identity else translate(item.default, item.type)
        if not whole:
            findings.append(_left_out(held, "default", f"default of {item.name}", item.default, item.name))
        lines.append(line + (" NOT NULL" if item.not_null else "") + (f" DEFAULT {default}" if default else ""))
    findings += _as_text(held)
    loose = {index.name for index in schema.indexes if index.table == held.name}
    for unique in held.uniques:
        if unique.name in loose or (unique.primary and counted):
            continue
        kind = "PRIMARY KEY" if unique.primary else "UNIQUE"
        lines.append(f"{kind} ({_listed(unique.columns, own)})")
        findings += _nulls(held, unique)
    for key in held.foreign_keys:
        line = _reference(key, own, names)
        if line:
            lines.append(line)
        else:
            findings.append(_left_out(held, "foreign_key", f"foreign key {key.name}", ""))
    findings += [_left_out(held, "check", f"CHECK {c.name}", c.expression) for c in held.checks]
    indexes = [i for i in schema.indexes if i.table == held.name]
    findings += [_left_out(held, "index", f"index {i.name}", i.sql) for i in indexes if not i.plain]
    body = ",\n  ".join(lines)
    return (
        Table(
            name=name,
            held=held,
            shape="derived",
            create=(f"CREATE TABLE {quoted(name)} (\n  {body}\n)",),
            columns=tuple(column(item, own[item.name]) for item in held.columns),
            indexes=tuple(_indexes(name, (i for i in indexes if i.plain), own, taken)),
            sequence=counted,
            only=held.name not in schema.partitioned,
        ),
        findings,
    )


def _counted(held: TargetTable) -> str:
    """Return the column that becomes INTEGER PRIMARY KEY AUTOINCREMENT, or the empty text."""
    key = next((unique.columns for unique in held.uniques if unique.primary), ())
    found = held.find(key[0]) if len(key) == 1 else None
    if found is None or found.type.name not in WHOLE or found.type.kind == "d":
        return ""
    return found.name if found.identity or "nextval(" in found.default else ""


def _reference(key: TargetForeignKey, own: dict[str, str], names: Names) -> str:
    place = (key.parent_schema, key.parent)
    if place not in names.tables:
        return ""
    theirs = names.columns[place]
    late = " DEFERRABLE INITIALLY DEFERRED" if key.deferrable else ""
    return (
        f"FOREIGN KEY ({_listed(key.columns, own)}) REFERENCES {quoted(names.tables[place])}"
        f" ({_listed(key.parent_columns, theirs)}) ON UPDATE {key.on_update} ON DELETE {key.on_delete}{late}"
    )


def _indexes(table: str, held: Iterable[HeldIndex], own: dict[str, str], taken: set[str]) -> Iterator[Index]:
    for index in held:
        name = fresh(index.name, taken)
        pairs = zip(index.columns, index.descending, strict=True)
        parts = ", ".join(quoted(own[column]) + (" DESC" if down else "") for column, down in pairs)
        unique = "UNIQUE " if index.unique else ""
        yield Index(name, f"CREATE {unique}INDEX {quoted(name)} ON {quoted(table)} ({parts})")


def fresh(name: str, taken: set[str]) -> str:
    """Return a name that SQLite does not know yet, and add it to those that it knows.

    :param taken: names in lower case: SQLite does not tell ``Album`` from ``album``.

    >>> fresh("album", {"album"}), fresh("sqlite_stat", set())
    ('album_2', 'x_sqlite_stat')
    """
    wanted = f"x_{name}" if name.lower().startswith("sqlite_") else name
    found, number = wanted, 1
    while found.lower() in taken:
        number += 1
        found = f"{wanted}_{number}"
    taken.add(found.lower())
    return found


def _listed(columns: tuple[str, ...], names: dict[str, str]) -> str:
    return ", ".join(quoted(names[column]) for column in columns)


def _as_text(held: TargetTable) -> Iterator[Finding]:
    for item in held.columns:
        exact = declared(item.type)[1] != "text"
        if not exact and item.type.kind != "e" and item.type.name not in _PLAIN:
            message = f"{item.type.sql} has no like in SQLite, so it is PostgreSQL's text of the value."
            yield Finding("info", "written_as_text", message, table=held.name, column=item.name)


def _nulls(held: TargetTable, unique: TargetUnique) -> Iterator[Finding]:
    if not unique.nulls_distinct:
        message = f"{unique.name} is UNIQUE NULLS NOT DISTINCT; SQLite tells NULLs apart."
        yield Finding("info", "nulls_distinct", message, table=held.name)


def _left_out(held: TargetTable, kind: str, what: str, sql: str, column: str = "") -> Finding:
    message = f"The {what} is not exported" + ("; its SQL is in the report." if sql else ".")
    return Finding("warning", f"{kind}_not_exported", message, table=held.name, column=column, sql=sql)
