"""Decodes what PostgreSQL holds, from the binary COPY format, into the canonical encoding."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

from howdah import encoding
from howdah.catalog.model import TargetType
from howdah.pg import Connection, copy_out, qualified, quoted
from howdah.plan import TablePlan

Decoder = Callable[[bytes], bytes]

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00"
_END = 0xFFFF


def rows(connection: Connection, plan: TablePlan, named: str = "", limit: int | None = None) -> Iterator[list[bytes]]:
    """Yield the canonical fields of target rows: columns in the plan's order, rows in any.

    :param named: a temporary table of keys: only the rows that it names; empty: every row.
    :param limit: at most so many; ``None``: all.
    """
    yield from decode(copy_out(connection, query(plan, named, limit)), decoders(plan))


def query(plan: TablePlan, named: str = "", limit: int | None = None) -> str:
    """Return what reads target rows, as :func:`rows` has it."""
    columns = ", ".join(_selected(column.target, column.type) for column in plan.columns)
    table = qualified(plan.target.schema, plan.target.name)
    where = f" WHERE EXISTS (SELECT 1 FROM {named} o WHERE {_same(plan)})" if named else ""
    most = f" LIMIT {limit}" if limit is not None else ""
    return f"COPY (SELECT {columns} FROM {table} t{where}{most}) TO STDOUT (FORMAT BINARY)"


def decoders(plan: TablePlan) -> list[Decoder]:
    """Return what decodes the columns of a plan."""
    return [decoder(column.type) for column in plan.columns]


def row(raw: bytes, decoders: list[Decoder]) -> list[bytes]:
    """Return the canonical fields of one row of a binary COPY stream."""
    (fields,) = decode([stream_of(raw)], decoders)
    return fields


def stream_of(rows: bytes) -> bytes:
    """Return rows as a whole binary COPY stream."""
    return _SIGNATURE + bytes(8) + rows + _END.to_bytes(2, "big")


def keys(connection: Connection, plan: TablePlan, owned: str) -> Iterator[list[bytes]]:
    """Yield the canonical key of every target row that a temporary table of keys names."""
    types = {column.target: column.type for column in plan.columns}
    columns = ", ".join(_selected(name, types[name], "t.") for name in plan.key)
    table = qualified(plan.target.schema, plan.target.name)
    query = f"SELECT {columns} FROM {table} t JOIN {owned} o ON {_same(plan)}"
    blocks = copy_out(connection, f"COPY ({query}) TO STDOUT (FORMAT BINARY)")
    yield from decode(blocks, [decoder(types[name]) for name in plan.key])


def kept_keys(plan: TablePlan, keys: bytes) -> Iterator[list[bytes]]:
    """Yield the canonical form of keys of a table, given as the ledger keeps them."""
    types = {column.target: column.type for column in plan.columns}
    yield from decode([stream_of(keys)], [decoder(types[name]) for name in plan.key])


def _same(plan: TablePlan) -> str:
    return " AND ".join(f"t.{quoted(name)} = o.{quoted(name)}" for name in plan.key)


def _selected(name: str, kind: TargetType, prefix: str = "") -> str:
    return prefix + quoted(name) + ("::text" if kind.kind == "e" else "")


def decode(blocks: Iterable[bytes], decoders: list[Decoder]) -> Iterator[list[bytes]]:
    """Yield rows from a binary COPY stream, whose blocks may be cut anywhere.

    The format: PostgreSQL documentation, COPY, "Binary Format".

    :raises ValueError: when the stream is malformed or cut short.
    """
    buffer = bytearray()
    at = 0
    started = ended = False
    for block in blocks:
        del buffer[:at]
        at = 0
        buffer += block
        if not started:
            if len(buffer) < 19:
                continue
            if not buffer.startswith(_SIGNATURE):
                raise ValueError("no binary COPY stream")
            at = 19 + int.from_bytes(buffer[15:19], "big")
            started = True
        while (row := _row(buffer, at, decoders)) is not None:
            fields, at = row
            if fields is None:
                ended = True
                break
            yield fields
    if not ended:
        raise ValueError("the binary COPY stream was cut short")


def _row(buffer: bytearray, at: int, decoders: list[Decoder]) -> tuple[list[bytes] | None, int] | None:
    """Return a row (``None`` at the end of data) and where it ends, or nothing when it is incomplete."""
    if len(buffer) < at + 2:
        return None
    count = int.from_bytes(buffer[at : at + 2], "big")
    at += 2
    if count == _END:
        return None, at
    if count != len(decoders):
        raise ValueError(f"{count} columns where {len(decoders)} were asked for")
    fields = []
    for decoder_ in decoders:
        if len(buffer) < at + 4:
            return None
        length = int.from_bytes(buffer[at : at + 4], "big", signed=True)
        at += 4
        if length < 0:
            fields.append(encoding.NULL)
            continue
        if len(buffer) < at + length:
            return None
        fields.append(decoder_(bytes(buffer[at : at + length])))
        at += length
    return fields, at


def decoder(kind: TargetType) -> Decoder:
    """Return the function that turns a type's binary form into the canonical encoding."""
    if kind.kind == "e":
        return encoding.text
    return _DECODERS[kind.name]


def _integer(raw: bytes) -> bytes:
    return encoding.integer(int.from_bytes(raw, "big", signed=True))


def _numeric(raw: bytes) -> bytes:
    """Decode ``numeric_send``: base-10000 digits with a weight, a sign and a display scale."""
    count, weight, sign, _scale = struct.unpack_from(">hhHH", raw)
    if sign in (0xC000, 0xD000, 0xF000):
        return encoding.exact(Decimal({0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}[sign]))
    value = 0
    for digit in struct.unpack_from(f">{count}h", raw, 8):
        value = value * 10_000 + digit
    digits = tuple(map(int, str(value)))
    return encoding.exact(Decimal((1 if sign == 0x4000 else 0, digits, 4 * (weight - count + 1))))


def _jsonb(raw: bytes) -> bytes:
    if raw[:1] != b"\x01":
        raise ValueError("unknown version of jsonb")
    return encoding.document(raw[1:].decode())


_DECODERS: dict[str, Decoder] = {
    **dict.fromkeys(("int2", "int4", "int8"), _integer),
    **dict.fromkeys(("text", "varchar", "citext", "name", "json"), encoding.text),
    "bpchar": lambda raw: encoding.text(raw.rstrip(b" ")),
    "bool": lambda raw: encoding.boolean(raw != b"\x00"),
    "float8": lambda raw: encoding.double(struct.unpack(">d", raw)[0]),
    "float4": lambda raw: encoding.single(struct.unpack(">f", raw)[0]),
    "numeric": _numeric,
    "uuid": encoding.uuid,
    "bytea": encoding.binary,
    "timestamptz": lambda raw: encoding.moment(int.from_bytes(raw, "big", signed=True), zoned=True),
    "timestamp": lambda raw: encoding.moment(int.from_bytes(raw, "big", signed=True), zoned=False),
    "date": lambda raw: encoding.day(int.from_bytes(raw, "big", signed=True)),
    "time": lambda raw: encoding.clock(int.from_bytes(raw, "big", signed=True)),
    "jsonb": _jsonb,
}
