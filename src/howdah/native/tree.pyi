"""What the compiled module offers."""

from collections.abc import Sequence

from howdah.native.profile import Counts

class UnknownError(Exception):
    """These pages or rows are not of the usual kind."""

class StoredRows:
    """The rows of a table with rowids, in their order.

    :param file: descriptor of a file that nobody writes; it must stay open.
    :param root: page of the table's root.
    :param columns: of each column in the order in which they are stored, what becomes of its values: 0 nothing, 1 an
        integer is a real, 2 it is the rowid.
    :param page_size: of the file, in bytes; ``usable`` of them hold something.
    :param pages: that the file has.
    :raises UnknownError: this is no such file.
    """

    def __init__(self, file: int, root: int, columns: bytes, *, page_size: int, usable: int, pages: int) -> None: ...
    def count(self, columns: Sequence[Counts]) -> int:
        """Count the values of each column, and return the number of rows.

        :raises UnknownError: what was counted is of no use.
        """
