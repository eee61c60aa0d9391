"""How many rows the target's tables have, counted while sources are copied: the server has nothing else to do then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

from howdah import pg
from howdah.ledger import Load

# How often a statement is cancelled that may not have begun when it was cancelled before, in seconds.
_AGAIN = 0.05


class Counts:
    """Rows of target tables, each counted once for as long as this is kept."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "count")
        self._found: dict[str, Future[int | None]] = {}
        self._connection: pg.Connection | None = None

    def begin(self, server: str, loads: Iterable[Load]) -> None:
        """Have the tables of some loads counted, over a connection of its own.

        :param server: as :func:`howdah.pg.conninfo_of` has it.
        """

        def counted(table: str) -> int | None:
            if self._connection is None:
                self._connection = pg.open_(server)
                # Beside the copying it need not be fast, and it should not take what that needs.
                self._connection.execute("SET max_parallel_workers_per_gather = 0")
                # A frozen table is counted by its smallest index.
                self._connection.execute("SET random_page_cost = 1.1")
            return count(self._connection, table)

        for table in {_table_of(load) for load in loads}:
            self._found[table] = self._pool.submit(counted, table)

    def of(self, load: Load, connection: pg.Connection) -> int | None:
        """Return how many rows the table of a load has; ``None`` where there is no such table.

        :param connection: over which a table is counted that nobody has begun to count.
        """
        table = _table_of(load)
        return self._found[table].result() if table in self._found else count(connection, table)

    def close(self) -> None:
        """Give up what was not counted yet."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        waiting = [future for future in self._found.values() if not future.done()]
        while waiting:
            # It may be opened in this moment.
            if self._connection:
                self._connection.cancel()
            waiting = list(wait(waiting, timeout=_AGAIN).not_done)
        if self._connection:
            self._connection.close()


@contextmanager
def counting() -> Iterator[Counts]:
    """Give the counts of a run."""
    counts = Counts()
    try:
        yield counts
    finally:
        counts.close()


def count(connection: pg.Connection, table: str) -> int | None:
    """Return how many rows a table has; ``None`` where there is no such table.

    :param table: quoted and with its schema.
    """
    there = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone()
    if not there or not there[0]:
        return None
    counted = pg.execute(connection, f"SELECT count(*) FROM {table}").fetchone() or (0,)
    return int(counted[0])


def _table_of(load: Load) -> str:
    return pg.qualified(load.target_schema, load.target_table)
