"""SQL about rows that the ways into a table share: which are equal, which are compared, which refer to a parent."""

from __future__ import annotations

from collections.abc import Iterable

from howdah.catalog.model import TargetForeignKey, TargetUnique
from howdah.pg import qualified, quoted


def same(columns: Iterable[str], one: str, other: str) -> str:
    """Return SQL that is true when rows of two aliases are equal in some columns, none of them NULL."""
    return " AND ".join(f"{one}.{quoted(name)} = {other}.{quoted(name)}" for name in columns)


def different(columns: list[str], one: str, other: str) -> str:
    """Return SQL that is true when two rows differ in the stored bytes of some (quoted) column.

    It sees −0.0 against 0.0 and the case of citext, which ``<>`` does not, and takes json, which has no
    ``<>``.
    """
    rows = (f"ROW({', '.join(f'{alias}.{column}' for column in columns)})" for alias in (one, other))
    return f"record_image_ne({', '.join(rows)})"


def image_digest(columns: tuple[str, ...], alias: str = "") -> str:
    """Return SQL of a row's image (int8), by which rows of a table without a key are told apart.

    It is of the row as it would be sent in binary form, so it does not hang on settings of output. For most types it is
    known here, too, before the row is there: :func:`howdah.native.rows.image`.
    """
    prefix = f"{alias}." if alias else ""
    row = f"ROW({', '.join(prefix + quoted(name) for name in columns)})"
    return f"hash_record_extended(ROW(record_send({row})), 0)"


def compared(unique: TargetUnique) -> str:
    """Return SQL that is true for the rows of a table that a unique constraint or index compares with each other."""
    conditions = [f"({unique.predicate})"] if unique.predicate else []
    if unique.nulls_distinct:
        conditions += [f"({part}) IS NOT NULL" for part in unique.expressions]
    return " AND ".join(conditions) or "true"


def refers(key: TargetForeignKey, child: str) -> str:
    """Return SQL that is true when the row of an alias must have a parent."""
    return " AND ".join(f"{child}.{quoted(own)} IS NOT NULL" for own in key.columns)


def parents(key: TargetForeignKey, child: str, table: str = "") -> str:
    """Return a query for the parents, as alias ``p``, of the row of an alias; more conditions can be added with AND.

    :param table: where to look for them, quoted; empty means the table that the key names.
    """
    pairs = zip(key.columns, key.parent_columns, strict=True)
    match = " AND ".join(f"p.{quoted(parent)} = {child}.{quoted(own)}" for own, parent in pairs)
    return f"SELECT 1 FROM {table or qualified(key.parent_schema, key.parent)} p WHERE {match}"
