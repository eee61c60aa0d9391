"""Measures what the values of each column are: one pass inside SQLite, and a second look where that leaves doubts."""

from __future__ import annotations

import math
import re
import sqlite3
from collections import Counter
from decimal import Decimal
from typing import Any

from howdah import sampling
from howdah.casts import CastError
from howdah.casts.boolean import WORDS
from howdah.casts.clocks import CLOCKS
from howdah.casts.numeric import fits
from howdah.casts.temporal import ISO
from howdah.casts.uuid_ import parse
from howdah.catalog.affinity import affinity
from howdah.catalog.model import SourceCatalog, SourceColumn, SourceTable
from howdah.declared import (
    declared_length,
    declared_precision,
    declares_time,
    is_uuid,
    speaks_of_money,
    speaks_of_time,
)
from howdah.discover import quoted
from howdah.profile import ColumnProfile, Profile, TableProfile

# SQLite refuses more than 2,000 result columns in one statement by default, and 1,000 levels of an expression.
_PER_QUERY = 400
_CLASSES = ("integer", "real", "text", "blob")
# The storage classes that an affinity leaves to be expected; a column that has others is looked at again.
_EXPECTED = {
    "INTEGER": ("integer",),
    "REAL": ("real",),
    "TEXT": ("text",),
    "BLOB": ("integer", "real", "text"),
    "NUMERIC": ("integer", "real", "text"),
}
# Texts are brought into shape a batch at a time; no ISO 8601 moment and no UUID is longer.
_BATCH = 2_000
_LONGEST_SHAPE = 48
_FINER_TEXT = re.compile(rb"[.,][0-9]{6}[0-9]*[1-9]")
# The least number whose clock ticks faster than microseconds.
_FINE = min(clock.first for clock in CLOCKS.values() if clock.unit < 1)
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_HEXADECIMAL = bytes.maketrans(b"123456789abcdefABCDEF", b"0" * 21)


def measure(connection: sqlite3.Connection, catalog: SourceCatalog, sample: int | None = None) -> Profile:
    """Read every row of every table, inside SQLite, and count.

    :param sample: read only so many rows of each table; see :func:`howdah.sampling.choose`.
    """
    connection.create_function("howdah_fits", 3, fits, deterministic=True)
    connection.create_function("howdah_finer", 2, _finer, deterministic=True)
    connection.create_function("howdah_negative_zero", 1, _negative_zero, deterministic=True)
    return {table.name: _table(connection, table, sample) for table in catalog.tables}


def _table(connection: sqlite3.Connection, table: SourceTable, sample: int | None) -> TableProfile:
    chosen = sampling.choose(connection, table, sample)
    columns = [_Column(column, table) for column in table.columns]
    counts: dict[str, Any] = {}
    for look in (_first_look, _classes, _details):
        questions = _Questions()
        if look is _first_look:
            questions.ask(counts, "rows", "count(*)")
        for column in columns:
            look(questions, column)
        questions.answer(connection, chosen)
    for column in columns:
        _shapes(connection, column, chosen)
    profiles = tuple(column.profile(counts["rows"]) for column in columns)
    if sample is None:
        return TableProfile(table.name, counts["rows"], profiles)
    total = connection.execute(f"SELECT count(*) FROM {quoted(table.name)}").fetchone()[0]
    return TableProfile(table.name, total, profiles, sampled=counts["rows"])


class _Column:
    """What is known so far about a column."""

    def __init__(self, column: SourceColumn, table: SourceTable) -> None:
        self.name = column.name
        self.sql = quoted(column.name)
        self.declared = column.declared
        self.affinity = affinity(column.declared, table.strict)
        self.timely = declares_time(column.declared) or speaks_of_time(column.name)
        self.facts: dict[str, Any] = dict.fromkeys(_CLASSES, 0)
        core_data = column.declared.upper() == "TIMESTAMP" and any(c.name == "Z_PK" for c in table.columns)
        self.facts["core_data"] = core_data
        self.readings: dict[str, int] = {}

    @property
    def number(self) -> str:
        return f"typeof({self.sql}) IN ('integer', 'real')"

    @property
    def numbers(self) -> int:
        return int(self.facts["integer"] + self.facts["real"])

    @property
    def settled(self) -> bool:
        """Whether the first look counted every value."""
        return bool(sum(self.facts[kind] for kind in _CLASSES) == self.facts["filled"])

    def within(self, first: float, last: float) -> bool:
        """Return whether all numbers are from ``first`` to ``last``."""
        return bool(self.numbers) and first <= self.facts["smallest"] and self.facts["largest"] <= last

    def profile(self, rows: int) -> ColumnProfile:
        """Return the profile of the column."""
        facts = {name: value for name, value in self.facts.items() if name not in (*_CLASSES, "filled")}
        counts = {kind + "s": self.facts[kind] for kind in _CLASSES}
        nulls = rows - self.facts["filled"]
        readings = {name: count for name, count in self.readings.items() if count}
        return ColumnProfile(self.name, rows, nulls, **counts, **facts, readings=readings)


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


