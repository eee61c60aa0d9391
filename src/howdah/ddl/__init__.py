"""Derives the target schema from a source, where no application folder gives one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from howdah import identifiers
from howdah.catalog.model import SourceTable, TargetCatalog, TargetTable
from howdah.ddl import foreign_keys, indexes, tables, views, virtuals
from howdah.ddl.values import Derived, Draft, Part, Refusals, Statement
from howdah.errors import ConfigurationError
from howdah.findings import Finding
from howdah.plan import Inspected
from howdah.shared import Shared

__all__ = ["Derived", "Part", "Refusals", "Statement", "derive"]


def derive(
    sources: tuple[Inspected, ...],
    schema: str,
    refused: Refusals | None = None,
    *,
    style: str = "lower",
    settled: Mapping[tuple[str, str], str] | None = None,
) -> Derived:
    """Return the schema for the sources.

    :param style: how names become names of PostgreSQL: ``lower``, ``keep`` or ``snake``.
    :param settled: (source, table) → the name that an earlier run gave its table.
    :param refused: parts that PostgreSQL does not take; they are left out and reported.
    :raises ConfigurationError: when two sources have a table of the same name.
    """
    _one_of_each(sources)
    every = [(source, table) for source in sources for table in source.catalog.tables]
    folded = {table.name: name for source, table in every if (name := (settled or {}).get((source.name, table.name)))}
    left = [table.name for _, table in every if table.name not in folded]
    folded |= identifiers.fold(left, folded.values(), style)
    taken = set(folded.values())
    findings: list[Finding] = []
    drafts: list[Draft] = []
    referred = {source.name: foreign_keys.referred(source) for source in sources}
    shared = Shared()
    alike: dict[tuple[str, ...], dict[str, str]] = {}
    for source, table in every:
        own = tuple(column.name for column in table.columns)
        names = alike[own] = alike.get(own) or identifiers.fold(own, style=style)
        findings += _renamed(source.name, table, folded[table.name], names, style)
        target = TargetTable(schema, folded[table.name], ())
        draft = tables.draft(source, table, target, names, style, refused or {})
        indexes.add(draft, taken, referred[source.name].get(table.name.lower(), set()), refused or {})
        draft.target = replace(draft.target, columns=shared(tuple(map(shared, draft.target.columns))))
        drafts.append(draft)
    by_name = {(draft.source.name, draft.table.name.lower()): draft for draft in drafts}
    keys = {name: foreign_keys.derive(draft, by_name) for name, draft in by_name.items()}
    made: list[TargetTable] = []
    after: list[Statement] = []
    for draft in drafts:
        found = keys[draft.source.name, draft.table.name.lower()]
        made.append(replace(draft.target, foreign_keys=found))
        after += draft.indexes
        after += [foreign_keys.statement(schema, draft.target.name, key) for key in found]
    shown: list[Statement] = []
    parts: list[Part] = []
    for source in sources:
        statements, tried, remarks = views.derive(source, drafts, schema, taken, style, refused or {})
        shown += statements
        parts += tried
        findings += remarks + virtuals.findings(source, drafts)
    return Derived(
        catalog=TargetCatalog(schema=schema, tables=tuple(made)),
        names={(d.source.name, d.table.name): (d.target.name, d.names) for d in drafts},
        tables=tuple(tables.statement(draft) for draft in drafts),
        # Foreign keys after indexes: they need the unique ones, and are fastest on filled tables.
        after=(*sorted(after, key=lambda statement: statement.kind == "constraint"), *shown),
        parts=(*(part for draft in drafts for part in draft.parts), *parts),
        findings=(*findings, *(finding for draft in drafts for finding in draft.findings)),
        refused=refused or {},
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


def _renamed(source: str, table: SourceTable, target: str, columns: dict[str, str], style: str) -> Iterator[Finding]:
    """Report names that changed by more than their style."""
    if target != identifiers.styled(table.name, style):
        yield Finding("warning", "renamed", f"Table {table.name} becomes {target}.", source, table.name)
    for column, name in columns.items():
        if name != identifiers.styled(column, style):
            yield Finding("warning", "renamed", f"{table.name}.{column} becomes {name}.", source, table.name, column)
