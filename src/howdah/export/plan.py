"""Which tables the file gets, and what each is to look like: pure, but for what it is told of the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from howdah.catalog.model import TargetTable
from howdah.definition import KeptTable
from howdah.errors import ConfigurationError
from howdah.export import derive, original
from howdah.export.catalog import Schema
from howdah.export.original import KeptSource
from howdah.export.values import Names, Table
from howdah.findings import Finding

Filled = Callable[[TargetTable, dict[str, str]], frozenset[str]]
"""Which columns of a table hold anything but NULL and, where one is given, one value for every row."""


@dataclass(frozen=True)
class Draft:
    """A table that is to be made, and what can be told of it.

    :ivar fallback: the shape of PostgreSQL for a table that its original shape turns out not to hold.
    """

    table: Table
    findings: tuple[Finding, ...]
    fallback: Callable[[], Draft] | None = None


def drafts(schema: Schema, sources: tuple[KeptSource, ...], filled: Filled, *, whole: bool) -> tuple[Draft, ...]:
    """Return the tables of the file: those of the sources first, in their order.

    :param whole: tables that no source had are part of it too.
    """
    kept = _kept(schema, sources)
    taken = {table.name.lower() for table in kept}
    names = Names()
    for table in kept:
        held = schema.find(table.schema, table.target)
        if held is not None and (held.schema, held.name) not in names.tables:
            _name(names, held, table.name, {column.target: column.name for column in table.columns if column.target})
    for held in schema.tables:
        if whole and (held.schema, held.name) not in names.tables:
            _name(names, held, derive.fresh(held.name, taken), {})
    taken |= {name.lower() for table in kept for name, _ in table.indexes}
    made: list[Draft] = []
    done: set[tuple[str, str]] = set()
    for table in kept:
        held = schema.find(table.schema, table.target)
        place = (table.schema, table.target)
        if held is not None and place in done:
            continue  # another source filled it too; its rows are all there
        done.add(place)
        made.append(_original(table, held, schema, names, taken, filled))
    for held in schema.tables:
        place = (held.schema, held.name)
        if place in names.tables and place not in done:
            made.append(_derived(held, schema, names, taken))
    return tuple(made)


def _kept(schema: Schema, sources: tuple[KeptSource, ...]) -> tuple[KeptTable, ...]:
    """Return the tables that the sources had.

    :raises ConfigurationError: two of them had a table of the same name and their rows are in different places.
    """
    found: dict[str, tuple[str, KeptTable]] = {}
    for source in sources:
        for table in source.definition.tables:
            if table.schema not in ("", schema.name):
                continue
            other, before = found.setdefault(table.name.lower(), (source.name, table))
            if (before.schema, before.target) != (table.schema, table.target):
                raise ConfigurationError(
                    f"{other} and {source.name} both had a table {table.name}.",
                    f"Export them one by one: --source {other}, then --source {source.name} into another file.",
                )
    return tuple(table for _, table in found.values())


def _name(names: Names, held: TargetTable, name: str, columns: dict[str, str]) -> None:
    """Settle what a table and its columns are called in SQLite."""
    place = (held.schema, held.name)
    names.tables[place] = name
    taken = {column.lower() for column in columns.values()}
    names.columns[place] = {
        column.name: columns.get(column.name) or derive.fresh(column.name, taken) for column in held.columns
    }


def _derived(held: TargetTable, schema: Schema, names: Names, taken: set[str]) -> Draft:
    made, findings = derive.table(held, schema, names, taken)
    return Draft(made, tuple(findings))


def _original(
    kept: KeptTable, held: TargetTable | None, schema: Schema, names: Names, taken: set[str], filled: Filled
) -> Draft:
    if held is None:
        made, findings = original.table(kept, None, names)
        assert made is not None  # noqa: S101 - no column of it is looked at
        return Draft(made, tuple(findings))
    only = held.name not in schema.partitioned
    constants = dict(kept.constants)
    extra = original.extras(kept, held)
    full = filled(held, {column.name: constants.get(column.name, "") for column in extra})
    made, findings = original.table(kept, held, names, [c for c in extra if c.name in full], only)
    if made is None:
        derived = _derived(held, schema, names, taken)
        return Draft(derived.table, (*findings, *derived.findings))
    findings += [
        Finding(
            "info", "not_exact", f"{column.loss[:1].upper()}{column.loss[1:]}.", table=kept.name, column=column.name
        )
        for column in made.columns
        if column.loss
    ]
    return Draft(made, tuple(findings), lambda: _derived(held, schema, names, taken))
