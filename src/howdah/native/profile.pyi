"""What the compiled module offers."""

from collections.abc import Callable, Sequence

class Counts:
    """What the values of a column are.

    :param sql: of the column, or of another expression.
    :param measured: ``longest`` is asked for.
    :param booleans: ``truths`` and ``words`` are asked for.
    :param timely: ``finer`` is asked for.
    :param alphabet: for each byte what stands for it in the shape of a text, 0 where a text with it has no shape;
        ``None``: shapes are not asked for. Shapes are of the first 48 characters, up to a NUL.
    :param shaped: called during the pass with a shape and how many texts have it; more than once for a shape that
        keeps coming.
    :ivar integers: values of storage class INTEGER; ``reals``, ``texts`` and ``blobs`` likewise.
    :ivar smallest: smallest number, the first of those that are equal, ``None`` without numbers; ``largest`` likewise.
    :ivar longest: characters of the longest text, up to a NUL.
    :ivar truths: integers that are 0 or 1.
    :ivar words: texts that are a word for true or false to PostgreSQL.
    :ivar finer: fractions finer than a microsecond in the first 48 characters of texts, up to a NUL.
    """

    def __init__(
        self,
        sql: str,
        *,
        measured: bool = False,
        booleans: bool = False,
        timely: bool = False,
        alphabet: bytes | None = None,
        shaped: Callable[[bytes, int], None] | None = None,
    ) -> None: ...
    sql: str
    integers: int
    reals: int
    texts: int
    blobs: int
    smallest: float | int | None
    largest: float | int | None
    longest: int
    truths: int
    words: int
    finer: int

class Source:
    """A SQLite file that is read.

    :param uri: of the file, for SQLite.
    :raises sqlite3.DatabaseError: it cannot be opened.
    """

    def __init__(self, uri: str) -> None: ...
    def scan(self, rows: str, parameters: Sequence[str], columns: Sequence[Counts]) -> int:
        """Count the values of columns, and return the number of rows; other threads may run meanwhile.

        :param rows: SQL of what is read, to stand behind FROM, with these parameters.
        :raises sqlite3.DatabaseError: SQLite does not understand it, or the file is damaged or cannot be read.
        """
    def close(self) -> None:
        """Let go of the file."""
