"""The rows of a table on their way to the server: read, cast and digested in the background."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howdah.catalog.model import SourceTable
from howdah.catalog.sqlite import open_snapshot
from howdah.plan import TablePlan
from howdah.reading import Row, rows, some
from howdah.rowcast import RowError
from howdah.vector.digests import Content, Digests, of_chunk, of_row, of_rows
from howdah.vector.encode import Encoder, Reject, lanes, pure, sources
from howdah.vector.prefetch import ahead, prefetched
from howdah.vector.reading import UNIT_BYTES, Unit, units


@dataclass(frozen=True)
class Part:
    """Rows ready to be copied.

    :ivar stream: rows of a binary COPY stream, without header and trailer.
    :ivar locators: where those rows are in the source.
    :ivar keys: the same rows with their key columns only.
    :ivar key_sizes: bytes of each row in ``keys``.
    """

    ordinal: int
    stream: Any
    locators: tuple[int, ...]
    keys: bytes
    key_sizes: NDArray[np.int32]
    rejects: tuple[Reject, ...]


@dataclass(frozen=True)
class Chunk:
    """A chunk of the ledger, all of whose parts have been given.

    :ivar digest: of its values and storage classes.
    :ivar mapped: identifiers in it that were mapped.
    """

    ordinal: int
    first: int
    last: int
    rows: int
    digest: bytes
    mapped: int = 0


@dataclass(frozen=True)
class Read:
    """A chunk, and all that is known of its rows one by one.

    :ivar locators: of all its rows, in their order.
    :ivar digests: of the same rows.
    """

    chunk: Chunk
    locators: NDArray[np.int64]
    digests: Digests


def pieces(
    path: Path, plan: TablePlan, encoder: Encoder, known: Sequence[bytes] = (), only: NDArray[np.int64] | None = None
) -> Generator[Part | Read]:
    """Yield the parts of each chunk, then the chunk; reading and casting go on meanwhile.

    :param known: digests of chunks that need no casting; the parts of the first ones, as long as they are the same,
        are left out.
    :param only: rowids to read, in their order; ``None``: all.
    :raises SourceError: the snapshot cannot be read.
    """
    read = ahead(units(path, plan.table, encoder.sources, encoder.lanes, encoder.pure, only), plan.rows)
    with closing(ahead(_encoded(read, path, plan.table, encoder, known), plan.rows)) as found:
        yield from found


def content_digest(path: Path, plan: TablePlan) -> str:
    """Return the digest of a table's rows, as :class:`howdah.vector.digests.Content` has it, without casting them."""
    with open_snapshot(path) as connection:
        content = Content(plan.table, lanes(connection, plan))
    for locators, digests in digested(path, plan, content.lanes):
        content.add(locators, digests)
    return content.hexdigest()


def digested(path: Path, plan: TablePlan, kinds: tuple[str, ...]) -> Generator[tuple[NDArray[np.int64], Digests]]:
    """Yield locators and digests of a table's rows, some at a time, in their order; reading goes on meanwhile.

    :param kinds: the lane of each column.
    :raises SourceError: the snapshot cannot be read.
    """
    found = units(path, plan.table, sources(plan), kinds, pure(plan, kinds))
    with open_snapshot(path) as connection, closing(ahead(found, plan.rows)) as read:
        walker = Walker(connection, plan.table)
        for unit in read:
            yield unit.locators, _all_digests(unit, walker)


class Walker:
    """Finds single rows by their locators; where there is no rowid, in one walk through the table."""

    def __init__(self, connection: sqlite3.Connection, table: SourceTable) -> None:
        self._connection = connection
        self._table = table
        self._walk: Iterator[tuple[int, Row]] | None = None

    def take(self, locators: list[int]) -> Iterator[tuple[int, Row]]:
        """Yield rows; locators are larger with each call."""
        if not locators:
            return
        if self._table.rowid:
            yield from some(self._connection, self._table, locators)
            return
        if self._walk is None:
            self._walk = rows(self._connection, self._table)
        wanted = set(locators)
        for locator, row in self._walk:
            if locator in wanted:
                yield locator, row
            if locator == locators[-1]:
                return


def _encoded(
    read: prefetched[Unit] | Generator[Unit], path: Path, table: SourceTable, encoder: Encoder, known: Sequence[bytes]
) -> Generator[Part | Read]:
    with open_snapshot(path) as connection, closing(read):
        # A walk goes forward only: the chunk that is the first to differ is walked through twice.
        walker, ahead = Walker(connection, table), Walker(connection, table)
        same = True
        for ordinal, unit in enumerate(read):
            if same and ordinal < len(known):
                made = _read(ordinal, unit, _all_digests(unit, ahead))
                same = made.chunk.digest == known[ordinal]
                if same:
                    yield made
                    continue
            same = False
            mapped = encoder.mapped
            whole = encoder(unit, ordinal)
            yield Part(ordinal, whole.stream, whole.locators, whole.keys, whole.key_sizes, whole.rejects)
            digests = of_rows(unit)
            places = iter(np.flatnonzero(unit.odd).tolist())
            held = _Held(ordinal)
            for locator, row in walker.take(list(whole.odd)):
                digests[next(places)] = of_row(row)
                try:
                    held.add(locator, encoder.one(locator, ordinal, row))
                except RowError as error:
                    held.rejects.append(Reject(locator, error.column, error.code, error.reason))
                if held.size > UNIT_BYTES:
                    yield held.part()
                    held = _Held(ordinal)
            if held.locators or held.rejects:
                yield held.part()
            yield _read(ordinal, unit, digests, encoder.mapped - mapped)


def _read(ordinal: int, unit: Unit, digests: Digests, mapped: int = 0) -> Read:
    found = unit.locators
    chunk = Chunk(ordinal, int(found[0]), int(found[-1]), len(unit), of_chunk(found, digests), mapped)
    return Read(chunk, found, digests)


class _Held:
    """Rows that were cast one by one, until they are worth sending."""

    def __init__(self, ordinal: int) -> None:
        self.ordinal = ordinal
        self.locators: list[int] = []
        self.rejects: list[Reject] = []
        self.size = 0
        self._rows: list[bytes] = []
        self._keys: list[bytes] = []

    def add(self, locator: int, row: tuple[bytes, bytes]) -> None:
        self.locators.append(locator)
        self._rows.append(row[0])
        self._keys.append(row[1])
        self.size += len(row[0])

    def part(self) -> Part:
        stream, keys = b"".join(self._rows), b"".join(self._keys)
        sizes = np.array([len(key) for key in self._keys], np.int32)
        return Part(self.ordinal, stream, tuple(self.locators), keys, sizes, tuple(self.rejects))


def _all_digests(unit: Unit, walker: Walker) -> Digests:
    """Return the digests of a unit's rows, those included that must be read one by one."""
    digests = of_rows(unit)
    places = np.flatnonzero(unit.odd).tolist()
    for place, (_, row) in zip(places, walker.take(unit.locators[unit.odd].tolist()), strict=True):
        digests[place] = of_row(row)
    return digests
