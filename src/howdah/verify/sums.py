"""Compares tables as sums: whether all rows are surely equal, and no more.

Each row is digested from the canonical encoding of its fields (:mod:`howdah.encoding`), and the digests are added up:
the order of rows means nothing, and nothing is kept. Both sides are read at the same time, by compiled code that
knows the usual values of each type; a row with another value is derived by itself, as :mod:`howdah.verify.compare`
does with all rows. That one, and not a sum, says which rows differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np
from xxhash import xxh3_128_intdigest

from howdah import wire
from howdah.catalog.sqlite import open_compiled, open_snapshot
from howdah.native.snapshot import OpenError
from howdah.native.sums import ExpectedRows, StoredRows, SumError
from howdah.pg import Connection
from howdah.plan import TablePlan
from howdah.reading import pick, queries, row_digest
from howdah.verify import readback
from howdah.verify.compare import Outcome
from howdah.verify.expect import Expectation, UnexpectedError
from howdah.verify.rules import Rule, Stored, kinds_of, rules_of

# Rows that are taken in between two reports of progress.
_STEP = 10_000
# Rows that are derived by themselves: where there are more, whole columns are compared sooner.
_FEW = 1_000
_SHARE = 50


class _UnknownError(Exception):
    """These rows cannot be compared as sums."""


@dataclass
class Sum:
    """Rows that were added up.

    :ivar quarantined: rows of the source that wait in quarantine; they are not in the sum.
    """

    rows: int = 0
    total: int = 0
    quarantined: int = 0

    def add(self, fields: list[bytes]) -> None:
        """Take in a row, given by its canonical fields."""
        self.rows += 1
        self.total += xxh3_128_intdigest(b"".join(fields))


def agree(
    connection: Connection,
    plans: Sequence[TablePlan],
    snapshots: Mapping[str, Path],
    waiting: Mapping[tuple[str, str], Mapping[int, bytes]],
    step: Callable[[int], None],
) -> tuple[Outcome, ...] | None:
    """Return what came of tables that fill the same target table, if every row of it is surely what it must be.

    ``None`` means no more than that this is not known: perhaps rows differ, perhaps some are other people's.

    :param snapshots: source → its snapshot.
    :param waiting: table → locator → digest of its rows in quarantine; a row that changed since is none of them.
    :param step: called with the source rows of the first table read so far, now and then.
    """
    kinds, rules = kinds_of(plans[0]), [rules_of(plan) for plan in plans]
    known = [rule for rule in rules if rule is not None]
    if kinds is None or len(known) < len(rules):
        return None
    most = sum(plan.rows for plan in plans)
    try:
        with _beside(connection, plans[0], kinds, readback.query(plans[0], limit=most + 1), most) as held:
            sums = [
                _expected(plan, rule, snapshots[plan.source], waiting.get(plan.identity, {}), step)
                for plan, rule in zip(plans, known, strict=True)
            ]
            found = held()
    except _UnknownError:
        return None
    if not _equal(found, sums):
        return None
    return tuple(
        Outcome(plan, one.rows, one.quarantined, found.rows - one.rows, (), 0)
        for plan, one in zip(plans, sums, strict=True)
    )


def agree_on(
    connection: Connection,
    plan: TablePlan,
    snapshot: Path,
    waiting: Mapping[int, bytes],
    locators: Sequence[int],
    named: str,
) -> bool:
    """Return whether some rows of a table are surely what they must be; ``False`` means that this is not known.

    :param waiting: locator → digest of its rows in quarantine.
    :param locators: rowids of those that the snapshot has, ascending.
    :param named: a temporary table with the keys of those that the target has.
    """
    kinds, rules = kinds_of(plan), rules_of(plan)
    if kinds is None or rules is None or not plan.table.rowid:
        return False
    most = len(locators)
    try:
        with _beside(connection, plan, kinds, readback.query(plan, named, limit=most + 1), most) as held:
            expected = _expected(plan, rules, snapshot, waiting, lambda _: None, locators)
            return _equal(held(), [expected])
    except _UnknownError:
        return False


@contextmanager
def _beside(
    connection: Connection, plan: TablePlan, kinds: list[Stored], query: str, most: int
) -> Iterator[Callable[[], Sum]]:
    """Read target rows beside what the block does; give what waits for their sum."""
    stop = Event()
    with ThreadPoolExecutor(1) as beside:
        held = beside.submit(_held, connection, plan, kinds, query, most, stop)
        try:
            yield held.result
        except _UnknownError:
            stop.set()
            raise
        except BaseException:
            stop.set()
            connection.cancel()
            raise


def _equal(found: Sum, sums: list[Sum]) -> bool:
    return (found.rows, found.total % 2**128) == (sum(s.rows for s in sums), sum(s.total for s in sums) % 2**128)


def _expected(
    plan: TablePlan,
    rules: list[Rule],
    snapshot: Path,
    waiting: Mapping[int, bytes],
    step: Callable[[int], None],
    only: Sequence[int] | None = None,
) -> Sum:
    """Return the sum of what a snapshot demands.

    :param only: rowids of the rows, ascending; ``None``: every row.
    :raises _UnknownError: too many rows are derived by themselves, or one cannot be in the target at all.
    """
    apart, few = np.array(sorted(waiting), np.int64).tobytes(), _few(plan.rows) + len(waiting)
    found, odd, located = Sum(), set[int](), bool(plan.table.rowid)
    try:
        with open_compiled(snapshot) as source:
            for text, walked in queries(plan.table, only):
                with closing(ExpectedRows(source, text, rules, apart, located=located, walked=walked)) as rows:
                    more = True
                    while more:
                        more = rows.read(_STEP)
                        step(found.rows + rows.rows)
                        if len(odd) + len(rows.odd) // 8 > few:
                            raise _UnknownError
                    found.rows += rows.rows
                    found.total += rows.total
                    odd.update(np.frombuffer(rows.odd, np.int64).tolist())
    except (OpenError, SumError):
        raise _UnknownError from None
    if odd:
        _derive(plan, snapshot, odd, waiting, found)
    return found


def _derive(plan: TablePlan, snapshot: Path, odd: set[int], waiting: Mapping[int, bytes], found: Sum) -> None:
    expectation = Expectation(plan)
    with open_snapshot(snapshot) as source:
        for locator, row in pick(source, plan.table, odd):
            if locator in waiting and waiting[locator] == row_digest(row):
                found.quarantined += 1
                continue
            try:
                found.add(expectation.fields(row))
            except UnexpectedError:
                raise _UnknownError from None


def _held(connection: Connection, plan: TablePlan, kinds: list[Stored], query: str, most: int, stop: Event) -> Sum:
    """Return the sum of what the target holds.

    :param query: what reads it, one row more than expected at most.
    :param most: rows that are expected; what holds more has other rows as well.
    :raises _UnknownError: it has, or too many rows are derived by themselves.
    """
    decoders, apart, few = readback.decoders(plan), Sum(), _few(most)
    with wire.copy_out(connection, query) as copy:
        rows = StoredRows(copy, kinds)
        try:
            more = True
            while more and not stop.is_set() and apart.rows <= few:
                more = rows.read(_STEP)
                for raw in rows.take_odd():
                    apart.add(readback.row(raw, decoders))
        finally:
            rows.skip()
    found = Sum(rows.rows + apart.rows, rows.total + apart.total)
    if more or found.rows > most:
        raise _UnknownError
    return found


def _few(rows: int) -> int:
    return _FEW + rows // _SHARE
