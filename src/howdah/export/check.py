"""Reads a finished table back and compares every value with PostgreSQL's, by code of its own.

Nothing here is shared with the writer: PostgreSQL is read as its own text of every value, in text format, and what
SQLite must hold for it is derived by the rules. Rows are compared as a multiset, spread over buckets, so that memory
does not grow with the table.
"""

from __future__ import annotations

import marshal
import sqlite3
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Any

from howdah import pg
from howdah.discover import quoted
from howdah.export.expect import expected, found
from howdah.export.values import Table
from howdah.pg import Connection, qualified

_BUCKETS = 4096
# Rows of the differing buckets that are looked at to name the columns.
_SAMPLE = 5_000
_STEP = 10_000

Fields = list[Any]
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
    :param file: opened anew, so that what lies in the file is read.
    :param step: called with the rows done so far.
    """
    if table.held is None or not table.columns:
        kept = int(file.execute(f"SELECT count(*) FROM {quoted(table.name)}").fetchone()[0])
        return Outcome(0, kept, equal=kept == 0)
    wanted, there = _Sums(), _Sums()
    wanted.add(_held(connection, table), step)
    there.add(_kept(file, table), lambda _: None)
    differing = wanted.differing(there)
    if not differing:
        return Outcome(wanted.rows, there.rows, equal=True)
    columns, example = _look(
        _sample(_held(connection, table), differing), _sample(_kept(file, table), differing), table
    )
    return Outcome(wanted.rows, there.rows, equal=False, columns=columns, example=example)


class _Sums:
    """Counts rows and adds up their digests, bucket by bucket."""

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._digests = [0] * _BUCKETS
        self.rows = 0

    def add(self, rows: Iterable[Fields], step: Callable[[int], None]) -> None:
        """Take in rows."""
        counts, digests, done = self._counts, self._digests, 0
        for fields in rows:
            digest = _digest(fields)
            bucket = digest % _BUCKETS
            counts[bucket] += 1
            # Added, not xored: of two equal rows both count.
            digests[bucket] += digest
            done += 1
            if done % _STEP == 0:
                step(done)
        step(done)
        self.rows += done

    def differing(self, other: _Sums) -> frozenset[int]:
        """Return the buckets that do not hold the same rows."""
        mine = zip(self._counts, self._digests, strict=True)
        theirs = zip(other._counts, other._digests, strict=True)
        return frozenset(number for number, (one, two) in enumerate(zip(mine, theirs, strict=True)) if one != two)


def _digest(fields: Fields) -> int:
    # marshal, version 2: type, length and bytes of each value, the same for equal values and for no others.
    return int.from_bytes(blake2b(marshal.dumps(fields, 2), digest_size=32).digest(), "big")


def _held(connection: Connection, table: Table) -> Rows:
    """Yield the values that SQLite must hold, for every row of PostgreSQL."""
    assert table.held is not None  # noqa: S101 - compare() has seen to it
    columns = ", ".join(f"{pg.quoted(column.target)}::text" for column in table.columns)
    only = "ONLY " if table.only else ""
    query = f"SELECT {columns} FROM {only}{qualified(table.held.schema, table.held.name)}"
    rules = [expected(column) for column in table.columns]
    # A savepoint: a comparison that is not read to its end must not end the snapshot.
    with connection.transaction(), closing(pg.stream(connection, query, binary=False)) as rows:
        for row in rows:
            yield [text if text is None or rule is None else rule(text) for text, rule in zip(row, rules, strict=True)]


def _kept(file: sqlite3.Connection, table: Table) -> Rows:
    """Yield the values that SQLite holds, of every row of the file."""
    columns = ", ".join(quoted(column.name) for column in table.columns)
    rules = [found(column) for column in table.columns]
    changed = any(rules)
    for row in file.execute(f"SELECT {columns} FROM {quoted(table.name)}"):
        if changed:
            yield [v if v is None or rule is None else rule(v) for v, rule in zip(row, rules, strict=True)]
        else:
            yield list(row)


def _sample(rows: Rows, buckets: frozenset[int]) -> list[Fields]:
    with closing(rows):
        return list(islice((fields for fields in rows if _digest(fields) % _BUCKETS in buckets), _SAMPLE))


def _look(held: list[Fields], kept: list[Fields], table: Table) -> tuple[tuple[str, ...], str]:
    """Return the columns that differ, and the key of a row where they do."""
    key = [position for position, column in enumerate(table.columns) if column.target in table.key]
    there = {_key(fields, key): fields for fields in held}
    differing: dict[str, None] = {}
    example = ""
    for fields in kept if key else []:
        other = there.get(_key(fields, key))
        if other is None or _digest(other) == _digest(fields):
            continue
        for column, one, two in zip(table.columns, fields, other, strict=True):
            if _digest([one]) != _digest([two]):
                differing[column.name] = None
        example = example or ", ".join(f"{table.columns[at].name} = {fields[at]}" for at in key)
    return tuple(differing), example


def _key(fields: Fields, key: list[int]) -> bytes:
    return marshal.dumps([fields[position] for position in key], 2)
