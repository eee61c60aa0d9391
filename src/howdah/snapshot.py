"""The frozen copy of a source, made by SQLite's backup API; the source itself is never written."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from howdah.discover import SourceFile, check_header
from howdah.errors import ConfigurationError, SourceError

# How long a writer may keep the source locked before we give up, in seconds.
PATIENCE = 10.0
# Left free on the disk that takes the snapshots, in bytes.
RESERVE = 64 * 1024 * 1024


@dataclass(frozen=True)
class Snapshot:
    """A frozen copy of one source.

    :ivar path: the copy; a plain file without a WAL.
    :ivar size: bytes of the copy.
    :ivar sha256: digest of the copy's bytes. The backup API writes the same bytes for an unchanged source; a
        changed digest only means "look closer", as VACUUM or another SQLite version changes bytes and no row.
    """

    source: SourceFile
    path: Path
    size: int
    sha256: str


@contextmanager
def workspace(work_dir: Path | None) -> Iterator[Path]:
    """Give a private folder (mode 0700) and remove it afterwards, whatever happened.

    :param work_dir: where to make it; ``None`` means the system's temporary folder.
    :raises ConfigurationError: when it cannot be made.
    """
    try:
        if work_dir is not None:
            work_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(prefix="howdah-", dir=work_dir))
    except OSError as error:
        raise ConfigurationError(
            f"No snapshot folder can be made in {work_dir or tempfile.gettempdir()}: {error.strerror}.",
            "Set TMPDIR to a folder with room.",
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_space(sources: tuple[SourceFile, ...], folder: Path) -> None:
    """Refuse before the first copy when they would not all fit.

    :raises SourceError: with what is needed and what is there.
    """
    needed = sum(_size_with_wal(source.path) for source in sources) + RESERVE
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SourceError(
            f"The snapshots need {needed / 1e6:,.0f} MB in {folder.parent}, and {free / 1e6:,.0f} MB are free.",
            "Set TMPDIR to a folder with room.",
        )


def take(source: SourceFile, folder: Path) -> Snapshot:
    """Copy a source as of one moment, WAL included, and check that the copy is whole.

    A writer may go on writing: the copy then shows one committed state of it.

    :raises SourceError: not SQLite, locked, corrupt, or unreadable.
    """
    check_header(source.path)
    target = folder / f"{sha256(str(source.path).encode()).hexdigest()[:16]}.sqlite"
    # A copy onto an older one would differ in its header: the same source must give the same bytes.
    target.unlink(missing_ok=True)
    try:
        _copy(source.path, target)
        problem = _quick_check(target)
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise SourceError(
                f"{source.path} stayed locked by a writer for {PATIENCE:.0f} seconds.",
                "Let the writer finish its transaction, then run the same command again.",
            ) from error
        raise SourceError(
            f"{source.path} cannot be read: {text}.",
            "A database in WAL mode on a read-only file system must be copied, with its -wal file, to a writable one.",
        ) from error
    except sqlite3.DatabaseError as error:
        problem = str(error)
    if problem:
        raise SourceError(
            f"{source.path} is damaged: {problem}.",
            "Restore it from a backup, or recover what is left with: sqlite3 FILE .recover",
        )
    return Snapshot(source=source, path=target, size=target.stat().st_size, sha256=_digest(target))


def _copy(source: Path, target: Path) -> None:
    uri = f"{source.resolve().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE)) as reader,
        closing(sqlite3.connect(target)) as writer,
    ):
        # One read transaction around the copy: otherwise the backup starts over at each commit of a busy
        # writer.
        reader.isolation_level = None
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        writer.execute("PRAGMA synchronous = OFF")
        reader.backup(writer, pages=-1)
        reader.execute("ROLLBACK")
    with closing(sqlite3.connect(target)) as copy:
        # The copy of a WAL database is marked as WAL; made plain, it can be opened immutable, without side
        # files.
        copy.execute("PRAGMA journal_mode = DELETE")
    target.chmod(0o600)


def _quick_check(path: Path) -> str:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        lines = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    return "" if lines == ["ok"] else "; ".join(_harmful(lines))


def _harmful(lines: list[str]) -> list[str]:
    # quick_check also reports broken CHECK and NOT NULL constraints: that is dirt in rows, which quarantine
    # is for.
    dirt = ("NULL value in", "CHECK constraint failed in", "non-", "NUMERIC value in", "TEXT value in")
    return [" ".join(line.split()) for line in lines if line != "ok" and not line.startswith(dirt)]


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _size_with_wal(path: Path) -> int:
    wal = path.with_name(path.name + "-wal")
    return path.stat().st_size + (wal.stat().st_size if wal.exists() else 0)