def _first_look(questions: _Questions, column: _Column) -> None:
    """Ask what every column is asked, and what its declaration makes worth knowing."""
    questions.ask(column.facts, "filled", f"count({column.sql})")
    expected = _EXPECTED[column.affinity]
    for kind in expected:
        questions.count(column.facts, kind, f"typeof({column.sql}) = '{kind}'")
    if expected != ("text",):
        # Numbers come before text and BLOBs in SQLite's order, so the least value is one if any is.
        value = f"{column.sql} COLLATE BINARY"
        for name, function in (("smallest", "min"), ("largest", "max")):
            bound = f"{function}({value})"
            only = f"CASE WHEN typeof({bound}) IN ('integer', 'real') THEN {bound} END"
            questions.ask(column.facts, name, only)
    if declared_length(column.declared):
        longest = f"coalesce(max(CASE WHEN typeof({column.sql}) = 'text' THEN length({column.sql}) END), 0)"
        questions.ask(column.facts, "longest", longest)


def _classes(questions: _Questions, column: _Column) -> None:
    """Ask again where values of an unexpected storage class turned up."""
    facts = column.facts
    unexpected = [kind for kind in _CLASSES if kind not in _EXPECTED[column.affinity]]
    if not column.settled and len(unexpected) > 1:
        for kind in unexpected:
            questions.count(facts, kind, f"typeof({column.sql}) = '{kind}'")
    elif not column.settled:
        facts[unexpected[0]] = facts["filled"] - sum(facts[kind] for kind in _CLASSES)
    if not column.settled or facts["text"] or facts["blob"]:
        for name, function in (("smallest", "min"), ("largest", "max")):
            if facts.get(name) is None and (not column.settled or column.numbers):
                questions.ask(facts, name, f"{function}(CASE WHEN {column.number} THEN {column.sql} END)")


def _details(questions: _Questions, column: _Column) -> None:
    """Ask what the declaration, the name and the counts so far give a reason to ask."""
    facts, c = column.facts, column.sql
    word = column.declared.upper()
    if word in ("BOOL", "BOOLEAN"):
        if facts["integer"] and not (column.within(0, 1) and not facts["real"]):
            questions.count(facts, "truths", f"typeof({c}) = 'integer' AND {c} IN (0, 1)")
        else:
            facts["truths"] = facts["integer"]
        if facts["text"]:
            words = ", ".join(f"'{spelling}'" for spelling in WORDS)
            questions.count(facts, "words", f"typeof({c}) = 'text' AND lower({c}) IN ({words})")
    if word in ("JSON", "JSONB") and facts["text"]:
        questions.count(facts, "documents", f"typeof({c}) = 'text' AND json_valid({c})")
    precision, scale = declared_precision(column.declared)
    if precision and column.numbers:
        questions.count(facts, "fitting", _fitting(column, precision, scale))
    if column.affinity == "REAL" and facts["real"] and speaks_of_money(column.name):
        questions.count(facts, "cents", f"typeof({c}) = 'real' AND {c} = round({c}, 2)")
    if facts["integer"] and facts["real"] and facts["smallest"] <= 0 <= facts["largest"]:
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
    if facts["real"]:
        questions.count(facts, "fractions", fraction)
    if facts["real"] or facts["largest"] >= _FINE:
        by = "apple_s" if facts["core_data"] else ""
        fine = f"({fraction}) OR (typeof({c}) = 'integer' AND {c} >= {_FINE})"
        questions.count(facts, "finer", f"CASE WHEN {fine} THEN howdah_finer({c}, '{by}') END")


def _shapes(connection: sqlite3.Connection, column: _Column, rows: sampling.Rows) -> None:
    """Count texts by their shape, all digits being alike, where the declaration speaks of time or of UUIDs."""
    uuids = is_uuid(column.declared)
    if not column.facts["text"] or not (uuids or declares_time(column.declared)):
        return
    found: Counter[bytes] = Counter()
    finer = 0
    # As BLOBs: the shape of a text that is no UTF-8 is not asked for, but must not stop us.
    texts = f"SELECT CAST(substr({column.sql}, 1, {_LONGEST_SHAPE}) AS BLOB) FROM {rows.source}"
    cursor = connection.execute(f"{texts} WHERE typeof({column.sql}) = 'text'", rows.parameters)
    while batch := cursor.fetchmany(_BATCH):
        # No UTF-8 holds this byte.
        joined = b"\xff".join([row[0] for row in batch])
        found.update(joined.translate(_HEXADECIMAL if uuids else _DIGITS).split(b"\xff"))
        finer += 0 if uuids else len(_FINER_TEXT.findall(joined))
    facts = column.facts
    facts["finer"] = facts.get("finer", 0) + finer
    for raw, count in found.items():
        shape = raw.decode("latin-1")
        if uuids:
            facts["uuids"] = facts.get("uuids", 0) + count * (parse(shape) is not None)
        elif match := ISO.fullmatch(shape):
            for name, there in (("days", not match["time"]), ("moments", match["time"]), ("zoned", match["zone"])):
                facts[name] = facts.get(name, 0) + count * bool(there)


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
