"""Reads a target table as Arrow batches, in the forms that :mod:`howdah.verify.columns` compares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from howdah import encoding, pg
from howdah.errors import HowdahError
from howdah.ownership import key_columns
from howdah.plan import ColumnPlan, TablePlan

# The driver and what computes with columns load only where rows are in doubt.
if TYPE_CHECKING:
    from howdah.verify.columns import Rule

# A table that was loaded in one go comes back in the order of its source; that is worth more than a parallel scan.
_IN_ORDER = {"synchronize_seqscans": "off", "max_parallel_workers_per_gather": "0"}
# Bytes that the driver puts into one batch.
_BATCH_BYTES = 4 << 20
# Microseconds and days from 1970-01-01, where Arrow counts from, to 2000-01-01.
_MICROS_TO_2000 = 946_684_800_000_000
_DAY_2000 = date(2000, 1, 1).toordinal()
NULL = encoding.NULL
_KEYS = "pg_temp._howdah_named"


class Reader:
    """Reads one table after the other over one connection: the driver takes its time to open one.

    :param server: as :func:`howdah.pg.conninfo_of` has it.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._idle: Any = None

    def batches(
        self, plan: TablePlan, rules: list[Rule], keys: Iterable[tuple[str, ...]] | None = None
    ) -> Iterator[list[Any]]:
        """Yield the columns of a target table's rows, in any order, a batch at a time.

        :param keys: only the rows with these keys, as :func:`howdah.ownership.literals` has them; ``None``: all rows.
        :raises HowdahError: the server is gone.
        """
        import adbc_driver_manager

        selected = ", ".join(f"{rule.sql} AS c{number}" for number, rule in enumerate(rules))
        query = f"SELECT {selected} FROM {pg.qualified(plan.target.schema, plan.target.name)}"
        whole = False
        connection = None
        try:
            connection, self._idle = self._idle or self._open(), None
            with closing(connection.cursor()) as cursor:
                cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
                if keys is not None:
                    query += _named(cursor, plan, keys)
                cursor.execute(query)
                with cursor.fetch_record_batch() as reader:
                    for batch in reader:
                        yield [_storage(column) for column in batch.columns]
            whole = True
        except adbc_driver_manager.Error as error:
            raise HowdahError(
                f"The rows of {plan.target.name} cannot be read back: {' '.join(str(error).split())}.",
                "What was moved is kept; run the same command again when the server is back.",
            ) from error
        finally:
            # After a table that was not read to its end, the rest of it would still be under way.
            if whole:
                self._idle = connection
            elif connection is not None:
                connection.close()

    def close(self) -> None:
        """Close the connection, where there is one."""
        if self._idle:
            self._idle.close()
            self._idle = None

    def _open(self) -> Any:
        import adbc_driver_postgresql.dbapi as adbc

        connection = adbc.connect(self._server, autocommit=True)
        with closing(connection.cursor()) as cursor:
            for name, value in (pg.SESSION | _IN_ORDER).items():
                cursor.execute(f"SET {name} = {pg.literal(value)}")
        return connection


def _named(cursor: Any, plan: TablePlan, keys: Iterable[tuple[str, ...]]) -> str:
    """Put keys into a temporary table; return the condition that a row has one of them."""
    columns = key_columns(plan)
    typed = ", ".join(f"{pg.quoted(name)} {kind}" for name, kind in columns)
    cursor.execute(f"DROP TABLE IF EXISTS {_KEYS}")
    cursor.execute(f"CREATE TEMP TABLE {_KEYS.removeprefix('pg_temp.')} ({typed})")
    for arrays in keys:
        values = ", ".join(f"{pg.literal(one)}::{kind}[]" for one, (_, kind) in zip(arrays, columns, strict=True))
        cursor.execute(f"INSERT INTO {_KEYS} SELECT * FROM unnest({values})")
    cursor.execute(f"ANALYZE {_KEYS}")
    same = " AND ".join(f"t.{pg.quoted(name)} = o.{pg.quoted(name)}" for name, _ in columns)
    return f" t WHERE EXISTS (SELECT FROM {_KEYS} o WHERE {same})"


def _storage(column: Any) -> Any:
    return column.storage if isinstance(column, pa.ExtensionArray) else column


Encode = Callable[[Any], bytes]


def encoders(plan: TablePlan) -> list[Encode]:
    """Return, for each column, what makes the canonical encoding of one value as it was read."""
    return [_whatever(_encoder(column)) for column in plan.columns]


def _whatever(encode: Encode) -> Encode:
    """Return an encoding for values that no source can ask for as well: infinite days, years before the first."""

    def encoded(value: Any) -> bytes:
        try:
            return encode(value)
        except (ValueError, ArithmeticError):
            return encoding.field(b"?", _bytes(value))

    return encoded


def _encoder(column: ColumnPlan) -> Encode:
    kind = column.type.name
    if column.type.kind == "e":
        kind = "text"
    return _FROM_TEXT.get(kind) or _FROM_VALUE[kind]


def _uuid(text: Any) -> bytes:
    return encoding.uuid(bytes.fromhex(_bytes(text).decode().replace("-", "")))


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


_FROM_TEXT: dict[str, Encode] = {
    **dict.fromkeys(("text", "varchar", "citext", "name", "json"), lambda value: encoding.text(_bytes(value))),
    "uuid": _uuid,
    "jsonb": lambda value: encoding.document(_bytes(value).decode()),
    "numeric": lambda value: encoding.exact(Decimal(_bytes(value).decode())),
    "date": lambda value: encoding.day(date.fromisoformat(_bytes(value).decode()).toordinal() - _DAY_2000),
}
_FROM_VALUE: dict[str, Encode] = {
    **dict.fromkeys(("int2", "int4", "int8"), encoding.integer),
    "bool": lambda value: encoding.boolean(bool(value)),
    "float8": encoding.double,
    "float4": encoding.single,
    "bytea": encoding.binary,
    "timestamptz": lambda value: encoding.moment(value - _MICROS_TO_2000, zoned=True),
    "timestamp": lambda value: encoding.moment(value - _MICROS_TO_2000, zoned=False),
}


def values(column: Any, rows: Any) -> list[Any]:
    """Return some values of a column as Python values; texts as bytes, moments as microseconds since 1970."""
    part = column.take(rows)
    if pa.types.is_timestamp(part.type):
        return list(part.cast(pa.timestamp("us", part.type.tz)).cast(pa.int64()).to_pylist())
    if pa.types.is_string(part.type):
        return list(part.cast(pa.binary()).to_pylist())
    return list(part.to_pylist())
