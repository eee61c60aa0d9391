"""Foreign keys between derived tables."""

from __future__ import annotations

from collections.abc import Mapping

from howdah.catalog.model import SourceForeignKey, TargetForeignKey
from howdah.ddl.values import Draft, Statement
from howdah.findings import Finding
from howdah.pg import qualified, quoted
from howdah.plan import Inspected

_INTEGERS = frozenset({"int2", "int4", "int8", "numeric"})
_TEXTS = frozenset({"text", "varchar", "bpchar"})


def referred(source: Inspected) -> dict[str, set[frozenset[str]]]:
    """Return table → the sets of its columns that foreign keys refer to, all in lower case."""
    found: dict[str, set[frozenset[str]]] = {}
    for table in source.catalog.tables:
        for key in table.foreign_keys:
            columns = frozenset(column.lower() for column in key.parent_columns)
            found.setdefault(key.parent.lower(), set()).add(columns)
    return found


def derive(child: Draft, drafts: Mapping[tuple[str, str], Draft]) -> tuple[TargetForeignKey, ...]:
    """Return the foreign keys of a table; those that cannot be are reported.

    :param drafts: (source, table in lower case) → its draft.
    """
    made = []
    for key in child.table.foreign_keys:
        problem, found = _derive(child, key, drafts.get((child.source.name, key.parent.lower())))
        if found is not None:
            made.append(found)
            continue
        child.warn(
            "foreign_key_not_moved",
            f"The foreign key {child.table.name} ({', '.join(key.columns)}) → {key.parent} does not move: {problem}.",
        )
    return tuple(made)


def _derive(child: Draft, key: SourceForeignKey, parent: Draft | None) -> tuple[str, TargetForeignKey | None]:
    if parent is None:
        return "there is no such table", None
    lowered = {column.lower(): name for column, name in parent.names.items()}
    if len(key.parent_columns) != len(key.columns) or any(c.lower() not in lowered for c in key.parent_columns):
        return "the columns that it refers to are not there", None
    theirs = tuple(lowered[column.lower()] for column in key.parent_columns)
    if not any(set(unique.columns) == set(theirs) for unique in parent.target.uniques):
        return "what it refers to is not unique", None
    own = tuple(child.names[child.table.column(column).name] for column in key.columns)
    for one, other in zip(own, theirs, strict=True):
        left, right = child.target.find(one), parent.target.find(other)
        if left is None or right is None or not _comparable(left.type.name, right.type.name):
            return "the types on both sides differ", None
    return "", TargetForeignKey(
        name=child.fresh("constraint", "_".join([child.target.name, *own, "fkey"]), child.taken),
        columns=own,
        parent_schema=parent.target.schema,
        parent=parent.target.name,
        parent_columns=theirs,
        on_update=key.on_update,
        on_delete=key.on_delete,
        deferrable=key.deferred,
    )


def _comparable(one: str, other: str) -> bool:
    return one == other or {one, other} <= _INTEGERS or {one, other} <= _TEXTS


def not_valid(table: str, key: TargetForeignKey) -> Finding:
    """Return what is to be said of a foreign key that some rows break."""
    said = f"The foreign key {key.name} on {table} is NOT VALID: it holds for new rows, and some have no parent."
    return Finding("warning", "foreign_key_not_valid", said, table=table)


def statement(schema: str, table: str, key: TargetForeignKey) -> Statement:
    """Return the statement that adds a foreign key."""
    own = ", ".join(quoted(column) for column in key.columns)
    theirs = ", ".join(quoted(column) for column in key.parent_columns)
    return Statement(
        "constraint",
        key.name,
        table,
        f"ALTER TABLE {qualified(schema, table)} ADD CONSTRAINT {quoted(key.name)} FOREIGN KEY ({own})"
        f" REFERENCES {qualified(key.parent_schema, key.parent)} ({theirs}) ON UPDATE {key.on_update} ON DELETE"
        f" {key.on_delete}{' DEFERRABLE INITIALLY DEFERRED' if key.deferrable else ''}",
    )
