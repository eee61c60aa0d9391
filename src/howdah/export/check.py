"""Reads a finished table back and compares every value with PostgreSQL's, by code of its own.

Nothing here is shared with the writer: PostgreSQL is read as its own text of every value, in text format, and what
SQLite holds is turned into the same canonical form by the rules. Rows are compared as a multiset, spread over buckets
by their key, so that memory does not grow with the table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

from howdah import pg
from howdah.discover import quoted
from howdah.export.canonical import Rule, held_rule, kept_rule
from howdah.export.values import Column, Table
from howdah.pg import Connection, qualified

_BUCKETS = 4096
# Rows of one differing bucket that are looked at to name the columns.
_SAMPLE = 5_000
_STEP = 10_000

Fields = list[bytes]
Rows = Generator[Fields, None, None]


@dataclass(frozen=True)
class Outcome:
    """What comparing one table found.

    :ivar held: rows in PostgreSQL; ``kept`` in the file.
    :ivar columns: columns with values that differ; empty when rows are missing or too many.
    :ivar example: the key of one such row, readable; empty for a table without a key.
    """

    held: int
    kept: int
    equal: bool
    columns: tuple[str, ...] = ()
    example: str = ""

    @property
    def sentence(self) -> str:
        """Say what differs."""
        if self.held != self.kept:
            return f"PostgreSQL has {self.held:,} rows and the file {self.kept:,}"
        where = f" (for example at {self.example})" if self.example else ""
        return f"values of {', '.join(self.columns) or 'some rows'} differ{where}"


def compare(
    connection: Connection, file: sqlite3.Connection, table: Table, step: Callable[[int], None] = lambda _: None
) -> Outcome:
    """Compare one table of a file, value by value and storage class by storage class, with what PostgreSQL holds.

    :param connection: in the snapshot that the rows were written from.
    :param file: opened anew, so that what lies in the file is read; its text as bytes.
    :param step: called with the rows done so far.
    """
    if table.held is None or not table.columns:
        kept = int(file.execute(f"SELECT count(*) FROM {quoted(table.name)}").fetchone()[0])
        return Outcome(0, kept, equal=kept == 0)
    targets = [column.target for column in table.columns]
    key = [targets.index(name) for name in table.key] or list(range(len(targets)))
    wanted = _Sums(key)
    for number, fields in enumerate(_held(connection, table), start=1):
        wanted.add(fields)
        if number % _STEP == 0:
            step(number)
    found = _Sums(key)
    for fields in _kept(file, table):
        found.add(fields)
    step(wanted.rows)
    differing = wanted.differing(found)
    if not differing:
        return Outcome(wanted.rows, found.rows, equal=True)
    bucket = min(differing)
    columns, example = _look(
        _sample(_held(connection, table), wanted, bucket), _sample(_kept(file, table), wanted, bucket), table, key
    )
    return Outcome(wanted.rows, found.rows, equal=False, columns=columns, example=example)


class _Sums:
    """Counts rows and adds up their digests, bucket by bucket."""

    def __init__(self, key: list[int]) -> None:
        self._key = key
        self._counts = [0] * _BUCKETS
        self._digests = [0] * _BUCKETS
        self.rows = 0

    def bucket(self, fields: Fields) -> int:
        """Return which bucket a row belongs to, by its key."""
        digest = blake2b(b"".join(fields[position] for position in self._key), digest_size=2).digest()
        return int.from_bytes(digest, "big") % _BUCKETS

    def add(self, fields: Fields) -> None:
        """Take in a row."""
        bucket = self.bucket(fields)
        self.rows += 1
        self._counts[bucket] += 1
        # Added, not xored: of two equal rows both count.
        self._digests[bucket] += int.from_bytes(blake2b(b"".join(fields), digest_size=32).digest(), "big")

    def differing(self, other: _Sums) -> list[int]:
        """Return the buckets that do not hold the same rows."""
        mine = zip(self._counts, self._digests, strict=True)
        theirs = zip(other._counts, other._digests, strict=True)
        return [number for number, (one, two) in enumerate(zip(mine, theirs, strict=True)) if one != two]


def _held(connection: Connection, table: Table) -> Rows:
    """Yield the canonical fields of every row of PostgreSQL."""
    assert table.held is not None  # noqa: S101 - compare() has seen to it
    columns = ", ".join(f"{pg.quoted(column.target)}::text" for column in table.columns)
    only = "ONLY " if table.only else ""
    query = f"COPY (SELECT {columns} FROM {only}{qualified(table.held.schema, table.held.name)}) TO STDOUT"
    rules = [held_rule(column) for column in table.columns]
    # A savepoint: a comparison that is not read to its end must not end the snapshot.
    with connection.transaction(), closing(pg.copy_rows(connection, query, ["text"] * len(rules))) as rows:
        for row in rows:
            yield _fields(row, rules)


def _kept(file: sqlite3.Connection, table: Table) -> Rows:
    """Yield the canonical fields of every row of the file."""
    columns = ", ".join(quoted(column.name) for column in table.columns)
    rules = [kept_rule(column) for column in table.columns]
    for row in file.execute(f"SELECT {columns} FROM {quoted(table.name)}"):
        yield _fields(row, rules)


def _fields(row: tuple[object, ...], rules: list[Rule]) -> Fields:
    fields = []
    for value, rule in zip(row, rules, strict=True):
        if value is None:
            fields.append(b"N")
        else:
            raw = rule(value)
            # Length before bytes: no value can imitate another, nor run into the next.
            fields.append(b"V%d:%b" % (len(raw), raw))
    return fields


def _sample(rows: Rows, sums: _Sums, bucket: int) -> list[Fields]:
    with closing(rows):
        return list(islice((fields for fields in rows if sums.bucket(fields) == bucket), _SAMPLE))


def _look(held: list[Fields], kept: list[Fields], table: Table, key: list[int]) -> tuple[tuple[str, ...], str]:
    """Return the columns of one bucket that differ, and the key of a row where they do."""
    there = {tuple(fields[position] for position in key): fields for fields in held}
    differing: dict[str, None] = {}
    example = ""
    for fields in kept:
        other = there.get(tuple(fields[position] for position in key))
        if other is None or other == fields:
            continue
        for column, one, two in zip(table.columns, fields, other, strict=True):
            if one != two:
                differing[column.name] = None
        if not example and table.key:
            example = ", ".join(_readable(table.columns[position], fields[position]) for position in key)
    return tuple(differing), example


def _readable(column: Column, field: bytes) -> str:
    text = field.partition(b":")[2].decode("utf-8", "replace") if field[:1] == b"V" else "NULL"
    return f"{column.name} = {text}"
