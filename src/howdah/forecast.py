"""Tries the casts of a plan on the rows of a snapshot, before anything moves."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np

from howdah import casts, sampling
from howdah.casts import CastError, SqliteValue
from howdah.casts.clocks import CLOCKS
from howdah.catalog.sqlite import open_snapshot
from howdah.discover import quoted
from howdah.plan import ColumnPlan, TablePlan
from howdah.profile import ColumnProfile, TableProfile
from howdah.risk import Forecast, Risk
from howdah.vector.batches import batches
from howdah.vector.fields import Field, Kind, field
from howdah.vector.stream import Walker

_EXAMPLES = 3
_STEP = 20_000
_NUMBER = re.compile("[0-9]+")
# Beyond it a double no longer counts every integer.
_EXACT = 1 << 53


def try_casts(
    path: Path, plan: TablePlan, profile: TableProfile, sample: int | None, step: Callable[[int], None]
) -> Forecast:
    """Return what would not fit of one table.

    A column is read only where its profile does not already show that every value fits.

    :param path: the snapshot.
    :param sample: as the profile was made with.
    :param step: called with the rows done so far.
    """
    trials = [_Trial(c) for c in plan.columns if c.source and not certain(c, profile.column(c.source))]
    if not trials:
        return Forecast(*plan.identity, read=profile.rows if profile.sampled is None else profile.sampled, rows=0)
    with open_snapshot(path) as connection:
        places = {column.name: place for place, column in enumerate(plan.table.columns)}
        fields = [field(trial.column, places[trial.column.source], trial.cast) for trial in trials]
        if not sample and all(made.kind != Kind.UNDECIDED for made in fields):
            read, refused = _screen(connection, path, plan, list(zip(trials, fields, strict=True)), step)
        else:
            read, refused = _try(connection, plan, trials, sample, step)
    risks = [risk for trial in trials for risk in trial.risks]
    cut = tuple((trial.column.source, trial.cut) for trial in trials if trial.cut)
    return Forecast(*plan.identity, read=read, rows=refused, risks=tuple(risks), cut=cut)


def _screen(
    connection: sqlite3.Connection,
    path: Path,
    plan: TablePlan,
    columns: list[tuple[_Trial, Field]],
    step: Callable[[int], None],
) -> tuple[int, int]:
    """Try only the rows that the loader's own compiled casts do not settle."""
    walker = Walker(lambda: connection, plan.table)
    read = refused = 0
    for batch in batches(path, plan.table, [made for _, made in columns]):
        doubtful = np.frombuffer(batch.locators, np.int64)[~np.frombuffer(batch.settled, np.bool_)]
        for locator, row in walker.take(doubtful.tolist()):
            shown = locator if plan.table.rowid else None
            judged = [trial(row[made.place], shown) for trial, made in columns]
            refused += not all(judged)
        read += len(batch)
        step(read)
    return read, refused


def _try(
    connection: sqlite3.Connection,
    plan: TablePlan,
    trials: list[_Trial],
    sample: int | None,
    step: Callable[[int], None],
) -> tuple[int, int]:
    rows = sampling.choose(connection, plan.table, sample)
    names = ", ".join(quoted(trial.column.source) for trial in trials)
    query = f"SELECT {sampling.locator(plan.table, rows)}, {names} FROM {rows.source}"
    read = refused = 0
    for locator, *values in connection.execute(query, rows.parameters):
        fits = True
        for trial, value in zip(trials, values, strict=True):
            fits &= trial(value, locator)
        read += 1
        refused += not fits
        if read % _STEP == 0:
            step(read)
    return read, refused


class _Trial:
    """One column's cast, and what it refused.

    :ivar null_fits: NULL may stand there.
    :ivar cast: of one value.
    """

    def __init__(self, column: ColumnPlan) -> None:
        self.column = column
        self.cut = 0
        options = dict(column.options)
        self.null_fits = not column.required or bool(options.get("value"))
        self.cast = casts.build(column.cast, column.type, options, [0])
        lenient = options.pop("truncate", "")
        self._exact = casts.build(column.cast, column.type, options, [0]) if lenient else None
        self._found: dict[tuple[str, str], tuple[str, list[int], list[int]]] = {}

    def __call__(self, value: SqliteValue | None, locator: int | None) -> bool:
        """Return whether a value fits."""
        if value is None:
            return self.null_fits or self._refuse("not_null", "The value is NULL, and the column takes none.", locator)
        try:
            self.cast(value)
        except CastError as error:
            return self._refuse(error.code, error.reason, locator)
        if self._exact:
            try:
                self._exact(value)
            except CastError:
                self.cut += 1
        return True

    def _refuse(self, code: str, reason: str, locator: int | None) -> bool:
        # A reason may name a length; one of them stands for all.
        alike = _NUMBER.sub("", reason)
        _, count, examples = self._found.setdefault((code, alike), (reason, [0], []))
        count[0] += 1
        if locator is not None and len(examples) < _EXAMPLES:
            examples.append(locator)
        return False

    @property
    def risks(self) -> list[Risk]:
        """Return what was refused, the most first."""
        found = [
            Risk(self.column.source, code, reason, count[0], tuple(examples))
            for (code, _), (reason, count, examples) in self._found.items()
        ]
        return sorted(found, key=lambda risk: -risk.rows)


def certain(column: ColumnPlan, profile: ColumnProfile) -> bool:
    """Return whether the profile alone shows that every value of a column fits its cast.

    ``False`` says nothing: the values have to be tried.
    """
    if column.cast == "uuid5_kept":
        return True  # it refuses what uuid5 refuses, in the same column
    if column.required and profile.nulls and not column.option("value"):
        return False
    if not profile.filled:
        return True
    if column.cast == "bytea":
        return profile.blobs == profile.filled
    if profile.numbers != profile.filled or profile.smallest is None or profile.largest is None:
        return False
    return _numbers_fit(column, profile, profile.smallest, profile.largest)


def _numbers_fit(column: ColumnPlan, profile: ColumnProfile, smallest: float, largest: float) -> bool:
    kind, whole = column.type, not profile.reals
    if column.cast == "integer":
        bound = 1 << (8 * int(kind.name[3:]) - 1)
        return whole and -bound <= smallest and largest < bound
    if column.cast == "float":
        return kind.name == "float8" and (not profile.integers or (smallest >= -_EXACT and largest <= _EXACT))
    if column.cast in ("numeric", "json"):
        return whole and kind.precision is None
    if column.cast == "boolean":
        return whole and smallest >= 0 and largest <= 1
    if column.cast == "text":
        return kind.length is None and kind.name == "text"
    clock = CLOCKS.get(column.option("unit") or column.cast)
    # Whole numbers within the clock's own range are moments of our time; days and timestamp(3) hold fewer.
    fine = clock is not None and whole and clock.shows(smallest) and clock.shows(largest) and clock.unit >= 1
    return fine and kind.name != "date" and kind.precision is None
