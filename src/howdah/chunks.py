"""The chunks of which the ledger keeps every row's image, as they are read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from howdah.images import Images
from howdah.order import batched
from howdah.pg import Connection
from howdah.plan import TablePlan

Places = NDArray[np.int64]
Locators = NDArray[np.int64]

# Chunks that are read at once: of each, some hundred kilobytes.
_TOGETHER = 8


@dataclass(frozen=True)
class Imaged:
    """A chunk.

    :ivar first: locator of its first row; ``last`` likewise.
    """

    ordinal: int
    first: int
    last: int


def imaged(connection: Connection, application: str, plan: TablePlan) -> list[Imaged]:
    """Return the chunks of a table that have images, in the order of their rows."""
    rows = connection.execute(
        """SELECT ordinal, first_rowid, last_rowid FROM howdah.chunk
           WHERE application = %s AND source = %s AND table_name = %s AND images IS NOT NULL ORDER BY first_rowid""",
        [application, *plan.identity],
    )
    return [Imaged(*row) for row in rows]


def images(
    connection: Connection,
    application: str,
    plan: TablePlan,
    wanted: Sequence[Imaged],
    *,
    known: Mapping[int, bytes] = MappingProxyType({}),
    note: Callable[[int, bytes], None] = lambda *_: None,
) -> Iterator[Images]:
    """Yield what the ledger keeps of the rows of some chunks, in their order.

    :param known: ordinal → what was read of a chunk before.
    :param note: called with the same for each chunk.
    """
    for some in batched(wanted, _TOGETHER):
        missing = [chunk.ordinal for chunk in some if chunk.ordinal not in known]
        found = dict(known)
        if missing:
            rows = connection.execute(
                """SELECT ordinal, images FROM howdah.chunk
                   WHERE application = %s AND source = %s AND table_name = %s AND ordinal = ANY (%s)""",
                [application, *plan.identity, missing],
                binary=True,
            )
            # Chunks change under the lock of the run only, which is ours: none is missing.
            found |= dict(rows.fetchall())
        for chunk in some:
            note(chunk.ordinal, found[chunk.ordinal])
            yield Images.from_bytes(found[chunk.ordinal])


def touched(chunks: Sequence[Imaged], locators: Locators) -> Iterator[tuple[int, Locators]]:
    """Yield the place of each chunk that some locators are within, or right behind, and those."""
    if not chunks:
        return
    firsts = np.array([chunk.first for chunk in chunks[1:]], np.int64)
    places = np.searchsorted(firsts, locators, "right")
    for place in np.unique(places).tolist():
        yield place, locators[places == place]


def keys(connection: Connection, application: str, plan: TablePlan, chunk: Imaged) -> bytes:
    """Return the keys of all rows of a chunk; see :meth:`howdah.images.Images.keys`."""
    row = connection.execute(
        """SELECT keys FROM howdah.chunk
           WHERE application = %s AND source = %s AND table_name = %s AND ordinal = %s""",
        [application, *plan.identity, chunk.ordinal],
        binary=True,
    ).fetchone()
    assert row is not None  # noqa: S101 - as above
    kept: bytes = row[0]
    return kept


def keys_of(
    connection: Connection, application: str, plan: TablePlan, wanted: Sequence[tuple[Imaged, Images, Places]]
) -> list[bytes]:
    """Return the keys of a few rows of some chunks, one after another.

    :param wanted: chunks, what is kept of their rows, and places of the rows among them.
    """
    chunks, starts, sizes = [], [], []
    for chunk, images, places in wanted:
        ends = np.cumsum(images.sizes, dtype=np.int64)
        chunks += [chunk.ordinal] * len(places)
        starts += (ends - images.sizes)[places].tolist()
        sizes += images.sizes[places].tolist()
    # A chunk's keys are put together once; a part of what is still in pieces would have each piece looked up.
    rows = connection.execute(
        """SELECT c.ordinal, (SELECT string_agg(substring(c.keys FROM p.start + 1 FOR p.size), '' ORDER BY p.number)
                              FROM unnest(%s::int[], %s::int[], %s::int[])
                                   WITH ORDINALITY AS p (ordinal, start, size, number) WHERE p.ordinal = c.ordinal)
           FROM (SELECT ordinal, keys || ''::bytea AS keys FROM howdah.chunk
                 WHERE application = %s AND source = %s AND table_name = %s AND ordinal = ANY (%s) OFFSET 0) c""",
        [chunks, starts, sizes, application, *plan.identity, [chunk.ordinal for chunk, _, _ in wanted]],
        binary=True,
    )
    found: dict[int, bytes] = dict(rows.fetchall())
    return [found[chunk.ordinal] or b"" for chunk, _, _ in wanted]
