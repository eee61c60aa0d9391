"""The chunks of which the ledger keeps every row's image, as they are read back."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from howdah.images import Images
from howdah.pg import Connection
from howdah.plan import TablePlan


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


def images(connection: Connection, application: str, plan: TablePlan, ordinal: int) -> Images:
    """Return what the ledger keeps of the rows of a chunk."""
    found, _ = _read(connection, application, plan, ordinal, with_keys=False)
    return Images.from_bytes(found)


def images_and_keys(
    connection: Connection, application: str, plan: TablePlan, ordinal: int
) -> tuple[Images, pa.BinaryArray]:
    """Return the same, and the key of each row; see :meth:`howdah.images.Images.keys`."""
    found, keys = _read(connection, application, plan, ordinal, with_keys=True)
    made = Images.from_bytes(found)
    return made, made.keys(keys)


def _read(
    connection: Connection, application: str, plan: TablePlan, ordinal: int, *, with_keys: bool
) -> tuple[bytes, bytes]:
    row = connection.execute(
        """SELECT images, CASE WHEN %s THEN keys ELSE '' END FROM howdah.chunk
           WHERE application = %s AND source = %s AND table_name = %s AND ordinal = %s""",
        [with_keys, application, *plan.identity, ordinal],
        binary=True,
    ).fetchone()
    assert row is not None  # noqa: S101 - chunks change under the lock of the run only, which is ours
    return row[0], row[1]
