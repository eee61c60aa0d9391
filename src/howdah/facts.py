"""What is in a SQLite file: what ``howdah discover`` prints."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from howdah import header
from howdah.discover import quoted
from howdah.errors import SourceError
from howdah.freeze import beside, freeze
from howdah.header import shown


@dataclass(frozen=True)
class FileFacts:
    """What ``howdah discover`` prints about a file.

    :ivar size: bytes, without the WAL.
    :ivar tables: row count of each ordinary table.
    :ivar sha256: digest of the main file's bytes.
    """

    path: Path
    size: int
    journal_mode: str
    tables: tuple[tuple[str, int], ...]
    sha256: str


def facts(path: Path) -> FileFacts:
    """Return what is in a SQLite file; nothing is written beside it.

    :raises SourceError: when SQLite cannot read it.
    """
    fields = header.check(path)
    try:
        with _opened(path.resolve(), fields.wal) as connection:
            tables = _counted(connection)
        with path.open("rb") as stream:
            digest = file_digest(stream, "sha256").hexdigest()
    except sqlite3.Error as error:
        raise SourceError(
            f"{shown(path)} cannot be read by SQLite: {error}.",
            "Restore it from a backup, or move the rows that can still be read: howdah migrate --salvage",
        ) from error
    except OSError as error:
        raise SourceError(f"{shown(path)} cannot be read: {error.strerror}.", "Check its disk.") from error
    return FileFacts(path, path.stat().st_size, "wal" if fields.wal else "delete", tables, digest)


@contextmanager
def _opened(path: Path, wal: bool) -> Iterator[sqlite3.Connection]:
    waiting = "-wal" if wal else "-journal"
    if beside(path, "-shm").exists() or not (wal or beside(path, waiting).exists()):
        with closing(_connected(path, "")) as connection:
            yield connection
    elif not beside(path, waiting).exists():
        # In WAL mode, and nobody has it open: SQLite would make side files, and leave them.
        with closing(_connected(path, "&immutable=1")) as connection:
            yield connection
    else:
        with tempfile.TemporaryDirectory(prefix="howdah-") as folder:
            copy = Path(folder) / "copy.sqlite"
            freeze(path, copy, wal=wal)
            with closing(_connected(copy, "&immutable=1")) as connection:
                yield connection


def _connected(path: Path, more: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro{more}", uri=True, timeout=5)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


def _counted(connection: sqlite3.Connection) -> tuple[tuple[str, int], ...]:
    names = connection.execute(
        """SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
           AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"""
    ).fetchall()
    return tuple(
        (name, int(connection.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()[0])) for (name,) in names
    )
