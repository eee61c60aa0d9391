"""Compares whole columns of two streams, source and target, and leaves what is in doubt to be compared row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from howdah.catalog.sqlite import open_snapshot
from howdah.plan import TablePlan
from howdah.reading import Row, row_digest
from howdah.vector import reading
from howdah.vector.prefetch import prefetched
from howdah.vector.stream import Walker
from howdah.verify import columns, target
from howdah.verify.columns import Rule

Rows = NDArray[np.intp]


class OutOfStepError(Exception):
    """Rows without a key can only be told apart as a whole; these two streams do not agree row by row."""


# Rows that wait for their counterpart before they are compared one by one.
_WAITING_ROWS = 4 * reading.UNIT_ROWS
_WAITING_BYTES = 4 * reading.UNIT_BYTES


@dataclass(frozen=True)
class Doubts:
    """Takes the rows that could not be settled here.

    :ivar expected: called with the locator and values of a source row.
    :ivar held: called with the canonical fields of a target row.
    """

    expected: Callable[[int, Row], None]
    held: Callable[[list[bytes]], None]


@dataclass(frozen=True)
class Only:
    """Some rows of a table with a key.

    :ivar locators: rowids of source rows, ascending.
    :ivar keys: of target rows, as :func:`howdah.ownership.literals` has them.
    """

    locators: NDArray[np.int64]
    keys: list[tuple[str, ...]]


@dataclass
class Counts:
    """How many rows there are on either side, and how many of the source wait in quarantine."""

    expected: int = 0
    held: int = 0
    waiting: int = 0

    @property
    def read(self) -> int:
        """Return how many rows of the source there are."""
        return self.expected + self.waiting


@dataclass
class _Pool:
    """Rows of one side that have no counterpart yet."""

    columns: list[Any] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in self.columns)

    def add(self, more: list[Any]) -> None:
        if not len(self):
            self.columns = more
        else:
            self.columns = [pa.concat_arrays(pair) for pair in zip(self.columns, more, strict=True)]

    def drop_first(self, rows: int) -> None:
        self.columns = [column.slice(rows) for column in self.columns]

    def keep(self, rows: Rows) -> None:
        self.columns = [column.take(pa.array(rows)) for column in self.columns]


def lanes_of(plan: TablePlan, snapshot: Path) -> dict[str, str]:
    """Return source column → the lane that it is read in."""
    names = [column.name for column in plan.table.columns]
    with open_snapshot(snapshot) as source:
        return dict(zip(names, reading.lanes(source, plan.table, names), strict=True))


def rules_for(plan: TablePlan, lanes: dict[str, str]) -> list[Rule] | None:
    """Return the rule of each column, or ``None`` when the table must be compared row by row.

    :param lanes: source column → lane.
    """
    if not plan.table.rowid:
        return None
    found = [columns.rule(column, lanes.get(column.source, "")) for column in plan.columns]
    rules = [rule for rule in found if rule is not None]
    if len(rules) < len(found):
        return None
    targets = [column.target for column in plan.columns]
    if any(rules[targets.index(name)].key is None for name in plan.key):
        return None
    return rules


def compare(
    reader: target.Reader, plan: TablePlan, rules: list[Rule], lanes: dict[str, str], snapshot: Path,
    waiting: dict[int, bytes], doubts: Doubts, step: Callable[[int], None], only: Only | None = None,
) -> Counts:  # fmt: skip
    """Compare a table; what surely agrees is only counted, all else is handed over.

    :param reader: of the target.
    :param waiting: locator → digest of the source rows in quarantine.
    :param step: called with the source rows read so far, now and then.
    :param only: which rows; ``None``: all.
    :raises OutOfStepError: a table without a key is not the same on both sides, row by row.
    """
    # Where the profile has seen no other storage class, it is not asked for again.
    pure = {c.source for c in plan.columns if c.stored and c.stored.classes <= {lanes[c.source]}}
    locators, keys = (only.locators, only.keys) if only else (None, None)
    units = reading.units(snapshot, plan.table, list(lanes), list(lanes.values()), pure, locators)
    with (
        open_snapshot(snapshot) as connection,
        closing(prefetched(units)) as source,
        closing(prefetched(reader.batches(plan, rules, keys))) as held,
    ):
        comparison = _Comparison(plan, rules, list(lanes), Walker(lambda: connection, plan.table), waiting, doubts)
        for unit in source:
            comparison.expect(unit)
            while len(comparison.theirs) < len(comparison.mine):
                batch = next(held, None)
                if batch is None:
                    break
                comparison.hold(batch)
            comparison.match()
            step(comparison.counts.read)
        _drain(comparison, held)
        comparison.give_up()
    return comparison.counts


def _joinable(column: Any) -> Any:
    # Text is here as bytes already, as it need not be UTF-8.
    return column if pa.types.is_binary(column.type) else column.cast(pa.string()).cast(pa.binary())


def _drain(comparison: _Comparison, held: Iterator[list[Any]]) -> None:
    for batch in held:
        comparison.hold(batch)
        comparison.match()


class _Comparison:
    def __init__(
        self, plan: TablePlan, rules: list[Rule], names: list[str], walker: Walker, waiting: dict[int, bytes],
        doubts: Doubts,
    ) -> None:  # fmt: skip
        self._rules = rules
        self._places = [names.index(c.source) if c.source else -1 for c in plan.columns]
        targets = [c.target for c in plan.columns]
        self._key = [targets.index(name) for name in plan.key]
        self._walker = walker
        self._waiting = waiting
        self._waiting_locators = np.array(sorted(waiting), np.int64)
        self._doubts = doubts
        self._encoders = target.encoders(plan)
        self.mine, self.theirs = _Pool(), _Pool()
        self.counts = Counts()

    def expect(self, unit: reading.Unit) -> None:
        """Take in source rows."""
        settled = ~unit.odd
        quarantined = np.isin(unit.locators, self._waiting_locators)
        settled &= ~quarantined
        for locator, row in self._walker.take(unit.locators[~settled].tolist()):
            if locator in self._waiting and self._waiting[locator] == row_digest(row):
                self.counts.waiting += 1
            else:
                self._need_key()
                self.counts.expected += 1
                self._doubts.expected(locator, row)
        rows = int(settled.sum())
        self.counts.expected += rows
        if rows:
            arrays = [pa.array(unit.locators), *unit.columns]
            if rows < len(unit):
                mask = pa.array(settled)
                arrays = [array.filter(mask) for array in arrays]
            self.mine.add(arrays)

    def hold(self, batch: list[Any]) -> None:
        """Take in target rows."""
        self.counts.held += len(batch[0])
        self.theirs.add(batch)

    def match(self) -> None:
        """Settle what has a counterpart by now; keep the rest waiting, as long as it is not too much."""
        rows = min(len(self.mine), len(self.theirs))
        if rows and self._in_step(rows):
            self._settle(self.mine, self.theirs, rows)
            self.mine.drop_first(rows)
            self.theirs.drop_first(rows)
        elif rows:
            self._by_key()
        for pool, give in ((self.mine, self._give_mine), (self.theirs, self._give_theirs)):
            if len(pool) > _WAITING_ROWS or pool.nbytes > _WAITING_BYTES:
                give(pool, np.arange(len(pool)))
                pool.columns = []

    def give_up(self) -> None:
        """Hand over all that still waits."""
        self._give_mine(self.mine, np.arange(len(self.mine)))
        self._give_theirs(self.theirs, np.arange(len(self.theirs)))

    def _in_step(self, rows: int) -> bool:
        """Return whether the first rows of both sides have the same keys, one by one."""
        for place in self._key:
            mine, theirs = self._key_column(place, rows)
            if not pc.all(pc.fill_null(pc.equal(mine, theirs), False)).as_py():
                return False
        return True

    def _key_column(self, place: int, rows: int | None = None) -> tuple[Any, Any]:
        key = self._rules[place].key
        assert key is not None  # noqa: S101 - rules_for() sees to it
        mine, theirs = key(self._source(self.mine, place)), self.theirs.columns[place]
        if pa.types.is_string(mine.type):
            mine, theirs = mine.cast(pa.binary()), theirs.cast(pa.binary())
        return (mine, theirs) if rows is None else (mine.slice(0, rows), theirs.slice(0, rows))

    def _source(self, pool: _Pool, place: int) -> Any:
        return pool.columns[self._places[place] + 1]

    def _by_key(self) -> None:
        if len(self._key) == 1:
            mine, theirs = self._key_column(self._key[0])
        else:
            # A separator may make two keys look the same here; their columns are then compared anyway.
            pairs = [[_joinable(side) for side in self._key_column(p)] for p in self._key]
            mine, theirs = (
                pc.binary_join_element_wise(*(pair[side] for pair in pairs), pa.scalar(b"\x1f")) for side in (0, 1)
            )
        found = pc.fill_null(pc.index_in(mine, value_set=theirs), -1).to_numpy(zero_copy_only=False)
        ours = np.flatnonzero(found >= 0)
        others = found[ours]
        if len(ours) and np.bincount(others).max() > 1:
            _, first = np.unique(others, return_index=True)
            ours, others = ours[first], others[first]
        if len(ours):
            pair = [
                _Pool([column.take(pa.array(rows)) for column in pool.columns])
                for pool, rows in ((self.mine, ours), (self.theirs, others))
            ]
            self._settle(pair[0], pair[1], len(ours))
        for pool, rows in ((self.mine, ours), (self.theirs, others)):
            left = np.ones(len(pool), np.bool_)
            left[rows] = False
            pool.keep(np.flatnonzero(left))

    def _settle(self, mine: _Pool, theirs: _Pool, rows: int) -> None:
        """Compare the first rows of both sides column by column; hand over those that do not surely agree."""
        agreed = np.ones(rows, np.bool_)
        for place, rule in enumerate(self._rules):
            held = theirs.columns[place].slice(0, rows)
            source = self._source(mine, place).slice(0, rows) if self._places[place] >= 0 else held
            agreed &= rule.agree(source, held)
        doubtful = np.flatnonzero(~agreed)
        if len(doubtful):
            self._give_mine(mine, doubtful)
            self._give_theirs(theirs, doubtful)

    def _give_mine(self, pool: _Pool, rows: Rows) -> None:
        if len(rows):
            self._need_key()
            for locator, row in self._walker.take(pool.columns[0].take(pa.array(rows)).to_pylist()):
                self._doubts.expected(locator, row)

    def _need_key(self) -> None:
        if not self._key:
            raise OutOfStepError

    def _give_theirs(self, pool: _Pool, rows: Rows) -> None:
        if not len(rows):
            return
        self._need_key()
        fields = [
            [b"" if value is None else encode(value) for value in target.values(column, pa.array(rows))]
            for column, encode in zip(pool.columns, self._encoders, strict=True)
        ]
        for row in zip(*fields, strict=True):
            self._doubts.held([value or target.NULL for value in row])
