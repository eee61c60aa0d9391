"""Hypothesis strategies that several tests share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from howdah import typemap
from howdah.catalog.model import TargetType

INT4, INT2 = TargetType("int4", "integer"), TargetType("int2", "smallint")
MONEY = TargetType("numeric", "numeric(10,2)", precision=10, scale=2)
REAL = TargetType("float4", "real")
CHAR = TargetType("bpchar", "character(5)", length=5)
SHORT = TargetType("varchar", "character varying(3)", length=3)
JSON = TargetType("json", "json")
TIME = TargetType("time", "time without time zone")

declarations = st.sampled_from(
    ["", "INTEGER", "INT", "BOOLEAN", "REAL", "DOUBLE PRECISION", "TEXT", "VARCHAR(20)", "BLOB", "NUMERIC", "DATETIME"]
)
"""Declared types, several of every affinity."""

_numbers = [0, 1, -1, -(2**63), 2**63 - 1, 2**53 + 1, 0.0, -0.0, 1.0, 0.5, 0.1, 1e22, 2.0**62, -(2.0**63), 2.0**63]
_extremes = [float("inf"), float("-inf"), 5e-324, 1.7976931348623157e308, 1_700_000_000, 1_700_000_000.25]
_words = [
    "",
    " ",
    "0",
    "1",
    "007",
    "1.50",
    "1e5",
    "t",
    "true",
    "YES",
    "abc",
    "Größe",
    "a\x00b",
    "NaN",
    "null",
    "[1, 2]",
]
_times = ["2024-02-29", "2024-02-29 10:11:12", "2024-02-29T10:11:12.5Z", "2024-02-29 00:00", "10:11:12", "10:11"]
_uuids = ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", '{"b": 1, "a": 2}', "123"]
_blobs = [b"", b"\x00\xff", bytes(range(16))]
awkward = st.sampled_from([*_numbers, *_extremes, *_words, *_times, *_uuids, *_blobs])
"""Values at which conversions have gone wrong."""

values = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.floats(allow_nan=False, width=32)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.binary(max_size=20)
    | awkward
)
"""Whatever a column of SQLite may be given."""

_numeric = [typemap.BIGINT, INT4, INT2, typemap.DOUBLE, REAL, typemap.NUMERIC, MONEY, typemap.BOOLEAN]
_textual = [typemap.TEXT, SHORT, CHAR, JSON, typemap.JSONB, typemap.UUID, typemap.BYTEA]
_temporal = [TIME, typemap.DATE, typemap.TIMESTAMP, typemap.TIMESTAMPTZ]
targets = st.sampled_from([*_numeric, *_textual, *_temporal])
"""Types that howdah has a cast to."""


@dataclass(frozen=True)
class Table:
    """A random table, and what somebody tries to put into it.

    :ivar definitions: of columns and constraints; ``{own}`` stands for its name, ``{other}`` for another table's.
    :ivar columns: that the rows give values for.
    :ivar ending: of the statement, e.g. ``WITHOUT ROWID``.
    :ivar indexes: more statements, with the same marks.
    """

    definitions: tuple[str, ...]
    columns: tuple[str, ...]
    ending: str
    indexes: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def create(self, own: str, other: str) -> list[str]:
        """Return the statements that make it."""
        table = f"CREATE TABLE {{own}} ({', '.join(self.definitions)}) {self.ending}"
        return [statement.format(own=own, other=other) for statement in (table, *self.indexes)]

    def insert(self, own: str) -> str:
        """Return the statement that inserts a row; what SQLite itself refuses is left out."""
        marks = ", ".join("?" * len(self.columns))
        return f"INSERT OR IGNORE INTO {own} ({', '.join(self.columns)}) VALUES ({marks})"


_rules = st.sampled_from(
    [
        "",
        "",
        "",
        "UNIQUE",
        "NOT NULL",
        "COLLATE NOCASE",
        "DEFAULT 7",
        "DEFAULT 'x'",
        "CHECK ({0} IS NOT 0)",
        "UNIQUE NOT NULL",
    ]
)
_keys = st.sampled_from(
    [
        ("", ""),
        ("id INTEGER PRIMARY KEY", ""),
        ("id INTEGER PRIMARY KEY AUTOINCREMENT", ""),
        ("id TEXT PRIMARY KEY", ""),
        ("id, PRIMARY KEY (id, c0)", ""),
        ("id TEXT COLLATE NOCASE PRIMARY KEY", "WITHOUT ROWID"),
    ]
)
_indexes = st.sampled_from(
    [
        (),
        ("CREATE INDEX {own}_c0 ON {own} (c0 DESC)",),
        ("CREATE UNIQUE INDEX {own}_some ON {own} (c0) WHERE r IS NULL",),
        ("CREATE INDEX {own}_lower ON {own} (lower(c0))",),
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Return tables of every kind of key, with constraints, references, and values that fit none of it."""
    key, ending = draw(_keys)
    kinds = draw(st.lists(st.tuples(declarations, _rules), min_size=1, max_size=4))
    columns = [f"c{number}" for number in range(len(kinds))]
    definitions = [
        f"{name} {declared} {rule.format(name)}" for name, (declared, rule) in zip(columns, kinds, strict=True)
    ]
    first, _, constraint = key.partition(", ")
    referring = draw(st.sampled_from(["r INTEGER", "r INTEGER REFERENCES {other}", "r REFERENCES {own} (id)"]))
    parts = [first, *definitions, referring, constraint]
    given = [*columns, "r"]
    small = st.none() | st.integers(1, 3)
    singles = [*[values] * len(columns), small]
    if first and "INTEGER" not in first:
        given, singles = ["id", *given], [values, *singles]
    rows = draw(st.lists(st.tuples(*singles), max_size=7))
    return Table(tuple(part for part in parts if part), tuple(given), ending, draw(_indexes), tuple(rows))
