"""The rows of a table on their way to the server: read, cast and digested in the background."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any, Generic, TypeVar

import numpy as np

from howdah.catalog.model import SourceTable
from howdah.catalog.sqlite import open_snapshot
from howdah.plan import TablePlan
from howdah.reading import Row, row_bytes, rows, some
from howdah.rowcast import RowError
from howdah.vector.arrays import nulls, raw
from howdah.vector.encode import Encoder, Reject, lanes, sources
from howdah.vector.reading import UNIT_BYTES, Unit, units

# Units that wait between two threads; each is up to twice UNIT_BYTES.
_DEPTH = 2
_PATIENCE = 0.1

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """Rows ready to be copied.

    :ivar stream: rows of a binary COPY stream, without header and trailer.
    :ivar locators: where those rows are in the source.
    :ivar keys: the same rows with their key columns only.
    """

    ordinal: int
    stream: Any
    locators: tuple[int, ...]
    keys: bytes
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


def pieces(path: Path, plan: TablePlan, encoder: Encoder, known: Sequence[bytes] = ()) -> Generator[Part | Chunk]:
    """Yield the parts of each chunk, then the chunk; reading and casting go on meanwhile.

    :param known: digests of chunks that need no casting; the parts of the first ones, as long as they are the same,
        are left out.
    :raises SourceError: the snapshot cannot be read.
    """
    read = prefetched(units(path, plan.table, encoder.sources, encoder.lanes, encoder.pure))
    with closing(prefetched(_encoded(read, path, plan.table, encoder, known))) as found:
        yield from found


def content_digest(path: Path, plan: TablePlan) -> str:
    """Return the digest of a table's rows, as :func:`whole_digest` has it, without casting them."""
    found = []
    with open_snapshot(path) as connection:
        kinds = lanes(connection, plan)
        walker = Walker(connection, plan.table)
        for unit in units(path, plan.table, sources(plan), kinds):
            found.append(_whole(unit, walker))
    return whole_digest(plan, kinds, found)


def whole_digest(plan: TablePlan, kinds: tuple[str, ...], chunks: Iterable[bytes]) -> str:
    """Return the digest of a table from those of its chunks."""
    names = [(column.name, column.declared) for column in plan.table.columns]
    digest = sha256(ascii((names, kinds)).encode())
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


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
    read: prefetched[Unit], path: Path, table: SourceTable, encoder: Encoder, known: Sequence[bytes]
) -> Iterator[Part | Chunk]:
    with open_snapshot(path) as connection, closing(read):
        # A walk goes forward only: the chunk that is the first to differ is walked through twice.
        walker, ahead = Walker(connection, table), Walker(connection, table)
        same = True
        for ordinal, unit in enumerate(read):
            same = same and ordinal < len(known) and _whole(unit, ahead) == known[ordinal]
            if same:
                yield _chunk(ordinal, unit, known[ordinal])
                continue
            mapped = encoder.mapped
            whole = encoder(unit, ordinal)
            yield Part(ordinal, whole.stream, whole.locators, whole.keys, whole.rejects)
            digest = _digest(unit)
            held = _Held(ordinal)
            for locator, row in walker.take(list(whole.odd)):
                digest.update(row_bytes(row))
                try:
                    held.add(locator, encoder.one(locator, ordinal, row))
                except RowError as error:
                    held.rejects.append(Reject(locator, error.column, error.code, error.reason))
                if held.size > UNIT_BYTES:
                    yield held.part()
                    held = _Held(ordinal)
            if held.locators or held.rejects:
                yield held.part()
            yield _chunk(ordinal, unit, digest.digest(), encoder.mapped - mapped)


def _chunk(ordinal: int, unit: Unit, digest: bytes, mapped: int = 0) -> Chunk:
    return Chunk(ordinal, int(unit.locators[0]), int(unit.locators[-1]), len(unit), digest, mapped)


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
        return Part(self.ordinal, stream, tuple(self.locators), keys, tuple(self.rejects))


def _whole(unit: Unit, walker: Walker) -> bytes:
    """Return the digest of a unit, with the rows that must be read one by one."""
    digest = _digest(unit)
    for _, row in walker.take(unit.locators[unit.odd].tolist()):
        digest.update(row_bytes(row))
    return bytes(digest.digest())


def _digest(unit: Unit) -> Any:
    """Return a digest of a unit's values that rows cast one by one can still be added to."""
    digest = sha256(np.ascontiguousarray(unit.locators).data)
    digest.update(unit.odd.tobytes())
    for column in unit.columns:
        digest.update(nulls(column).tobytes())
        if str(column.type) in ("int64", "double"):
            digest.update(_plain(column))
        else:
            data, offsets = raw(column)
            digest.update(np.ascontiguousarray(offsets).data)
            digest.update(data.data)
    return digest


def _plain(column: Any) -> Any:
    filled = column.fill_null(0) if column.null_count else column
    return np.ascontiguousarray(filled.to_numpy(zero_copy_only=False)).data


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class _Ended:
    """Nothing more comes."""


class prefetched(Generic[T]):  # noqa: N801 - used like a function
    """An iterator whose items are made in a thread of its own, a few ahead.

    What the thread raises is raised here. Closing it ends the thread.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._queue: Queue[T | _Failed | _Ended] = Queue(_DEPTH)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        last: _Failed | _Ended = _Ended()
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for it
            last = _Failed(error)
        finally:
            close = getattr(self._items, "close", None)
            if close:
                close()
        self._put(last)

    def _put(self, item: T | _Failed | _Ended) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_PATIENCE)
            except Full:
                continue
            return True
        return False

    def __iter__(self) -> Iterator[T]:
        """Return itself."""
        return self

    def __next__(self) -> T:
        """Return the next item.

        :raises StopIteration: when there is none.
        """
        while True:
            try:
                item = self._queue.get(timeout=_PATIENCE)
            except Empty:
                if self._thread.is_alive() or not self._queue.empty():
                    continue
                raise StopIteration from None
            if isinstance(item, _Failed):
                raise item.error
            if isinstance(item, _Ended):
                raise StopIteration
            return item

    def close(self) -> None:
        """End the thread; what it was about to give is lost."""
        self._stop.set()
        self._thread.join()
