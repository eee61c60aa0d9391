"""The rows of a table on their way to the server: read, cast and digested in the background."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from howdah.catalog.model import SourceTable
from howdah.catalog.sqlite import open_snapshot
from howdah.native.rows import Batch
from howdah.plan import TablePlan
from howdah.reading import Row, rows, some
from howdah.rowcast import RowError
from howdah.vector.batches import UNIT_BYTES, batches
from howdah.vector.digests import Content, Digests, of_chunk
from howdah.vector.encode import Encoder, Reject
from howdah.vector.prefetch import ahead


@dataclass(frozen=True)
class Part:
    """Rows ready to be copied.

    :ivar stream: rows of a binary COPY stream, without header and trailer.
    :ivar locators: where those rows are in the source.
    :ivar keys: the same rows with their key columns only.
    :ivar key_sizes: bytes of each row in ``keys``.
    """

    ordinal: int
    stream: bytes | memoryview
    locators: NDArray[np.int64]
    keys: bytes | memoryview
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

    :param known: digests of chunks that are there already; the parts of the first ones, as long as they are the same,
        are left out.
    :param only: rowids to read, in their order; ``None``: all.
    :raises SourceError: the snapshot cannot be read.
    """
    with closing(ahead(_encoded(path, plan.table, encoder, known, only), plan.rows)) as found:
        yield from found


def content_digest(path: Path, plan: TablePlan) -> str:
    """Return the digest of a table's rows, as :class:`howdah.vector.digests.Content` has it, without casting them."""
    content = Content(plan.table)
    for locators, digests in digested(path, plan):
        content.add(locators, digests)
    return content.hexdigest()


def digested(path: Path, plan: TablePlan) -> Generator[tuple[NDArray[np.int64], Digests]]:
    """Yield locators and digests of a table's rows, some at a time, in their order; reading goes on meanwhile.

    :raises SourceError: the snapshot cannot be read.
    """
    with closing(ahead(batches(path, plan.table), plan.rows)) as found:
        for batch in found:
            yield _locators(batch), _digests(batch)


class Walker:
    """Finds single rows by their locators; where there is no rowid, in one walk through the table.

    :param connect: opens the snapshot, when the first row is wanted.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], table: SourceTable) -> None:
        self._connect = connect
        self._table = table
        self._walk: Iterator[tuple[int, Row]] | None = None

    @cached_property
    def _connection(self) -> sqlite3.Connection:
        return self._connect()

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
    path: Path, table: SourceTable, encoder: Encoder, known: Sequence[bytes], only: NDArray[np.int64] | None
) -> Generator[Part | Read]:
    with ExitStack() as opened, closing(encoder.batches(path, only)) as found:
        walker, same = Walker(lambda: opened.enter_context(open_snapshot(path)), table), True
        for ordinal, batch in enumerate(found):
            same = same and ordinal < len(known) and _read(ordinal, batch).chunk.digest == known[ordinal]
            mapped = encoder.mapped
            if not same:
                yield from _parts(ordinal, batch, walker, encoder)
            yield _read(ordinal, batch, encoder.mapped - mapped)


def _parts(ordinal: int, batch: Batch, walker: Walker, encoder: Encoder) -> Iterator[Part]:
    """Yield the rows of a batch that are settled, then the others, cast one by one."""
    settled = np.frombuffer(batch.settled, np.bool_)
    locators = _locators(batch)
    open_rows: list[int] = []
    if not settled.all():
        open_rows, locators = locators[~settled].tolist(), locators[settled]
    yield Part(ordinal, batch.stream, locators, batch.keys, np.frombuffer(batch.key_sizes, np.int32), ())
    held = _Held(ordinal)
    for locator, row in walker.take(open_rows):
        try:
            held.add(locator, encoder.one(locator, ordinal, row))
        except RowError as error:
            held.rejects.append(Reject(locator, error.column, error.code, error.reason))
        if held.size > UNIT_BYTES:
            yield held.part()
            held = _Held(ordinal)
    if held.locators or held.rejects:
        yield held.part()


def _locators(batch: Batch) -> NDArray[np.int64]:
    return np.frombuffer(batch.locators, np.int64)


def _digests(batch: Batch) -> Digests:
    return np.frombuffer(batch.digests, np.uint64)


def _read(ordinal: int, batch: Batch, mapped: int = 0) -> Read:
    found, digests = _locators(batch), _digests(batch)
    chunk = Chunk(ordinal, int(found[0]), int(found[-1]), len(batch), of_chunk(found, digests), mapped)
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
        return Part(self.ordinal, stream, np.array(self.locators, np.int64), keys, sizes, tuple(self.rejects))
