"""What PostgreSQL is asked for a table: every value cast there, into the storage class that SQLite is to hold."""

from __future__ import annotations

from collections.abc import Mapping

from howdah import pg
from howdah.casts.clocks import CLOCKS
from howdah.catalog.model import TargetTable
from howdah.export.values import Column, Table
from howdah.pg import qualified
from howdah.reverse import INEXACT, WHOLE

Originals = Mapping[tuple[str, str], tuple[tuple[str, str, str], ...]]
"""(schema, namespace) → where the texts of mapped identifiers are kept: table, column of the UUID, of the text."""

_DOUBLE = (
    "({0} = 0 OR abs({0}) BETWEEN 5e-324::numeric AND 1.7976931348623157e308::numeric"
    " OR {0} IN ('Infinity', '-Infinity'))"
)
_INT8 = "({0} = trunc({0}) AND {0} BETWEEN -9223372036854775808 AND 9223372036854775807)"
_COUNTED = "(isfinite({0}) AND {0} >= '0001-01-01' AND {0} < '10000-01-01')"


def statement(table: Table, held: TargetTable, parts: list[list[str]], originals: Originals) -> str:
    """Return the query for the rows of a table, in the order of its key.

    :param parts: of each column, by :func:`parts`.
    """
    selected = ", ".join(sql for group in parts for sql in group)
    source = f"{'ONLY ' if table.only else ''}{qualified(held.schema, held.name)} t"
    for number, column in enumerate(table.columns):
        if column.mapped:
            known = _known(held.schema, originals.get((held.schema, column.mapped.namespace), ()))
            source += f" LEFT JOIN {known} m{number} ON m{number}.u = t.{pg.quoted(column.target)}"
    order = ", ".join(_sorted(table, name) for name in table.key)
    ordered = f" ORDER BY {order}" if order else ""
    return f"SELECT {selected} FROM {source}{ordered}"


def parts(column: Column, number: int) -> list[str]:
    """Return the expressions of which the first that is not NULL is a column's value, in its storage class."""
    c = f"t.{pg.quoted(column.target)}"
    if column.mapped:
        kept = f"t.{pg.quoted(column.mapped.kept)}, " if column.mapped.kept else ""
        return [f"coalesce({kept}m{number}.k, {c}::text)"]
    kind = column.type.name
    if column.storage == "blob":
        return [f"uuid_send({c})" if kind == "uuid" else f"{c}::bytea"]
    if column.unit:
        return _clock(column, c)
    if column.storage == "text":
        return [_text(kind, c)]
    if kind == "bool":
        return _whole(column, f"{c}::int4")
    if kind in WHOLE:
        return _whole(column, c)
    if kind in INEXACT:
        whole = f"{c} = trunc({c}) AND {c} >= -9223372036854775808 AND {c} < 9223372036854775808"
        return _number(column, c, whole, f"{c} <> 'NaN'")
    if kind == "numeric":
        return _number(column, c, _INT8.format(c), _DOUBLE.format(c))
    return [f"{c}::text"]


def _known(schema: str, places: tuple[tuple[str, str, str], ...]) -> str:
    """Return a relation of UUIDs (``u``) and the texts (``k``) that they were mapped from."""
    found = [
        f"SELECT {pg.quoted(uuid)} AS u, {pg.quoted(text)} AS k FROM {qualified(schema, name)}"
        f" WHERE {pg.quoted(text)} IS NOT NULL"
        for name, uuid, text in places
    ]
    together = " UNION ALL ".join(found) or "SELECT NULL::uuid AS u, NULL::text AS k WHERE false"
    return f"(SELECT DISTINCT ON (u) u, k FROM ({together}) x ORDER BY u, k)"


def _sorted(table: Table, name: str) -> str:
    """Return how a key column is sorted: as SQLite's own index will be, so that it grows at its end."""
    column = next(column for column in table.columns if column.target == name)
    binary = ' COLLATE "C"' if column.type.name in ("text", "varchar", "bpchar") and column.type.kind == "b" else ""
    return f"t.{pg.quoted(name)}{binary}"


def _whole(column: Column, value: str) -> list[str]:
    return [f"{value}::{'float8' if column.storage == 'real' else 'int8'}"]


def _number(column: Column, value: str, whole: str, double: str) -> list[str]:
    """Return a number as an integer, a double, or (NaN, or beyond a double) as its text."""
    integer = [f"CASE WHEN {whole} THEN {value}::int8 END"] if column.storage == "number" else []
    return [
        *integer,
        f"CASE WHEN {double} THEN {value}::float8 END",
        f"CASE WHEN NOT ({double}) THEN t.{pg.quoted(column.target)}::text END",
    ]


def _text(kind: str, c: str) -> str:
    if kind == "timestamptz":
        # With minutes in the offset: SQLite's own functions and Python's read it.
        return f"CASE WHEN {_COUNTED.format(c)} THEN ({c} AT TIME ZONE 'UTC')::text || '+00:00' ELSE {c}::text END"
    return f"{c}::text"


def _clock(column: Column, c: str) -> list[str]:
    """Return a moment as a number of its clock; what no clock shows (infinity) is PostgreSQL's text."""
    clock = CLOCKS[column.unit]
    moment = f"date_trunc('milliseconds', {c}::timestamp)" if clock.grain else c
    seconds = f"(extract(epoch FROM {moment}) - ({clock.zero // 1_000_000}))"
    per_second = 1_000_000 / clock.unit
    # Multiplied it is exact; of the one clock whose unit is longer than a second nothing is.
    value = f"({seconds} * {per_second})" if per_second >= 1 else f"({seconds}::numeric(38, 18) / {1 / per_second})"
    counted = _COUNTED.format(c)
    other = f"CASE WHEN NOT {counted} THEN {c}::text END"
    if column.storage == "text":
        return [f"CASE WHEN {counted} THEN trim_scale({value})::text END", other]
    integer = f"CASE WHEN {counted} AND {_INT8.format(value)} THEN {value}::int8 END"
    return [
        *([integer] if column.storage == "number" else []),
        f"CASE WHEN {counted} THEN {value}::float8 END",
        other,
    ]
