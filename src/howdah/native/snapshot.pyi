"""What the compiled module offers."""

def give_back() -> None:
    """Return memory that was freed to the system: the library keeps it, thinking that it will be needed again."""

class OpenError(Exception):
    """SQLite cannot open the file; its own sentence."""

class Snapshot:
    """A file that is open for compiled code to read; what reads from it keeps it.

    :param uri: of the file, for SQLite.
    :raises OpenError: the file cannot be opened.
    """

    def __init__(self, uri: str) -> None: ...
    def number(self, query: str) -> int:
        """Return the integer that is the only value of a query.

        :raises OpenError: it cannot be answered.
        """

    def close(self) -> None:
        """Let go of the file."""
