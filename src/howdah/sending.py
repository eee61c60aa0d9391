"""Copies a table to the server part by part, and finds the rows that it refuses."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import psycopg
from numpy.typing import NDArray

from howdah.catalog.sqlite import open_snapshot
from howdah.images import Keys
from howdah.pg import ROW_FAULTS, BrokenConstraint, Connection, copy_binary, copy_parts, message
from howdah.plan import TablePlan
from howdah.reading import pick
from howdah.vector.digests import Content
from howdah.vector.encode import Encoder, Reject
from howdah.vector.stream import Chunk, Part, Read, pieces

# Bytes that are sent by one COPY into a final table: each is a few answers of the server to wait for.
_STRETCH = 16 << 20

_NO_FREEZE = (psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.InvalidTransactionState)


class NotFrozenError(Exception):
    """Rows must be sent again, and not frozen; the transaction is of no use any more."""


@dataclass
class Sent:
    """What became of a source table's rows.

    :ivar rows: rows that were read.
    :ivar copied: rows that the server took.
    :ivar size: bytes of the COPY stream.
    :ivar mapped: identifiers that were mapped.
    :ivar chunks: in their order.
    """

    rows: int = 0
    copied: int = 0
    size: int = 0
    mapped: int = 0
    content_digest: str = ""
    chunks: list[Chunk] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


@dataclass(frozen=True)
class Copied:
    """A chunk whose rows are there.

    :ivar read: all of its rows.
    :ivar keys: of those that the server took, by locator.
    """

    read: Read
    keys: Keys

    @property
    def chunk(self) -> Chunk:
        """Return what the ledger knows of it as a whole."""
        return self.read.chunk

    @property
    def images(self) -> bytes:
        """Return what the ledger keeps of each row; see :class:`howdah.images.Images`."""
        return self.keys.images(self.read.locators, self.read.digests).to_bytes()


class Sender:
    """Sends one table, once.

    :ivar sent: what became of the rows so far.

    :param table: where to, qualified and quoted.
    :param columns: quoted names of the columns to fill.
    :param staged: the table is a staging table, with locator and chunk in front. What breaks a constraint there is set
        aside like any value that the server refuses; in a final table it is raised.
    :param frozen: the table is new or emptied in this very transaction, and nobody is to look at or to freeze its pages
        once more.
    :param imaged: keep the images of rows without a key, where they can be made.
    :param only: rowids of the rows to send, ascending; ``None``: all.
    """

    def __init__(
        self,
        connection: Connection,
        snapshot: Path,
        plan: TablePlan,
        table: str,
        columns: str,
        *,
        staged: bool,
        frozen: bool = False,
        imaged: bool = False,
        only: NDArray[np.int64] | None = None,
    ) -> None:
        self._connection = connection
        self._snapshot = snapshot
        self._plan = plan
        self._statement = f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY{', FREEZE' if frozen else ''})"
        self._staged = staged
        self._frozen = frozen
        self._imaged = imaged
        self._encoder = Encoder(plan, staged=staged, imaged=imaged)
        self._only = only
        # Whoever stages may commit after any chunk, when nothing of the next one may be there.
        self._stretch = 0 if staged else _STRETCH
        self._keys = Keys.none()
        self.sent = Sent()

    def send(self, step: Callable[[int, int], None], each: Callable[[Copied], None] | None = None) -> Sent:
        """Read, cast and copy all rows.

        :param step: called with the rows and bytes done so far.
        :param each: called with every chunk.
        :raises SourceError: the snapshot cannot be read.
        :raises psycopg.IntegrityError: a row breaks a constraint of the final table.
        :raises NotFrozenError: the server refuses a row, or to freeze; which one is not known, and nothing was kept.
        """
        # Closed here and now when a row is refused: the threads behind it must not outlive this load.
        with closing(self.chunks()) as chunks:
            for chunk in chunks:
                if each:
                    each(chunk)
                step(self.sent.rows, self.sent.size)
        return self.sent

    def chunks(
        self, known: Sequence[bytes] = (), begin: Callable[[int], None] | None = None
    ) -> Generator[Copied, None, None]:
        """Read, cast and copy chunk by chunk; yield each one when its rows are there.

        :param known: digests of the chunks that are there already: they are read and compared only, up to the first
            one that differs.
        :param begin: called once, with the ordinal of the first chunk that is copied, before it is.
        :raises: as :meth:`send`.
        """
        sent = self.sent
        content = Content(self._plan.table)
        with closing(pieces(self._snapshot, self._plan, self._encoder, known, self._only)) as found:
            for stretch, taken in self._stretches(found, begin):
                for piece in stretch:
                    if isinstance(piece, Part):
                        self._note(piece) if taken else self._part(piece)
                        continue
                    content.add(piece.locators, piece.digests)
                    sent.chunks.append(piece.chunk)
                    sent.rows += piece.chunk.rows
                    sent.mapped += piece.chunk.mapped
                    yield Copied(piece, self._keys.sorted())
                    self._keys = Keys.none()
        sent.content_digest = content.hexdigest()

    def _stretches(
        self, found: Iterator[Part | Read], begin: Callable[[int], None] | None
    ) -> Iterator[tuple[list[Part | Read], bool]]:
        """Yield whole chunks in their order, and whether the server took all of their rows; if not, it has none."""
        for first in found:
            stretch: list[Part | Read] = [first]
            if isinstance(first, Read):
                yield stretch, True
                continue
            if begin:
                begin(first.ordinal)
                begin = None
            try:
                self._give(self._streams(stretch, found))
            except ROW_FAULTS as error:
                if isinstance(error, BrokenConstraint) and not self._staged:
                    raise
                taken = False
            else:
                taken = True
            yield stretch, taken
            # Before the next one is made: its streams take memory.
            stretch.clear()

    def _give(self, streams: Iterator[bytes | memoryview]) -> None:
        """Send rows at once, as parts of a COPY stream; the server takes all of them or none."""
        if not self._frozen:
            with self._connection.transaction():
                copy_parts(self._connection, self._statement, streams)
            return
        # Not below a savepoint: the table must be new to where it is filled.
        try:
            copy_parts(self._connection, self._statement, streams)
        except BrokenConstraint:
            raise
        except (*ROW_FAULTS, *_NO_FREEZE) as error:
            raise NotFrozenError from error

    def _streams(self, stretch: list[Part | Read], found: Iterator[Part | Read]) -> Iterator[bytes | memoryview]:
        """Yield what is to be sent at once, and note it in ``stretch``, which has its first part."""
        size = 0
        for piece in chain(stretch[:1], found):
            if piece is not stretch[0]:
                stretch.append(piece)
            if isinstance(piece, Part):
                size += len(piece.stream)
                yield piece.stream
            elif size >= self._stretch:
                return

    @property
    def imaged(self) -> bool:
        """Return whether the keys of all rows that were sent are their images."""
        return self._encoder.imaged and ("_again" not in self.__dict__ or self._again.imaged)

    @cached_property
    def _again(self) -> Encoder:
        """Casts single rows once more; the other encoder is at work in its thread, and counts."""
        return Encoder(self._plan, staged=self._staged, imaged=self._imaged)

    def _note(self, part: Part) -> None:
        """Take in what became of a part whose rows the server took."""
        self.sent.rejects.extend(part.rejects)
        self.sent.size += len(part.stream)
        self.sent.copied += len(part.locators)
        self._keys.add(part.locators, part.keys, part.key_sizes)

    def _part(self, part: Part) -> None:
        """Send a part by itself, and where the server refuses it, row by row in the end."""
        self.sent.rejects.extend(part.rejects)
        self.sent.size += len(part.stream)
        if not len(part.locators) or self._copied(part.stream, part.locators, part.keys, part.key_sizes):
            return
        with open_snapshot(self._snapshot) as source:
            picked = pick(source, self._plan.table, set(part.locators.tolist()))
            self._halves([(locator, *self._again.one(locator, part.ordinal, row)) for locator, row in picked])

    def _copied(
        self,
        stream: bytes | memoryview,
        locators: NDArray[np.int64],
        keys: bytes | memoryview,
        sizes: NDArray[np.int32],
    ) -> bool:
        """Copy rows; return whether they are settled: taken, or if it is only one, refused by its own fault."""
        try:
            with self._connection.transaction():
                copy_binary(self._connection, self._statement, stream)
        except ROW_FAULTS as error:
            if isinstance(error, BrokenConstraint) and not self._staged:
                raise
            if len(locators) > 1:
                return False
            reason = f"PostgreSQL refused it: {message(error)}"
            self.sent.rejects.append(Reject(int(locators[0]), error.diag.column_name or "", "server_refused", reason))
            return True
        self.sent.copied += len(locators)
        self._keys.add(locators, keys, sizes)
        return True

    def _halves(self, rows: list[tuple[int, bytes, bytes]]) -> None:
        """Send rows again in halves, until those that the server refuses stand alone."""
        locators = np.array([locator for locator, _, _ in rows], np.int64)
        stream, keys = b"".join(row for _, row, _ in rows), b"".join(key for _, _, key in rows)
        if self._copied(stream, locators, keys, np.array([len(key) for _, _, key in rows], np.int32)):
            return
        middle = len(rows) // 2
        self._halves(rows[:middle])
        self._halves(rows[middle:])
