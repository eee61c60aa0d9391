"""Copies a database as of one moment into a plain file, without writing anything beside it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from howdah import copying
from howdah.discover import COMPANIONS
from howdah.errors import SourceError
from howdah.header import shown

# How long a writer may keep the source locked or changing before we give up, in seconds.
PATIENCE = 10.0
# Kernels stamp files by a clock that ticks every few milliseconds; a younger change may hide in the same tick.
TICK = 20_000_000


def freeze(path: Path, target: Path, *, wal: bool) -> Callable[[], str]:
    """Copy a database, WAL or hot journal included, into a plain file that may still be damaged.

    Returns what waits for the copy's BLAKE3 digest, as hexadecimal digits.

    :param wal: whether its header says that it is in WAL mode.
    :raises SourceError: it kept changing, or stayed locked.
    :raises sqlite3.DatabaseError: SQLite refuses it.
    :raises OSError: a file cannot be read or written.
    """
    path = path.resolve()
    # Every connection to a WAL database has a -shm file beside it (or the file for itself). Without one we would
    # make it, and leave it there.
    in_use = beside(path, "-shm").exists()
    if not wal or in_use:
        try:
            digest = _copy_locked(path, target, wal)
        except sqlite3.OperationalError as error:
            # A hot journal, or a -shm file that may not be written: SQLite would have to write beside the source.
            if not error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
                raise
            remove(target)
        else:
            return partial(copying.digest_of, target) if _make_plain(target) or not digest else digest
    if not _copy_still(path, target, "-wal" if wal else "-journal", until_opened=wal and not in_use):
        # Somebody has opened it since: now there is a lock that we can take.
        remove(target)
        return freeze(path, target, wal=wal)
    _recover(target)
    _make_plain(target)
    return partial(copying.digest_of, target)


def _copy_locked(path: Path, target: Path, wal: bool) -> Callable[[], str] | None:
    """Copy under SQLite's own read lock: one committed state, whatever writers do meanwhile.

    Returns what waits for its digest, where it is being digested.
    """
    # Closing a file drops all locks that the process holds on it: ours must close after SQLite's.
    with (
        path.open("rb") as raw,
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as reader,
    ):
        reader.isolation_level = None
        # So that a damaged schema or a cut end does not keep us from the lock; the copy is judged later.
        reader.execute("PRAGMA writable_schema = ON")
        reader.execute("BEGIN")
        reader.execute("PRAGMA schema_version").fetchone()
        if not wal:
            return copying.copy_digested(raw.fileno(), target)
        with closing(sqlite3.connect(target)) as writer:
            writer.execute("PRAGMA synchronous = OFF")
            # In one read transaction: otherwise the copy starts over at each commit of a busy writer.
            reader.backup(writer, pages=-1)
        reader.execute("ROLLBACK")
    return None


def _copy_still(path: Path, target: Path, companion: str, *, until_opened: bool) -> bool:
    """Copy a database that nobody has open, with its companion; what changes meanwhile is copied again.

    :param until_opened: give up when somebody opens it; return whether that did not happen.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        before = _moments(path)
        for suffix in ("", companion):
            try:
                with beside(path, suffix).open("rb") as raw:
                    copying.copy(raw.fileno(), beside(target, suffix))
            except FileNotFoundError:
                beside(target, suffix).unlink(missing_ok=True)
        young = any(0 <= time.time_ns() - moment < TICK for _, *moments in before for moment in moments)
        if not young and _moments(path) == before:
            return True
        if until_opened and beside(path, "-shm").exists():
            return False
        if time.monotonic() > deadline:
            raise SourceError(
                f"{shown(path)} kept changing for {PATIENCE:.0f} seconds while it was copied.",
                "Stop what writes it, then run the same command again.",
            )
        time.sleep(0.05)


def _moments(path: Path) -> tuple[tuple[int, int, int], ...]:
    """Return size, modification and change time (ns) of a database and its companions."""
    found = []
    for suffix in ("", "-wal", "-journal"):
        try:
            status = beside(path, suffix).stat()
            found.append((status.st_size, status.st_mtime_ns, status.st_ctime_ns))
        except FileNotFoundError:
            found.append((-1, 0, 0))
    return tuple(found)


def _recover(target: Path) -> None:
    """Let SQLite apply the copied WAL, or roll the copied journal back."""
    if not any(beside(target, suffix).exists() for suffix in COMPANIONS):
        return
    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        copy.execute("PRAGMA writable_schema = ON")
        copy.execute("PRAGMA schema_version").fetchone()
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()
    for suffix in COMPANIONS:
        beside(target, suffix).unlink(missing_ok=True)


def _make_plain(target: Path) -> bool:
    """Take the mark of WAL mode off the copy, so that it opens immutable, without side files; return whether it was."""
    target.chmod(0o600)
    with target.open("r+b") as stream:
        stream.seek(18)
        marked = stream.read(2) == b"\x02\x02"
        if marked:
            stream.seek(18)
            stream.write(b"\x01\x01")
    return marked


def beside(path: Path, suffix: str) -> Path:
    """Return the path of a database's companion file."""
    return path.with_name(path.name + suffix)


def remove(target: Path) -> None:
    """Remove a copy and its companions, where there are any."""
    for suffix in ("", *COMPANIONS):
        beside(target, suffix).unlink(missing_ok=True)
