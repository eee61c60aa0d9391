"""One moment for all databases: snapshots that see exactly what a restore to a named restore point brings back.

A snapshot sees what was committed before it; a restore brings back what was committed before the restore point in the
WAL. Both are the same when no transaction ended between the two, and none was just writing its commit. That is proved,
not assumed: see :func:`_prove`. Where the server is never quiet that long, writers are held back for a moment.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg

from howdah import pg
from howdah.errors import HowdahError
from howdah.pg import Connection

# How long to try without disturbing anybody, and then how long writers may be kept waiting.
QUIET_SECONDS = 10.0
BARRIER = "3s"
# A transaction that wrote its commit before the restore point is gone, or waits for a standby, after this time.
_SETTLE_SECONDS = 1.0
_BARRIER_TRIES = 5

_TABLES = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    ORDER BY 1, 2"""
_WRITERS = """
    SELECT pid, backend_xid::text AS xid, state, coalesce(wait_event, '') FROM pg_stat_activity
    WHERE backend_xid IS NOT NULL
    UNION ALL SELECT 0, transaction::text, 'prepared', '' FROM pg_prepared_xacts"""
_SEQUENCES = "SELECT schemaname || '.' || sequencename, last_value FROM pg_sequences"


class NoMoment(HowdahError):
    """No moment was found that the databases and a restore point share."""


@dataclass(frozen=True)
class Moment:
    """A restore point, and what saw the databases as they were there.

    :ivar name: of the restore point; a replay stops at the first one of a name, so each try has its own.
    :ivar connections: per database, with a transaction open that sees it.
    :ivar lsn: of the restore point.
    :ivar segment: WAL file that holds it.
    :ivar barrier: writers were held back.
    :ivar before: per database the sequences' values just before the point.
    :ivar after: the same just after it.
    """

    name: str
    connections: Mapping[str, Connection]
    lsn: str
    segment: str
    barrier: bool
    before: Mapping[str, Mapping[str, int | None]]
    after: Mapping[str, Mapping[str, int | None]]


@contextmanager
def at_point(dsns: Mapping[str, str], name: str, *, quiet_seconds: float = QUIET_SECONDS) -> Iterator[Moment]:
    """Write a restore point and give transactions that see what is there at it; they end with the block.

    :param dsns: connection string of each database; one of them is asked for the point.
    :param name: of the restore point, at most 55 bytes; a second try adds some.
    :raises NoMoment: the server is too busy, even with writers held back for three seconds.
    """
    until = time.monotonic() + quiet_seconds
    tries = 0
    point = name
    with ExitStack() as stack:
        control = stack.enter_context(pg.connect(next(iter(dsns.values()))))
        connections = {database: stack.enter_context(pg.connect(dsn)) for database, dsn in dsns.items()}
        lockers: dict[str, Connection] = {}
        while True:
            barrier = time.monotonic() >= until
            if barrier and not lockers:
                lockers = {database: stack.enter_context(pg.connect(dsn)) for database, dsn in dsns.items()}
            with ExitStack() as attempt:
                found = None
                with ExitStack() as held:
                    try:
                        for locker in lockers.values():
                            held.enter_context(_writers_wait(locker))
                    except psycopg.errors.LockNotAvailable:
                        tries += 1
                    else:
                        for connection in connections.values():
                            attempt.enter_context(pg.snapshot(connection))
                        found = _try(control, connections, point, barrier=barrier)
                        tries += barrier
                if found is not None:
                    yield found
                    return
            if tries >= _BARRIER_TRIES:
                raise NoMoment(
                    "The server was too busy for a manifest: transactions ended all the time, or held their tables.",
                    "Run it again at a quieter hour.",
                )
            point = f"{name}-{secrets.token_hex(3)}"
            # Not in step with whoever commits at regular intervals.
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - no secret


def _try(control: Connection, connections: Mapping[str, Connection], name: str, *, barrier: bool) -> Moment | None:
    """Write the point between two looks at who is running; return ``None`` when a transaction ended in between."""
    seen = {_snapshot(connection) for connection in connections.values()}
    if len(seen) > 1:
        return None
    before = {database: dict(_pairs(connection)) for database, connection in connections.items()}
    row = control.execute("SELECT p::text, pg_walfile_name(p) FROM pg_create_restore_point(%s) AS p", [name]).fetchone()
    lsn, segment = row or ("", "")
    writers = _writers(control)
    # With their tables locked no writer was under way, and catalogs are not what is written all the time.
    if not barrier and (_snapshot(control) not in seen or not _prove(control, writers)):
        return None
    after = {database: dict(_pairs(connection)) for database, connection in connections.items()}
    return Moment(name, connections, lsn, segment, barrier, before, after)


def _prove(control: Connection, writers: dict[tuple[int, str], tuple[str, str]]) -> bool:
    """Return whether none of the transactions under way had written its commit before the restore point.

    Between writing its commit and being seen as committed a transaction only waits for the disk, or for a standby.
    One that waits for its client had not begun to commit; one that is at work a second later, and not for a standby,
    had not either. What vanishes before either is seen leaves it open.
    """
    until = time.monotonic() + _SETTLE_SECONDS
    while True:
        now = _writers(control)
        if not set(writers) <= set(now):
            return False
        open_ = {key: now[key] for key in writers if not now[key][0].startswith("idle in transaction")}
        if not open_:
            return True
        if time.monotonic() >= until:
            return all(wait != "SyncRep" for _, wait in open_.values())
        writers = open_
        time.sleep(0.05)


@contextmanager
def _writers_wait(connection: Connection) -> Iterator[None]:
    """Hold every table against writers; who writes now is waited for, at most three seconds."""
    with connection.transaction(force_rollback=True):
        pg.execute(connection, f"SET LOCAL lock_timeout = '{BARRIER}'")
        names = [pg.qualified(schema, table) for schema, table in connection.execute(_TABLES)]
        if names:
            pg.execute(connection, f"LOCK TABLE ONLY {', ONLY '.join(names)} IN SHARE MODE")
        yield


def _snapshot(connection: Connection) -> str:
    row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
    return str(row and row[0])


def _writers(connection: Connection) -> dict[tuple[int, str], tuple[str, str]]:
    return {(pid, xid): (state or "", wait) for pid, xid, state, wait in connection.execute(_WRITERS)}


def _pairs(connection: Connection) -> list[tuple[str, int | None]]:
    return [(name, value) for name, value in connection.execute(_SEQUENCES)]
