"""What the compiled module offers."""

from collections.abc import Sequence

from howdah.native.snapshot import Snapshot
from howdah.verify.rules import Rule
from howdah.wire import Wire

class SumError(Exception):
    """The rows cannot be read like this; why, in a sentence."""

class _Sum:
    """Rows that are decided, added up.

    :ivar rows: how many.
    :ivar total: sum of their digests, modulo 2¹²⁸: of each row, XXH3 (128 bits) of its fields' canonical encoding.
    """

    rows: int
    total: int

class ExpectedRows(_Sum):
    """What a snapshot demands.

    :param source: to read from.
    :param query: its first column is the locator.
    :param rules: of the target columns, in their order.
    :param waiting: locators of rows in quarantine, ascending, as int64; those rows are odd.
    :param located: the first column is the rowid; otherwise it is ignored, and rows are counted from 1.
    :param walked: as in :class:`howdah.native.rows.Rows`.
    :ivar odd: locators, as int64, of the rows that were not decided.
    :raises SumError: the query cannot be understood.
    """

    odd: bytes
    def __init__(
        self,
        source: Snapshot,
        query: str,
        rules: Sequence[Rule],
        waiting: bytes = b"",
        *,
        located: bool = True,
        walked: int = -1,
    ) -> None: ...
    def read(self, rows: int) -> bool:
        """Take in so many rows, and return whether there may be more.

        :raises SumError: the file is damaged, or cannot be read.
        """
    def close(self) -> None:
        """End the query."""

class StoredRows(_Sum):
    """What PostgreSQL holds, from a binary COPY.

    :param kinds: of the columns; see :mod:`howdah.verify.rules`.
    """

    def __init__(self, wire: Wire, kinds: Sequence[int]) -> None: ...
    def read(self, rows: int) -> bool:
        """Take in so many rows, and return whether there may be more.

        :raises SumError: this is no binary COPY of these columns, or not all of it.
        """
    def take_odd(self) -> list[bytes]:
        """Return the rows that were not decided since the last time, as they came."""
    def skip(self) -> None:
        """Take all that is left, and forget it."""
