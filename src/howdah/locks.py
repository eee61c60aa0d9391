"""One at a time: locks of an instance that the kernel lets go of when the process dies."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from howdah.errors import LockHeld
from howdah.instance import Instance

# Longer than is_held() has a lock.
_MOMENT = 0.1


@contextmanager
def one_at_a_time(instance: Instance, work: str) -> Iterator[None]:
    """Hold the instance's lock for a kind of work.

    :param work: ``backup``, ``drill`` or ``restore``; there is a lock for each.
    :raises LockHeld: another process has it.
    """
    with _file(instance, work) as handle:
        # Who only asks whether somebody has it has it for a moment.
        if not _locks(handle, fcntl.LOCK_EX):
            time.sleep(_MOMENT)
            if not _locks(handle, fcntl.LOCK_EX):
                raise LockHeld(f"Another {work} of {instance.name} is running.", "Wait for it, then run this again.")
        yield


def is_held(instance: Instance, work: str) -> bool:
    """Return whether a process holds the instance's lock for a kind of work at this moment."""
    with _file(instance, work) as handle:
        return not _locks(handle, fcntl.LOCK_SH)


def _file(instance: Instance, work: str) -> IO[str]:
    instance.state_dir.mkdir(parents=True, exist_ok=True)
    return (instance.state_dir / f"{work}.lock").open("w")


def _locks(handle: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
