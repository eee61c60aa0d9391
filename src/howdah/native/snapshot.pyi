"""What the compiled module offers."""

class OpenError(Exception):
    """SQLite cannot open the file; its own sentence."""

class Snapshot:
    """A file that is open for compiled code to read; what reads from it keeps it.

    :param uri: of the file, for SQLite.
    :raises OpenError: the file cannot be opened.
    """

    def __init__(self, uri: str) -> None: ...
    def close(self) -> None:
        """Let go of the file."""
