"""One at a time: locks of an instance that the kernel lets go of when the process dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from howdah.errors import LockHeld
from howdah.instance import Instance


@contextmanager
def one_at_a_time(instance: Instance, work: str) -> Iterator[None]:
    """Hold the instance's lock for a kind of work.

    :param work: ``backup`` or ``drill``; there is a lock for each.
    :raises LockHeld: another process has it.
    """
    instance.state_dir.mkdir(parents=True, exist_ok=True)
    with (instance.state_dir / f"{work}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LockHeld(
                f"Another {work} of {instance.name} is running.", "Wait for it, then run this again."
            ) from error
        yield


def is_held(instance: Instance, work: str) -> bool:
    """Return whether a process holds the instance's lock for a kind of work at this moment."""
    try:
        with one_at_a_time(instance, work):
            return False
    except LockHeld:
        return True
