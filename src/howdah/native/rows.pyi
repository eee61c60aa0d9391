"""What the compiled module offers."""

from collections.abc import Sequence

from howdah.native.snapshot import Snapshot
from howdah.native.tree import StoredRows
from howdah.vector.fields import Field

class ReadError(Exception):
    """SQLite cannot read the rows; its own sentence."""

class Batch:
    """Consecutive rows.

    :ivar locators: of all rows, int64.
    :ivar digests: of all rows, uint64.
    :ivar settled: of all rows, one byte each, 1 where the row is in the stream; empty without fields.
    :ivar stream: the rows that are settled, as a binary COPY stream without header and trailer.
    :ivar keys: the same rows with their key fields only.
    :ivar key_sizes: bytes of each row in ``keys``, int32.
    :ivar imaged: every row in ``keys`` is an image, if images were asked for.
    """

    locators: memoryview
    digests: memoryview
    settled: memoryview
    stream: memoryview
    keys: memoryview
    key_sizes: memoryview
    rows: int
    imaged: bool
    def __len__(self) -> int: ...

class Rows:
    """The rows of a query, whose first column is the locator.

    :param source: to read from.
    :param fields: of the stream; ``None``: rows are only digested.
    :param key: places of the key's fields.
    :param located: the first column is the rowid; otherwise it is ignored, and rows are counted from 1.
    :param staged: locator and chunk are put in front of the fields, as the staging table has them.
    :param oids: of the fields' types, if images of the rows (:func:`image`) are wanted for keys.
    :param walked: the query does not select locator and values, but calls ``howdah_take`` with the locator and so many
        values in its condition; -1: it selects them.
    :raises ReadError: the query cannot be understood.
    """

    def __init__(
        self,
        source: Snapshot | StoredRows,
        query: str = "",
        fields: Sequence[Field] | None = None,
        key: Sequence[int] = (),
        *,
        located: bool = True,
        staged: bool = False,
        oids: Sequence[int] | None = None,
        walked: int = -1,
    ) -> None: ...
    def read(self, rows: int, size: int, chunk: int = 0) -> Batch | None:
        """Return the next rows, or ``None`` when there are none.

        :param rows: at most so many.
        :param size: no further row once there are so many bytes, by the values in the source.
        :param chunk: number to put in front of staged rows.
        :raises ReadError: the file is damaged, or cannot be read.
        :raises UnknownError: what comes next in the pages is not of the usual kind.
        """
    def close(self) -> None:
        """End the query."""

def image(row: bytes, oids: Sequence[int]) -> int | None:
    """Return what the server would make of a row by :func:`howdah.conditions.image_digest`, without its sign.

    :param row: of a binary COPY stream.
    :param oids: of the fields' types, all of which the server sends as it received them; jsonb is put into its order.
    :returns: ``None`` where it is not known how the server would write a document.
    """
