"""What the programs of this folder know about the source, and how they share the work."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

# Target table → its columns, as they are in the source, with their types.
TABLES = {
    "conversations": {"id": "uuid", "title": "text", "created_at": "timestamptz", "updated_at": "timestamptz"},
    "messages": {
        "id": "uuid",
        "conversation_id": "uuid",
        "role": "text",
        "content": "text",
        "created_at": "timestamptz",
        "attachments": "jsonb",
        "is_read": "bool",
    },
    "metrics": {"id": "int8", "name": "text", "value": "float8", "ts": "int8", "samples": "int8", "note": "text"},
}


@dataclass(frozen=True)
class Part:
    """Rows of one table, by rowid, both ends included."""

    table: str
    first: int
    last: int

    @property
    def columns(self) -> dict[str, str]:
        """Return column → type."""
        return TABLES[self.table]

    def rows(self, source: str) -> Iterator[tuple]:
        """Yield the rows as SQLite gives them."""
        connection = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
        try:
            names = ", ".join(self.columns)
            yield from connection.execute(
                f"SELECT {names} FROM {self.table} WHERE rowid BETWEEN ? AND ?", (self.first, self.last)
            )
        finally:
            connection.close()


def share(source: str, workers: int) -> list[list[Part]]:
    """Cut every table into as many ranges as there are workers, one for each."""
    connection = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    shares: list[list[Part]] = [[] for _ in range(workers)]
    try:
        for table in TABLES:
            low, high = connection.execute(f"SELECT min(rowid), max(rowid) FROM {table}").fetchone()
            if low is None:
                continue
            cuts = [low + (high + 1 - low) * number // workers for number in range(workers + 1)]
            for number in range(workers):
                shares[number].append(Part(table, cuts[number], cuts[number + 1] - 1))
    finally:
        connection.close()
    return shares


def run(work: Callable[..., None], jobs: list[tuple]) -> None:
    """Call ``work`` once per job, each in a process of its own; a failure of one is a failure of all."""
    if len(jobs) == 1:
        work(*jobs[0])
        return
    with ProcessPoolExecutor(len(jobs), mp_context=get_context("fork")) as pool:
        for waiting in [pool.submit(work, *job) for job in jobs]:
            waiting.result()


def arguments() -> tuple[str, int, list[str]]:
    """Return what the program was called with: source, workers, and whatever else."""
    source, workers, *more = sys.argv[1:]
    return source, int(workers), more
