"""What the ledger keeps of a source's schema and casts, so that it can be made again: see ``howdah export``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from howdah.catalog.affinity import affinity
from howdah.catalog.model import SourceObject, SourceTable
from howdah.plain import json_parts
from howdah.plan import Inspected, SkippedTable, TablePlan

VERSION = 1


@dataclass(frozen=True)
class KeptColumn:
    """A column of a source table, and where its values went.

    :ivar generated: computed by SQLite, so it is not written back.
    :ivar fillable: it may be left out of an INSERT: it takes NULL or has a default.
    :ivar target: column in PostgreSQL, empty when it did not move.
    :ivar storage: how values are written back; with ``unit`` and ``loss`` as in :class:`howdah.reverse.Way`.
    :ivar kept: column in PostgreSQL that holds the original text of mapped identifiers.
    """

    name: str
    declared: str
    affinity: str
    generated: bool = False
    fillable: bool = True
    target: str = ""
    type: str = ""
    cast: str = ""
    storage: str = ""
    unit: str = ""
    loss: str = ""
    kept: str = ""
    namespace: str = ""


@dataclass(frozen=True)
class KeptTable:
    """A source table as it was declared, and where its rows went.

    :ivar target: table in PostgreSQL, empty when the application does not move it.
    :ivar constants: column in PostgreSQL → the value that every row of the source got.
    :ivar indexes: name → SQL of each CREATE INDEX.
    """

    name: str
    sql: str
    columns: tuple[KeptColumn, ...]
    schema: str = ""
    target: str = ""
    primary_key: tuple[str, ...] = ()
    rowid_alias: str = ""
    autoincrement: bool = False
    constants: tuple[tuple[str, str], ...] = ()
    indexes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Definition:
    """A source as it was declared, and how its values were cast.

    :ivar objects: views, triggers and virtual tables.
    """

    tables: tuple[KeptTable, ...]
    objects: tuple[SourceObject, ...] = ()
    user_version: int = 0
    application_id: int = 0


def to_json(source: Inspected, plans: Sequence[TablePlan], skipped: Sequence[SkippedTable] = ()) -> Iterator[str]:
    """Yield what is to be kept of a source, as parts of JSON text; what is no UTF-8 keeps its surrogate escapes.

    :param plans: of all tables of this source that move.
    :param skipped: tables of this source that do not.
    """
    by_name = {plan.table.name: plan for plan in plans}
    moved = set(by_name) | {item.table for item in skipped}
    tables = (_table(table, by_name.get(table.name)) for table in source.catalog.tables if table.name in moved)
    return json_parts(
        {
            "version": VERSION,
            # Of columns there are many; of the others, earlier engines look for every field.
            "tables": ({item.name: getattr(table, item.name) for item in fields(table)} for table in tables),
            "objects": source.catalog.objects,
            "user_version": source.catalog.user_version,
            "application_id": source.catalog.application_id,
        }
    )


def _table(table: SourceTable, plan: TablePlan | None) -> KeptTable:
    return KeptTable(
        name=table.name,
        sql=table.sql,
        columns=tuple(_column(table, number, plan) for number in range(len(table.columns))),
        schema=plan.target.schema if plan else "",
        target=plan.target.name if plan else "",
        primary_key=table.primary_key,
        rowid_alias=table.rowid_alias,
        autoincrement=table.autoincrement,
        constants=tuple((c.target, c.option("value")) for c in plan.columns if not c.source) if plan else (),
        indexes=tuple((index.name, index.sql) for index in table.indexes if index.sql),
    )


def _column(table: SourceTable, number: int, plan: TablePlan | None) -> KeptColumn:
    column = table.columns[number]
    kept = KeptColumn(
        name=column.name,
        declared=column.declared,
        affinity=affinity(column.declared, table.strict),
        generated=column.generated,
        fillable=not column.not_null or column.default is not None,
    )
    planned = [c for c in plan.columns if c.source == column.name] if plan else []
    found = next((c for c in planned if c.back), None)
    if found is None or found.back is None:
        return kept
    return KeptColumn(
        name=kept.name,
        declared=kept.declared,
        affinity=kept.affinity,
        generated=kept.generated,
        fillable=kept.fillable,
        target=found.target,
        type=found.type.name,
        cast=found.cast,
        storage=found.back.storage,
        unit=found.back.unit,
        loss=found.back.loss,
        kept=next((c.target for c in planned if c.cast == "uuid5_kept"), ""),
        namespace=found.option("namespace"),
    )


def from_json(value: dict[str, Any] | None) -> Definition | None:
    """Return a kept definition, or ``None`` when there is none or another version of howdah made it."""
    if not value or value.get("version") != VERSION:
        return None
    return Definition(
        tables=tuple(_kept_table(table) for table in value["tables"]),
        objects=tuple(SourceObject(**item) for item in value["objects"]),
        user_version=value["user_version"],
        application_id=value["application_id"],
    )


def _kept_table(value: dict[str, Any]) -> KeptTable:
    lists = {
        "columns": tuple(KeptColumn(**column) for column in value["columns"]),
        "primary_key": tuple(value["primary_key"]),
        "constants": tuple((name, text) for name, text in value["constants"]),
        "indexes": tuple((name, text) for name, text in value["indexes"]),
    }
    return KeptTable(**(value | lists))
