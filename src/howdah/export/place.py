"""Where the file is written: beside its place, under a name that nobody looks for, until it is complete."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from howdah.errors import ConfigurationError, HowdahError, LockHeld


def check(file: Path, *, force: bool) -> None:
    """Refuse a place that is taken.

    :param force: a file that is there may be replaced.
    :raises ConfigurationError: it is taken, or cannot be written to.
    """
    if file.is_dir() or not file.name:
        raise ConfigurationError(f"{file} is a folder.", "Name the file to write.")
    if not file.parent.is_dir():
        raise ConfigurationError(f"The folder {file.parent} does not exist.", "Make it first.")
    if file.exists() and not force:
        raise ConfigurationError(f"{file} exists already.", "Choose another name, or add --force to replace it.")
    for end in ("-wal", "-journal"):
        companion = file.with_name(file.name + end)
        if companion.exists() and companion.stat().st_size:
            # SQLite would apply what is in it to the new file.
            raise ConfigurationError(
                f"{companion} is there: a program works on {file.name}, or was killed while it did.",
                f"End it, or open the file once with: sqlite3 {file.name} 'PRAGMA wal_checkpoint(TRUNCATE)'",
            )


@contextmanager
def partial(file: Path, *, force: bool) -> Iterator[Path]:
    """Give the path to write to; it becomes ``file`` when all went well, and vanishes otherwise.

    What a killed run left there is written over.

    :raises LockHeld: another run writes the same file.
    """
    path = file.with_name(f".{file.name}.partial")
    handle = _open(path)
    try:
        if not _lock(handle, path):
            raise LockHeld(f"Another run is writing {file}.", "Wait for it to end.")
        os.ftruncate(handle, 0)
        try:
            yield path
            os.fsync(handle)
            _publish(path, file, force=force)
        finally:
            if _is(handle, path):
                path.unlink()
    finally:
        os.close(handle)


def _lock(handle: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    # The run that held it may have put the file in place between our opening and locking it.
    return _is(handle, path)


def _is(handle: int, path: Path) -> bool:
    """Return whether a path still leads to an open file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    own = os.fstat(handle)
    return (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise ConfigurationError(f"{path.parent} cannot be written to: {error.strerror}.", "Choose another.") from error


def _publish(path: Path, file: Path, *, force: bool) -> None:
    check(file, force=force)
    if force:
        path.replace(file)
    else:
        try:
            os.link(path, file)  # unlike a rename, it never replaces
        except FileExistsError:
            raise ConfigurationError(f"{file} was made meanwhile.", "Choose another name.") from None
        except OSError as error:
            if file.exists():
                raise HowdahError(f"{file} could not be put in place: {error.strerror}.") from error
            path.rename(file)  # a file system without hard links
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
