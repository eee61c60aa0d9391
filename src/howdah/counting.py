"""How many rows target tables have, counted beside other work, over a connection of its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event

from howdah import pg
from howdah.ledger import Load

# Somebody may wait to change a table that the caller has locked, and whoever comes next waits behind them.
_PATIENCE = "1s"
# How often a statement is cancelled that may not have begun when it was cancelled before, in seconds.
_AGAIN = 0.05


class Counts:
    """Counts rows of target tables, one table at a time.

    :param server: as :func:`howdah.pg.conninfo_of` has it.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._pool = ThreadPoolExecutor(1, "count")
        self._begun: list[Future[int]] = []
        self._connection: pg.Connection | None = None

    def begin(self, load: Load) -> Future[int]:
        """Have the table of a load counted as it is for others than the caller, and return what waits for the number.

        Returns when the table is locked against whoever would change its structure, the caller among them, or when it
        cannot be.
        """
        locked = Event()

        def counted() -> int:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = _opened(self._server)
                with self._connection.transaction():
                    table = _table_of(load)
                    pg.execute(self._connection, f"LOCK TABLE {table} IN ACCESS SHARE MODE")
                    locked.set()
                    return _count(self._connection, table)
            finally:
                locked.set()

        future = self._pool.submit(counted)
        self._begun.append(future)
        locked.wait()
        return future

    def give_up(self, *begun: Future[int]) -> None:
        """Count no longer, and let go of what is locked for it."""
        waiting = [future for future in begun if not future.cancel() and not future.done()]
        while waiting:
            # It may be opened in this moment.
            if self._connection:
                self._connection.cancel()
            waiting = list(wait(waiting, timeout=_AGAIN).not_done)

    def close(self) -> None:
        """Give up what was not counted yet."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.give_up(*self._begun)
        if self._connection:
            self._connection.close()


@contextmanager
def counting(server: str) -> Iterator[Counts]:
    """Give what counts, for a run.

    :param server: as :func:`howdah.pg.conninfo_of` has it.
    """
    counts = Counts(server)
    try:
        yield counts
    finally:
        counts.close()


def held(connection: pg.Connection, load: Load) -> int | None:
    """Return how many rows the table of a load has; ``None`` where there is no such table."""
    table = _table_of(load)
    there = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone()
    return _count(connection, table) if there and there[0] else None


def _opened(server: str) -> pg.Connection:
    connection = pg.open_(server)
    # Beside other work it need not be fast, and it should not take what that needs.
    connection.execute("SET max_parallel_workers_per_gather = 0")
    # A frozen table is counted by its smallest index.
    connection.execute("SET random_page_cost = 1.1")
    connection.execute(f"SET lock_timeout = '{_PATIENCE}'")
    return connection


def _count(connection: pg.Connection, table: str) -> int:
    counted = pg.execute(connection, f"SELECT count(*) FROM {table}").fetchone() or (0,)
    return int(counted[0])


def _table_of(load: Load) -> str:
    return pg.qualified(load.target_schema, load.target_table)
