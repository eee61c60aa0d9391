"""Whether snapshots are whole: SQLite looks at one while others are copied, and while it is read already.

``PRAGMA quick_check`` looks at the trees first, which tables, indexes and free pages are, and then reads every row.
Who reads all rows anyway has the first half looked at: a row that cannot be read is found there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path

from howdah import header, pg
from howdah.errors import SourceError
from howdah.header import shown

# How often a statement is told to end that may not have begun when it was told before, in seconds.
_AGAIN = 0.05
# Instructions of SQLite's machine before it reads rows are far fewer, once it knows the schema.
_INSTRUCTIONS = 10_000
# Lines that are shown of what is wrong.
_SHOWN = 3
_EVERYTHING = 1_000_000_000
# SQLITE_CORRUPT and SQLITE_NOTADB.
_DAMAGED = (11, 26)
_SALVAGE = "Restore it from a backup, or move the rows that can still be read with: --salvage"


class Examinations:
    """Snapshots that are being looked at.

    What is read of a snapshot before :meth:`settle` is an assumption that it is whole: nothing may be written by it.

    :param rows: read every row, too.
    """

    def __init__(self, *, rows: bool = False) -> None:
        self._rows = rows
        self._begun: list[tuple[Path, Path]] = []
        self._pool = ThreadPoolExecutor(1, "examination")
        self._found: list[tuple[Path, Future[str]]] = []
        self._connection: sqlite3.Connection | None = None

    def begin(self, source: Path, target: Path) -> None:
        """Have the snapshot of a source looked at, in a thread of its own."""
        self._begun.append((source, target))
        self._look(source, target, rows=self._rows)

    @property
    def busy(self) -> bool:
        """Return whether something that was begun is still looked at."""
        return any(not future.done() for _, future in self._found)

    def settle(self) -> None:
        """Wait until all that was begun is looked at.

        :raises SourceError: one is damaged.
        """
        for source, future in self._found:
            if problem := future.result():
                raise damaged(source, problem)
        self._found.clear()

    def explain(self) -> None:
        """Read every row of all that was begun: something in one of them could not be read.

        :raises SourceError: one is damaged.
        """
        self.settle()
        for source, target in self._begun:
            if target.exists():
                self._look(source, target, rows=True)
        self.settle()

    def close(self) -> None:
        """Give up what was not looked at yet."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        waiting = [future for _, future in self._found if not future.done()]
        while waiting:
            # It may be closed in this moment.
            with suppress(sqlite3.ProgrammingError):
                if connection := self._connection:
                    connection.interrupt()
            waiting = list(wait(waiting, timeout=_AGAIN).not_done)

    def _look(self, source: Path, target: Path, *, rows: bool) -> None:
        self._found.append((source, self._pool.submit(self._problem, target, rows=rows)))

    def _problem(self, target: Path, *, rows: bool) -> str:
        def told(connection: sqlite3.Connection | None) -> None:
            self._connection = connection

        return problem_of(target, told, rows=rows)


@contextmanager
def examining(*, rows: bool = False) -> Iterator[Examinations]:
    """Give the examinations of a run; where it fails because a snapshot is damaged, that is what is said.

    :param rows: read every row, too: for who does not.
    :raises SourceError: the block failed, and a snapshot is damaged.
    """
    examinations = Examinations(rows=rows)
    try:
        yield examinations
    except (sqlite3.DatabaseError, SourceError) as error:
        examinations.explain()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            raise SourceError(f"A source cannot be read: {error}.", _SALVAGE) from error
        raise
    except Exception as error:
        if not isinstance(error, pg.Error):
            examinations.settle()
        raise
    finally:
        examinations.close()


def problem_of(
    target: Path, told: Callable[[sqlite3.Connection | None], None] = lambda _: None, *, rows: bool = True
) -> str:
    """Return what is wrong with a snapshot; empty when it is whole.

    :param told: is given the connection that looks at it, and ``None`` before that is closed.
    :param rows: read every row, too.
    """
    fields = header.parse(header.read(target))
    size, whole = target.stat().st_size, fields.pages * fields.page_size
    if size < whole:
        return f"it is truncated, and {size:,} of {whole:,} bytes are there"
    found: list[str] = []
    at_rows = False

    def end() -> bool:
        nonlocal at_rows
        at_rows = True
        return True

    try:
        with closing(sqlite3.connect(f"{target.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            told(connection)
            try:
                # It is read now, and counts for none of the instructions.
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                if not rows:
                    # Trees count as one instruction, or (from SQLite 3.41 on) as one for each page; rows as some each.
                    connection.set_progress_handler(end, 2 * size // fields.page_size + _INSTRUCTIONS)
                # What is wrong with trees is the first line.
                found = _check(connection, _SHOWN if rows else 1)
            finally:
                told(None)
    except sqlite3.DatabaseError as error:
        if not at_rows:
            return str(error)
    return problem_of(target, told) if found and not rows else "; ".join(found)


def _check(connection: sqlite3.Connection, most: int) -> list[str]:
    """Return what is wrong, a few lines of it; dirt in rows is none of that, however much there is before the rest."""
    lines = [str(line) for (line,) in connection.execute(f"PRAGMA quick_check({most})")]
    harmful = list(_harmful(lines))
    if len(lines) < most or harmful:
        return harmful
    # With the trees all is well, and these lines are short.
    every = (str(line) for (line,) in connection.execute(f"PRAGMA quick_check({_EVERYTHING})"))
    return list(islice(_harmful(every), most))


def _harmful(lines: Iterable[str]) -> Iterator[str]:
    # quick_check also reports broken CHECK and NOT NULL constraints: that is dirt in rows, which quarantine
    # is for.
    dirt = ("NULL value in", "CHECK constraint failed in", "non-", "NUMERIC value in", "TEXT value in")
    kept = (line.removeprefix("*** in database main ***") for line in lines if not line.startswith(dirt))
    return (" ".join(line.split()) for line in kept if line != "ok")


def damaged(source: Path, problem: str) -> SourceError:
    """Return the error for a source that is damaged."""
    return SourceError(
        f"{shown(source)} is damaged: {problem}.",
        _SALVAGE,
    )
