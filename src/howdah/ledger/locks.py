"""The lock that keeps two runs from working on one application at the same time."""

from __future__ import annotations

import time
from hashlib import sha256

from howdah.errors import LockHeld
from howdah.pg import Connection, execute


def lock_key(application: str) -> int:
    """Return the advisory lock key of an application; the lock itself is per database."""
    return int.from_bytes(sha256(f"howdah:{application}".encode()).digest()[:8], "big", signed=True)


def lock(connection: Connection, application: str, *, shared: bool = False, patience: float = 3.0) -> None:
    """Take the application's lock for the life of the connection.

    :param patience: seconds to wait for a killed run's backend to notice that its client is gone.
    :raises LockHeld: another run has it.
    """
    function = "pg_try_advisory_lock_shared" if shared else "pg_try_advisory_lock"
    until = time.monotonic() + patience
    while True:
        row = execute(connection, f"SELECT {function}(%s)", [lock_key(application)]).fetchone()
        if row and row[0]:
            return
        if time.monotonic() >= until:
            raise LockHeld(
                f"Another howdah run works on {application} in this database.",
                "Wait for it to end; pg_stat_activity shows it with application_name howdah.",
            )
        time.sleep(0.2)
