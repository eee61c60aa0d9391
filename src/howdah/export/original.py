"""A source table as it was declared before the migration, for what PostgreSQL holds of it now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from howdah.catalog.affinity import Affinity
from howdah.catalog.model import TargetColumn, TargetTable
from howdah.definition import Definition, KeptColumn, KeptTable
from howdah.discover import quoted
from howdah.export import derive
from howdah.export.values import Column, Index, Mapped, Names, Table
from howdah.findings import Finding
from howdah.reverse import Storage


@dataclass(frozen=True)
class KeptSource:
    """A source that the ledger describes, by the names that the ledger knows it by."""

    application: str
    name: str
    definition: Definition


def extras(kept: KeptTable, held: TargetTable) -> tuple[TargetColumn, ...]:
    """Return the columns of PostgreSQL that the original table has no place for."""
    known = {name for column in kept.columns for name in (column.target, column.kept)}
    return tuple(column for column in held.columns if column.name not in known and not column.generated)


def table(
    kept: KeptTable, held: TargetTable | None, names: Names, added: Iterable[TargetColumn] = (), only: bool = True
) -> tuple[Table | None, list[Finding]]:
    """Return the table as it was, or ``None`` where rows would lack a value that it demands.

    :param held: the table in PostgreSQL, ``None`` when there is none (any more).
    :param added: columns of PostgreSQL that are appended, as they hold values.
    """
    findings: list[Finding] = []
    columns: list[Column] = []
    if held is None:
        message = "Its rows did not move to PostgreSQL" if not kept.target else f"{kept.target} is gone in PostgreSQL"
        findings.append(Finding("warning", "table_left_empty", f"{message}, so the table is empty.", table=kept.name))
    for column in kept.columns if held else ():
        found = held.find(column.target) if held and column.target else None
        if column.generated:
            continue
        if found is not None:
            columns.append(_column(column, found))
            continue
        message = "The column has nothing in PostgreSQL"
        if not column.fillable:
            findings.append(Finding("warning", "column_lacking", f"{message}, and must have a value.", "", kept.name))
            return None, findings
        message += ", so it is left to its default."
        findings.append(Finding("warning", "column_left_empty", message, table=kept.name, column=column.name))
    statements = [kept.sql]
    for extra in added:
        name = names.columns[held.schema, held.name][extra.name] if held else extra.name
        columns.append(derive.column(extra, name))
        statements.append(f"ALTER TABLE {quoted(kept.name)} ADD COLUMN {quoted(name)} {derive.declared(extra.type)[0]}")
        message = "The original table had no such column; it is appended, as it holds values."
        findings.append(Finding("warning", "column_added", message, table=kept.name, column=name))
    return (
        Table(
            name=kept.name,
            held=held,
            shape="original",
            create=tuple(statements),
            columns=tuple(columns),
            indexes=tuple(Index(name, sql) for name, sql in kept.indexes),
            sequence=_sequence(kept) if held else "",
            only=only,
        ),
        findings,
    )


def _column(kept: KeptColumn, held: TargetColumn) -> Column:
    affinity = cast(Affinity, kept.affinity)
    if kept.type != held.type.name:
        storage: Storage = "text" if affinity == "TEXT" else derive.declared(held.type)[1]
        return Column(kept.name, held.name, held.type, storage, affinity, loss=f"it became {held.type.sql}")
    return Column(
        name=kept.name,
        target=held.name,
        type=held.type,
        storage=cast(Storage, kept.storage),
        affinity=affinity,
        unit=kept.unit,
        loss=kept.loss,
        mapped=Mapped(kept.namespace, kept.kept) if kept.cast == "uuid5" else None,
    )


def _sequence(kept: KeptTable) -> str:
    return next((c.target for c in kept.columns if kept.autoincrement and c.name == kept.rowid_alias), "")


def originals(sources: Iterable[KeptSource]) -> Mapping[tuple[str, str], tuple[tuple[str, str, str], ...]]:
    """Return where the original texts of mapped identifiers are kept.

    :returns: (schema, namespace) → (table, column of the UUID, column of the text).
    """
    found: dict[tuple[str, str], tuple[tuple[str, str, str], ...]] = {}
    for source in sources:
        for item in source.definition.tables:
            for column in item.columns:
                place = (item.schema, column.namespace)
                entry = (item.target, column.target, column.kept)
                if column.kept and entry not in found.get(place, ()):
                    found[place] = (*found.get(place, ()), entry)
    return found
