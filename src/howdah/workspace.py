"""The private folder of a run: gone when the run ends, and with the next run where it was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from howdah.errors import ConfigurationError

_PREFIX = "howdah-run-"
_LOCK = ".lock"


@contextmanager
def workspace(work_dir: Path | None) -> Iterator[Path]:
    """Give a private folder (mode 0700) and remove it afterwards, whatever happened.

    Folders of earlier runs that were killed are removed first: nobody else would, and snapshots are large.

    :param work_dir: where to make it; ``None`` means the system's temporary folder.
    :raises ConfigurationError: when it cannot be made.
    """
    parent = Path(work_dir or tempfile.gettempdir())
    try:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sweep(parent)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = _hold(folder)
    except OSError as error:
        raise ConfigurationError(
            f"No snapshot folder can be made in {parent}: {error.strerror}.", "Set TMPDIR to a folder with room."
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _hold(folder: Path) -> int:
    """Lock a folder for the life of this process; return the lock's file descriptor."""
    handle, name = tempfile.mkstemp(dir=folder)
    fcntl.flock(handle, fcntl.LOCK_EX)
    # Under its name only when it is held: whoever finds it there unheld knows that the run is dead.
    Path(name).rename(folder / _LOCK)
    return handle


def _sweep(parent: Path) -> None:
    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        try:
            # In a folder that all users share, only what is ours is any of our business.
            if lock.parent.lstat().st_uid != os.geteuid():
                continue
            handle = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            # Somebody else's, or gone in this moment.
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(lock.parent, ignore_errors=True)
        finally:
            os.close(handle)
