"""Measures what the values of each column are: one pass over the rows, and a second look where that leaves doubts."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from howdah import sampling
from howdah.casts import CastError
from howdah.casts.clocks import CLOCKS
from howdah.casts.numeric import fits
from howdah.casts.temporal import ISO
from howdah.casts.uuid_ import parse
from howdah.catalog import sqlite
from howdah.catalog.affinity import affinity
from howdah.catalog.model import SourceColumn, SourceTable
from howdah.declared import (
    declared_length,
    declared_precision,
    declares_time,
    is_uuid,
    speaks_of_money,
    speaks_of_time,
)
from howdah.discover import quoted
from howdah.native.profile import Counts, Source
from howdah.native.tree import UnknownError
from howdah.pages import stored_rows
from howdah.profile import ColumnProfile, Profile, TableProfile, shared_profile
from howdah.shared import Shared

# SQLite refuses more than 2,000 result columns in one statement by default, and 1,000 levels of an expression.
_PER_QUERY = 400
# The least number whose clock ticks faster than microseconds.
_FINE = min(clock.first for clock in CLOCKS.values() if clock.unit < 1)


def _alphabet(alike: bytes, kept: bytes) -> bytes:
    """Return what stands for each byte in the shape of a text: 0 for those that are alike, and nothing for others."""
    return bytes(ord("0") if byte in alike else byte if byte in kept else 0 for byte in range(256))


_MOMENTS = _alphabet(b"0123456789", b"-:.,+ TtZzUC")
_UUIDS = _alphabet(b"0123456789abcdefABCDEF", b"-{}")
_COUNTED = ("integers", "reals", "texts", "blobs", "smallest", "largest", "longest", "truths", "words")


def measure(path: Path, tables: Iterable[SourceTable], sample: int | None = None) -> Profile:
    """Read every row of every table, and count.

    :param path: of the snapshot.
    :param sample: read only so many rows of each table; see :func:`howdah.sampling.choose`.
    :raises sqlite3.DatabaseError: the snapshot cannot be read.
    """
    with (
        closing(Source(f"{path.absolute().as_uri()}?mode=ro&immutable=1")) as source,
        sqlite.open_snapshot(path) as connection,
    ):
        connection.create_function("howdah_fits", 3, fits, deterministic=True)
        connection.create_function("howdah_finer", 2, _finer, deterministic=True)
        connection.create_function("howdah_negative_zero", 1, _negative_zero, deterministic=True)
        shared = Shared()
        return {table.name: _table(path, source, connection, table, sample, shared) for table in tables}


def _table(
    path: Path,
    source: Source,
    connection: sqlite3.Connection,
    table: SourceTable,
    sample: int | None,
    shared: Shared,
) -> TableProfile:
    chosen = sampling.choose(connection, table, sample)
    columns, rows = _counted(path, source, table, chosen, usual=sample is None)
    questions = _Questions()
    for column in columns:
        column.take_counts()
        _details(questions, column)
    questions.answer(connection, chosen)
    profiles = tuple(shared_profile(shared, column.profile(rows)) for column in columns)
    if sample is None:
        return TableProfile(table.name, rows, profiles)
    total = connection.execute(f"SELECT count(*) FROM {quoted(table.name)}").fetchone()[0]
    return TableProfile(table.name, total, profiles, sampled=rows)


def _counted(
    path: Path, source: Source, table: SourceTable, chosen: sampling.Rows, *, usual: bool
) -> tuple[list[_Column], int]:
    """Return columns that are counted, and of how many rows.

    :param usual: all rows are chosen.
    """
    if usual:
        with suppress(UnknownError), stored_rows(path, table) as found:
            columns = [_Column(column, table) for column in table.columns]
            return columns, found.count([column.counts for column in columns])
    columns = [_Column(column, table) for column in table.columns]
    return columns, source.scan(chosen.source, chosen.parameters, [column.counts for column in columns])


class _Column:
    """What is known so far about a column.

    :ivar counts: what the pass over the rows counts.
    :ivar facts: fields of its profile.
    :ivar readings: clock → numbers that speak for it.
    """

    def __init__(self, column: SourceColumn, table: SourceTable) -> None:
        self.name = column.name
        self.sql = quoted(column.name)
        self.declared = column.declared
        self.affinity = affinity(column.declared, table.strict)
        times, uuids = declares_time(column.declared), is_uuid(column.declared)
        self.timely = times or speaks_of_time(column.name)
        core_data = column.declared.upper() == "TIMESTAMP" and any(c.name == "Z_PK" for c in table.columns)
        self.facts: dict[str, Any] = {"core_data": core_data}
        self.readings: dict[str, int] = {}
        self.counts = Counts(
            self.sql,
            measured=bool(declared_length(column.declared)),
            booleans=column.declared.upper() in ("BOOL", "BOOLEAN"),
            timely=times,
            alphabet=_MOMENTS if times else _UUIDS if uuids else None,
            shaped=partial(_add_moments if times else _add_uuids, self.facts),
        )

    @property
    def number(self) -> str:
        return f"typeof({self.sql}) IN ('integer', 'real')"

    @property
    def numbers(self) -> int:
        return int(self.facts["integers"] + self.facts["reals"])

    def within(self, first: float, last: float) -> bool:
        """Return whether all numbers are from ``first`` to ``last``."""
        return bool(self.numbers) and first <= self.facts["smallest"] and self.facts["largest"] <= last

    def take_counts(self) -> None:
        """Make facts of what the pass counted."""
        self.facts |= {name: getattr(self.counts, name) for name in _COUNTED}

    def profile(self, rows: int) -> ColumnProfile:
        """Return the profile of the column."""
        counts, facts = self.counts, self.facts
        facts["finer"] = facts.get("finer", 0) + counts.finer
        nulls = rows - counts.integers - counts.reals - counts.texts - counts.blobs
        readings = {name: count for name, count in self.readings.items() if count}
        return ColumnProfile(self.name, rows, nulls, **facts, readings=readings)


class _Questions:
    """Aggregates that are asked of all columns in one statement."""

    def __init__(self) -> None:
        self._asked: list[tuple[dict[str, Any], str, str]] = []

    def ask(self, facts: dict[str, Any], name: str, aggregate: str) -> None:
        """Have ``facts[name]`` become the value of an aggregate; a sum over nothing is 0."""
        self._asked.append((facts, name, aggregate))

    def count(self, facts: dict[str, Any], name: str, condition: str) -> None:
        """Have ``facts[name]`` become the number of rows where a condition is true."""
        self.ask(facts, name, f"coalesce(sum({condition}), 0)")

    def wanted(self, facts: dict[str, Any]) -> bool:
        """Return whether something was asked for these facts."""
        return any(asked is facts for asked, _, _ in self._asked)

    def answer(self, connection: sqlite3.Connection, rows: sampling.Rows) -> None:
        """Read the rows once, if anything was asked."""
        for start in range(0, len(self._asked), _PER_QUERY):
            part = self._asked[start : start + _PER_QUERY]
            wanted = ", ".join(aggregate for _, _, aggregate in part)
            values = connection.execute(f"SELECT {wanted} FROM {rows.source}", rows.parameters).fetchone()
            for (facts, name, _), value in zip(part, values, strict=True):
                facts[name] = value


def _details(questions: _Questions, column: _Column) -> None:
    """Ask what the declaration, the name and the counts give a reason to ask."""
    facts, c = column.facts, column.sql
    word = column.declared.upper()
    if word in ("JSON", "JSONB") and facts["texts"]:
        questions.count(facts, "documents", f"typeof({c}) = 'text' AND json_valid({c})")
    precision, scale = declared_precision(column.declared)
    if precision and column.numbers:
        questions.count(facts, "fitting", _fitting(column, precision, scale))
    if column.affinity == "REAL" and facts["reals"] and speaks_of_money(column.name):
        questions.count(facts, "cents", f"typeof({c}) = 'real' AND {c} = round({c}, 2)")
    if facts["integers"] and facts["reals"] and facts["smallest"] <= 0 <= facts["largest"]:
        zero = f"CASE WHEN typeof({c}) = 'real' AND {c} = 0 THEN howdah_negative_zero({c}) END"
        questions.count(facts, "negative_zeros", zero)
    _clocks(questions, column)


def _fitting(column: _Column, precision: int, scale: int) -> str:
    """Return SQL of whether a number enters numeric(precision, scale) as it is."""
    c, exactly = column.sql, f"howdah_fits({column.sql}, {precision}, {scale})"
    # A double that equals its rounding to a few decimals is that decimal; the function of ours is slow.
    if scale <= 6:
        bound = 10 ** min(precision - scale, 9)
        exactly = f"({c} = round({c}, {scale}) AND {c} > -{bound} AND {c} < {bound} OR {exactly})"
    # Functions of ours see numbers only: text may be no UTF-8, which Python's sqlite3 cannot pass to them.
    return f"CASE WHEN {column.number} THEN {exactly} END"


def _clocks(questions: _Questions, column: _Column) -> None:
    """Ask which clocks the numbers speak for."""
    if not column.numbers:
        return
    facts, c = column.facts, column.sql
    if facts["core_data"]:
        column.readings["apple_s"] = column.numbers
    for name, clock in CLOCKS.items():
        if facts["core_data"] or (name in ("julian", "apple_s") and not column.timely):
            continue
        if column.within(clock.first, clock.last - 1):
            column.readings[name] = column.numbers
        elif facts["smallest"] < clock.last and facts["largest"] >= clock.first:
            condition = f"{column.number} AND {c} >= {clock.first} AND {c} < {clock.last}"
            questions.count(column.readings, name, condition)
    if not column.readings and not questions.wanted(column.readings):
        return
    fraction = f"typeof({c}) = 'real' AND {c} <> CAST({c} AS INTEGER)"
    if facts["reals"]:
        questions.count(facts, "fractions", fraction)
    if facts["reals"] or facts["largest"] >= _FINE:
        by = "apple_s" if facts["core_data"] else ""
        fine = f"({fraction}) OR (typeof({c}) = 'integer' AND {c} >= {_FINE})"
        questions.count(facts, "finer", f"CASE WHEN {fine} THEN howdah_finer({c}, '{by}') END")


def _add_moments(facts: dict[str, Any], shape: bytes, texts: int) -> None:
    """Count texts of a shape that is one of ISO 8601."""
    if match := ISO.fullmatch(shape.decode("ascii")):
        for name, there in (("days", not match["time"]), ("moments", match["time"]), ("zoned", match["zone"])):
            facts[name] = facts.get(name, 0) + texts * bool(there)


def _add_uuids(facts: dict[str, Any], shape: bytes, texts: int) -> None:
    """Count texts of a shape that is one of UUIDs."""
    facts["uuids"] = facts.get("uuids", 0) + texts * (parse(shape.decode("ascii")) is not None)


def _finer(value: float, by: str) -> bool:
    """Return whether a number is finer than a microsecond by the clock that it speaks for."""
    clock = CLOCKS[by] if by else next((clock for clock in CLOCKS.values() if clock.shows(value)), None)
    if clock is None or math.isinf(value):
        return False
    try:
        clock.read(Decimal(repr(value)))
    except CastError as error:
        return error.code == "sub_microsecond"
    return False


def _negative_zero(value: float) -> bool:
    return math.copysign(1, value) < 0
