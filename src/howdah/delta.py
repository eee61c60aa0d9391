"""Finds what changed in a source table since its last load, row by row, by what the ledger keeps of each row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from howdah import chunks
from howdah.chunks import Locators
from howdah.images import Images
from howdah.ledger import Load
from howdah.pg import Connection
from howdah.plan import TablePlan
from howdah.room import Kept, Room
from howdah.vector.digests import Content, Digests
from howdah.vector.stream import digested

# With more rows than this part of a table, and more than so many in all, loading it as a whole is no slower.
_MOST = 0.3
_MOST_ROWS = 2_000_000


@dataclass(frozen=True)
class Delta:
    """How a table differs from what was last loaded.

    :ivar gone: locators of the rows that changed or vanished, ascending.
    :ivar come: locators of the rows that changed or are new, ascending.
    :ivar digests: of the rows in ``come``.
    :ivar rows: rows that the source has now.
    :ivar content_digest: of all of them.
    :ivar images: ordinal → what the ledger keeps of the rows of a chunk, of some of those whose rows changed.
    """

    gone: Locators
    come: Locators
    digests: Digests
    rows: int
    content_digest: str
    images: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Return whether nothing changed."""
        return not len(self.gone) and not len(self.come)


def is_kept(connection: Connection, application: str, plan: TablePlan, entry: Load) -> bool:
    """Return whether the ledger keeps what every row of a table was like at its last load."""
    if not plan.imaged:
        return False
    row = connection.execute(
        """SELECT coalesce(sum(rows), 0)::bigint FROM howdah.chunk
           WHERE application = %s AND source = %s AND table_name = %s AND images IS NOT NULL""",
        [application, *plan.identity],
    ).fetchone()
    return row == (entry.source_rows,)


def find(
    connection: Connection, application: str, path: Path, plan: TablePlan, entry: Load, room: Room | None = None
) -> Delta | None:
    """Return what changed, or ``None`` where too much did.

    Memory grows with the rows that changed, not with the table.

    :param entry: of the last load, by the same plan; :func:`is_kept` holds.
    :param room: for what was read of chunks whose rows changed.
    :raises SourceError: the snapshot cannot be read.
    """
    known = chunks.imaged(connection, application, plan)
    kept = Kept(room or Room(0))
    found = _compared(path, plan, entry, chunks.images(connection, application, plan, known, note=kept.note))
    if found is None:
        kept.only(())
        return None
    places = {place for rows in (found.gone, found.come) for place, _ in chunks.touched(known, rows)}
    return replace(found, images=kept.only([known[place].ordinal for place in places]))


def _compared(path: Path, plan: TablePlan, entry: Load, images: Iterator[Images]) -> Delta | None:
    content = Content(plan.table)
    before = _Before(images)
    found = _Found()
    most = min(int(entry.source_rows * _MOST), _MOST_ROWS)
    with closing(digested(path, plan)) as now:
        for locators, digests in now:
            content.add(locators, digests)
            found.add(locators, digests, *before.up_to(int(locators[-1])))
            if found.size > most:
                return None
    found.vanished(before.rest())
    if found.size > most:
        return None
    return found.delta(content)


class _Before:
    """The rows as they were, given out by locator."""

    def __init__(self, chunks: Iterator[Images]) -> None:
        self._chunks = chunks
        self._locators, self._digests = np.zeros(0, np.int64), np.zeros(0, np.uint64)
        self._more = True

    def up_to(self, last: int) -> tuple[Locators, Digests]:
        """Return the rows up to a locator that were not given out yet."""
        while self._more and (not len(self._locators) or self._locators[-1] < last):
            self._take()
        end = int(np.searchsorted(self._locators, last, "right"))
        given = self._locators[:end], self._digests[:end]
        self._locators, self._digests = self._locators[end:], self._digests[end:]
        return given

    def rest(self) -> Iterator[Locators]:
        """Yield the locators of all rows that are left."""
        yield self._locators
        for chunk in self._chunks:
            yield chunk.locators

    def _take(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            self._more = False
            return
        self._locators = np.concatenate([self._locators, chunk.locators])
        self._digests = np.concatenate([self._digests, chunk.digests])


class _Found:
    def __init__(self) -> None:
        self.size = 0
        self._rows = 0
        self._gone: list[Locators] = []
        self._come: list[Locators] = []
        self._digests: list[Digests] = []

    def add(self, locators: Locators, digests: Digests, were: Locators, before: Digests) -> None:
        """Compare rows with those that were there between the same locators."""
        self._rows += len(locators)
        if np.array_equal(were, locators):
            # As in most chunks: no row came or went.
            other = before != digests
            self._note(were[other], locators[other], digests[other])
            return
        places = np.minimum(np.searchsorted(were, locators), max(len(were) - 1, 0))
        same = np.zeros(len(locators), np.bool_)
        if len(were):
            same = (were[places] == locators) & (before[places] == digests)
        kept = np.zeros(len(were), np.bool_)
        kept[places[same]] = True
        self._note(were[~kept], locators[~same], digests[~same])

    def vanished(self, rest: Iterator[Locators]) -> None:
        """Take in rows behind the last one that is there now."""
        for locators in rest:
            self._note(locators, locators[:0], np.zeros(0, np.uint64))

    def _note(self, gone: Locators, come: Locators, digests: Digests) -> None:
        self.size += max(len(gone), len(come))
        # Copies: a view would keep all rows in memory.
        self._gone.append(gone.copy())
        self._come.append(come.copy())
        self._digests.append(digests.copy())

    def delta(self, content: Content) -> Delta:
        gone, come = np.concatenate(self._gone), np.concatenate(self._come)
        return Delta(gone, come, np.concatenate(self._digests), self._rows, content.hexdigest())
