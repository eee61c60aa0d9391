"""Derives the target schema from a source, where no application folder gives one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from howdah import identifiers, typemap
from howdah.catalog.model import (
    SourceForeignKey,
    SourceIndex,
    SourceTable,
    TargetCatalog,
    TargetColumn,
    TargetForeignKey,
    TargetTable,
    TargetUnique,
)
from howdah.catalog.sqlite import keywords
from howdah.defaults import translate
from howdah.errors import ConfigurationError
from howdah.findings import Finding
from howdah.pg import qualified, quoted
from howdah.plan import Inspected

_INTEGERS = frozenset({"int2", "int4", "int8", "numeric"})
_TEXTS = frozenset({"text", "varchar", "bpchar"})


@dataclass(frozen=True)
class Statement:
    """One piece of DDL.

    :ivar kind: ``table``, ``index`` or ``constraint``.
    :ivar name: of the object, within the schema (of a constraint: within its table).
    :ivar table: target table that it belongs to.
    """

    kind: str
    name: str
    table: str
    sql: str


@dataclass(frozen=True)
class Derived:
    """The schema that a set of sources asks for.

    :ivar catalog: the tables as they will be, foreign keys included.
    :ivar names: (source, table) → target table and its column names by source column.
    :ivar tables: statements that must run before the load (tables with their unique keys).
    :ivar after: statements that run after it (foreign keys, other indexes).
    """

    catalog: TargetCatalog
    names: dict[tuple[str, str], tuple[str, dict[str, str]]]
    tables: tuple[Statement, ...]
    after: tuple[Statement, ...]
    findings: tuple[Finding, ...]


def derive(sources: tuple[Inspected, ...], schema: str) -> Derived:
    """Return the schema for the sources.

    :raises ConfigurationError: when two sources have a table of the same name.
    """
    _one_of_each(sources)
    every = [(source, table) for source in sources for table in source.catalog.tables]
    folded = identifiers.fold([table.name for _, table in every])
    taken = set(folded.values())
    findings: list[Finding] = []
    drafts: list[tuple[Inspected, SourceTable, TargetTable, dict[str, str], list[Statement]]] = []
    for source, table in every:
        columns = identifiers.fold([column.name for column in table.columns])
        findings += _renamed(source.name, table, folded[table.name], columns)
        target, indexes, remarks = _table(source, table, schema, folded[table.name], columns, taken)
        findings += remarks
        drafts.append((source, table, target, columns, indexes))
    by_source = {(source.name, table.name): (target, columns) for source, table, target, columns, _ in drafts}
    tables: list[TargetTable] = []
    after: list[Statement] = []
    for source, table, target, columns, indexes in drafts:
        keys = list(_foreign_keys(source, table, target, columns, by_source, findings))
        tables.append(replace(target, foreign_keys=tuple(keys)))
        after += indexes
        after += [_constraint(schema, target.name, key) for key in keys]
    return Derived(
        catalog=TargetCatalog(schema=schema, tables=tuple(tables)),
        names={name: (target.name, columns) for name, (target, columns) in by_source.items()},
        tables=tuple(statement for table in tables for statement in _create(table)),
        # Foreign keys last: they need the unique keys, and are fastest on filled tables.
        after=tuple(sorted(after, key=lambda statement: statement.kind == "constraint")),
        findings=tuple(findings),
    )


def _one_of_each(sources: tuple[Inspected, ...]) -> None:
    seen: dict[str, str] = {}
    for source in sources:
        for table in source.catalog.tables:
            other = seen.setdefault(table.name.lower(), source.name)
            if other != source.name:
                raise ConfigurationError(
                    f"{other} and {source.name} both have a table {table.name}.",
                    "Migrate them one by one, each with its own --schema, or describe them in an application folder.",
                )


def _renamed(source: str, table: SourceTable, target: str, columns: dict[str, str]) -> Iterator[Finding]:
    """Report names that changed by more than their case."""
    if target != table.name.lower():
        yield Finding("warning", "renamed", f"Table {table.name} becomes {target}.", source, table.name)
    for column, name in columns.items():
        if name != column.lower():
            yield Finding("warning", "renamed", f"{table.name}.{column} becomes {name}.", source, table.name, column)


def _table(
    source: Inspected, table: SourceTable, schema: str, name: str, names: dict[str, str], taken: set[str]
) -> tuple[TargetTable, list[Statement], list[Finding]]:
    findings: list[Finding] = []
    profile = source.profile[table.name]
    nullable_key = [c for c in table.primary_key if profile.column(c).nulls]
    columns: list[TargetColumn] = []
    for column in table.columns:
        choice = typemap.choose(column, profile.column(column.name))
        if column.name == table.rowid_alias:
            choice = typemap.Choice(typemap.BIGINT)
        if choice.reason:
            findings.append(
                Finding(
                    "info",
                    "type_by_evidence",
                    f"{column.declared or 'no type'} becomes {choice.type.sql}: {choice.reason}.",
                    source.name,
                    table.name,
                    column.name,
                )
            )
        default, translated = ("", True) if column.generated else translate(column.default, choice.type)
        if not translated:
            findings.append(
                Finding(
                    "warning",
                    "default_not_moved",
                    f"The default of {table.name}.{column.name} does not move.",
                    source.name,
                    table.name,
                    column.name,
                    sql=column.default or "",
                )
            )
        columns.append(
            TargetColumn(
                name=names[column.name],
                type=choice.type,
                not_null=column.not_null or (bool(column.key_position) and not nullable_key),
                default=default,
                identity="d" if column.name == table.rowid_alias else "",
            )
        )
    if nullable_key:
        findings.append(
            Finding(
                "warning",
                "null_in_key",
                f"The primary key of {table.name} holds NULLs, so it becomes a unique key.",
                source.name,
                table.name,
                nullable_key[0],
                profile.column(nullable_key[0]).nulls,
            )
        )
    uniques: list[TargetUnique] = []
    indexes: list[Statement] = []
    if table.primary_key:
        key = tuple(names[column] for column in table.primary_key)
        label = _fresh(f"{name}_pkey", taken)
        uniques.append(_unique(label, key, primary=not nullable_key))
    for index in table.indexes:
        _index(source.name, table, schema, name, names, index, taken, uniques, indexes, findings)
    findings += _unsaid(source.name, table)
    return TargetTable(schema, name, tuple(columns), tuple(uniques)), indexes, findings


def _unique(name: str, columns: tuple[str, ...], primary: bool = False) -> TargetUnique:
    return TargetUnique(name, tuple(quoted(column) for column in columns), columns, columns, primary)


def _index(
    source: str,
    table: SourceTable,
    schema: str,
    target: str,
    names: dict[str, str],
    index: SourceIndex,
    taken: set[str],
    uniques: list[TargetUnique],
    indexes: list[Statement],
    findings: list[Finding],
) -> None:
    if index.origin == "pk":
        return
    plain = tuple(names[column] for column in index.columns if column is not None)
    if index.partial or len(plain) != len(index.columns):
        kind = "partial" if index.partial else "expression"
        findings.append(
            Finding(
                "warning",
                "index_not_moved",
                f"The {kind} index {index.name} does not move; its SQL is in the report.",
                source,
                table.name,
                sql=index.sql,
            )
        )
        return
    if any(collation not in ("BINARY", "") for collation in index.collations):
        findings.append(
            Finding(
                "warning",
                "collation_not_moved",
                f"Index {index.name} compares by {'/'.join(index.collations)} in SQLite, and exactly in PostgreSQL.",
                source,
                table.name,
                sql=index.sql,
            )
        )
    if index.unique:
        own = index.name if index.origin == "c" else "_".join([target, *plain, "key"])
        uniques.append(_unique(_fresh(own, taken), plain))
        return
    label = _fresh(index.name, taken)
    parts = ", ".join(
        quoted(column) + (" DESC" if down else "") for column, down in zip(plain, index.descending, strict=True)
    )
    statement = f"CREATE INDEX {quoted(label)} ON {qualified(schema, target)} ({parts})"
    indexes.append(Statement("index", label, target, statement))


def _fresh(name: str, taken: set[str]) -> str:
    fresh = identifiers.fold([name], taken)[name]
    taken.add(fresh)
    return fresh


def _unsaid(source: str, table: SourceTable) -> Iterator[Finding]:
    """Report what a table declares and PostgreSQL will not enforce."""
    words = keywords(table.sql)
    if "CHECK" in words:
        yield Finding(
            "warning",
            "check_not_moved",
            f"CHECK constraints of {table.name} do not move; see the SQL.",
            source,
            table.name,
            sql=table.sql,
        )
    if "NOCASE" in words:
        yield Finding(
            "warning",
            "collation_not_moved",
            f"{table.name} compares some text without case (NOCASE); PostgreSQL will compare it exactly.",
            source,
            table.name,
            sql=table.sql,
        )


def _foreign_keys(
    source: Inspected,
    table: SourceTable,
    target: TargetTable,
    names: dict[str, str],
    by_source: dict[tuple[str, str], tuple[TargetTable, dict[str, str]]],
    findings: list[Finding],
) -> Iterator[TargetForeignKey]:
    parents = {name.lower(): (name, found) for (owner, name), found in by_source.items() if owner == source.name}
    for key in table.foreign_keys:
        problem, made = _foreign_key(table, target, names, key, parents)
        if made is not None:
            yield made
        else:
            findings.append(
                Finding(
                    "warning",
                    "foreign_key_not_moved",
                    f"The foreign key {table.name} ({', '.join(key.columns)}) → {key.parent} does not move: {problem}.",
                    source.name,
                    table.name,
                )
            )


def _foreign_key(
    table: SourceTable,
    target: TargetTable,
    names: dict[str, str],
    key: SourceForeignKey,
    parents: dict[str, tuple[str, tuple[TargetTable, dict[str, str]]]],
) -> tuple[str, TargetForeignKey | None]:
    if key.parent.lower() not in parents:
        return "there is no such table", None
    _, (parent, parent_names) = parents[key.parent.lower()]
    lowered = {column.lower(): name for column, name in parent_names.items()}
    if len(key.parent_columns) != len(key.columns) or any(c.lower() not in lowered for c in key.parent_columns):
        return "the columns that it refers to are not there", None
    referred = tuple(lowered[column.lower()] for column in key.parent_columns)
    if not any(set(unique.columns) == set(referred) for unique in parent.uniques):
        return "what it refers to is not unique", None
    own = tuple(names[table.column(column).name] for column in key.columns)
    for child_name, parent_name in zip(own, referred, strict=True):
        child, other = target.find(child_name), parent.find(parent_name)
        if child is None or other is None or not _comparable(child.type.name, other.type.name):
            return "the types on both sides differ", None
    name = identifiers.fold(["_".join([target.name, *own, "fkey"])])["_".join([target.name, *own, "fkey"])]
    return "", TargetForeignKey(
        name=name,
        columns=own,
        parent_schema=target.schema,
        parent=parent.name,
        parent_columns=referred,
        on_update=key.on_update,
        on_delete=key.on_delete,
    )


def _comparable(one: str, other: str) -> bool:
    return one == other or {one, other} <= _INTEGERS or {one, other} <= _TEXTS


def _constraint(schema: str, table: str, key: TargetForeignKey) -> Statement:
    own = ", ".join(quoted(column) for column in key.columns)
    theirs = ", ".join(quoted(column) for column in key.parent_columns)
    return Statement(
        "constraint",
        key.name,
        table,
        f"ALTER TABLE {qualified(schema, table)} ADD CONSTRAINT {quoted(key.name)} FOREIGN KEY ({own})"
        f" REFERENCES {qualified(schema, key.parent)} ({theirs}) ON UPDATE {key.on_update} ON DELETE"
        f" {key.on_delete}",
    )


def _create(table: TargetTable) -> Iterator[Statement]:
    lines = []
    for column in table.columns:
        line = f"{quoted(column.name)} {column.type.sql}"
        if column.identity:
            line += " GENERATED BY DEFAULT AS IDENTITY"
        if column.default:
            line += f" DEFAULT {column.default}"
        lines.append(line + (" NOT NULL" if column.not_null else ""))
    for unique in table.uniques:
        kind = "PRIMARY KEY" if unique.primary else "UNIQUE"
        columns = ", ".join(quoted(column) for column in unique.columns)
        lines.append(f"CONSTRAINT {quoted(unique.name)} {kind} ({columns})")
    body = ",\n  ".join(lines)
    yield Statement(
        "table", table.name, table.name, f"CREATE TABLE {qualified(table.schema, table.name)} (\n  {body}\n)"
    )
