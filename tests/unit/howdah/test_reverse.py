"""Whether a column comes back exactly is promised by the plan; here the promise is put to the test."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howdah import casts, reverse, typemap
from howdah.casts import CastError
from howdah.catalog.affinity import affinity
from howdah.catalog.model import TargetType
from howdah.reverse import Stored, way
from tests import strategies

# Units per second of the clocks that are exact, and where they start, in seconds since 1970.
CLOCKS = {
    "epoch_s": (1, 0),
    "epoch_ms": (10**3, 0),
    "epoch_us": (10**6, 0),
    "epoch_ns": (10**9, 0),
    "apple_s": (1, 978_307_200),
    "apple_ns": (10**9, 978_307_200),
    "filetime": (10**7, -11_644_473_600),
    "webkit": (10**6, -11_644_473_600),
}


def stored_as(declared, values):
    """Return the values as a column of SQLite holds them."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE t (c {declared})")
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
        return [row[0] for row in connection.execute("SELECT c FROM t ORDER BY rowid")]


def described(declared, held):
    names = {int: "integer", float: "real", str: "text", bytes: "blob"}
    numbers = [value for value in held if isinstance(value, int | float)]
    return Stored(
        affinity(declared),
        frozenset(names[type(value)] for value in held if value is not None),
        nulls=None in held,
        least=min(numbers, default=0) <= reverse.LEAST,
    )


def written(text, kind, back):
    """Write PostgreSQL's text of a value as the plan says: what the exporter does in SQL, in plain words."""
    if back.storage == "blob":
        return bytes.fromhex(text.removeprefix("\\x").replace("-", ""))
    if back.unit:
        units, start = CLOCKS[back.unit]
        text = str((sqlite_seconds(text) - start) * units)
    if back.storage == "text":
        return text
    if kind.name == "bool":
        text = "1" if text == "t" else "0"
    if text in ("Infinity", "-Infinity") or back.storage == "real":
        return float(text)
    number = Fraction(float(text)) if kind.name in reverse.INEXACT else Fraction(text)
    whole = number.denominator == 1 and -(2**63) <= number < 2**63
    return int(number) if whole else float(text)


def sqlite_seconds(text):
    day, _, clock = text.removesuffix("+00").partition(" ")
    with closing(sqlite3.connect(":memory:")) as connection:
        days = connection.execute("SELECT julianday(?) - julianday('1970-01-01')", [day]).fetchone()[0]
    hours, minutes, seconds = (clock or "0:0:0").split(":")
    return Decimal(int(days)) * 86_400 + int(hours) * 3_600 + int(minutes) * 60 + Decimal(seconds)


def same(one, other):
    return type(one) is type(other) and repr(one) == repr(other)


@settings(max_examples=1500)
@given(
    strategies.declarations,
    strategies.targets,
    st.lists(strategies.values, min_size=1, max_size=4),
    st.sampled_from(["", *CLOCKS]),
)
def test_a_lossless_column_comes_back_value_by_value_and_class_by_class(declared, kind, values, unit):
    options = {"unit": unit} if unit and kind.name in reverse.TEMPORAL else {}
    held = stored_as(declared, values)
    name = casts.default_name(kind)
    back = way(name, kind, options, described(declared, held))
    if not back.lossless:
        assert back.loss
        return
    cast = casts.build(name, kind, options, [0])
    arrived = []
    for value in held:
        try:
            arrived.append((value, None if value is None else cast(value)))
        except CastError:
            continue
    again = stored_as(declared, [None if text is None else written(text, kind, back) for _, text in arrived])
    assert all(same(before, after) for (before, _), after in zip(arrived, again, strict=True)), (arrived, again)


@pytest.mark.parametrize(
    ("declared", "kind", "values"),
    [
        ("BOOLEAN", typemap.BOOLEAN, [0, 1]),
        ("INTEGER", typemap.BIGINT, [-(2**63), 0]),
        ("REAL", typemap.DOUBLE, [0.1, float("inf")]),
        ("", typemap.DOUBLE, [-0.0]),
        ("NUMERIC", typemap.DOUBLE, [1, 0.5]),
        ("DECIMAL(10, 2)", strategies.MONEY, [10, 10.25]),
        ("TEXT", typemap.TEXT, ["Größe", ""]),
        ("BLOB", typemap.BYTEA, [b"\x00"]),
        ("INTEGER", typemap.BIGINT, [1, "no number"]),
        ("TEXT", typemap.UUID, [None]),
        ("INTEGER", typemap.TEXT, [0, -(2**63), "n/a"]),
    ],
)
def test_what_is_lossless(declared, kind, values):
    assert way(casts.default_name(kind), kind, {}, described(declared, stored_as(declared, values))).loss == ""


@pytest.mark.parametrize(
    ("declared", "kind", "values", "loss"),
    [
        ("TEXT", typemap.JSONB, ["{}"], "one spelling"),
        ("TEXT", typemap.TIMESTAMPTZ, ["2024-01-01T00:00:00Z"], "one spelling"),
        ("TEXT", typemap.UUID, ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"], "one spelling"),
        ("BOOLEAN", typemap.BOOLEAN, [1, "yes"], "texts come back as numbers"),
        ("", typemap.DOUBLE, [1, 0.5], "no longer told apart"),
        ("", typemap.TEXT, [1, "a"], "numbers come back as texts"),
        ("TEXT", typemap.BIGINT, ["007"], "spelling"),
        ("NUMERIC", typemap.TEXT, [0.5, "n/a"], "last digit"),
        ("INTEGER", typemap.DOUBLE, [-(2.0**63)], "as an integer"),
        ("", typemap.BOOLEAN, [-0.0, 1.0], "reals come back as integers"),
    ],
)
def test_what_is_lost_is_said(declared, kind, values, loss):
    assert loss in way(casts.default_name(kind), kind, {}, described(declared, stored_as(declared, values))).loss


def test_moments_from_numbers_go_back_as_numbers():
    kind = typemap.TIMESTAMPTZ
    assert way("moment", kind, {"unit": "epoch_ms"}, described("INTEGER", [1_700_000_000_000])) == reverse.Way(
        "number", "epoch_ms"
    )
    assert way("epoch_s", kind, {}, described("REAL", [1_700_000_000.25])) == reverse.Way("real", "epoch_s")
    assert "-0.0" in way("epoch_s", kind, {}, described("", [-0.0])).loss


def test_what_was_rounded_or_cut_is_a_loss():
    kind = typemap.TIMESTAMPTZ
    assert "as fine as" in way("julian", kind, {}, described("REAL", [2_460_000.25])).loss
    assert "were cut" in way("epoch_ns", kind, {"truncate": "yes"}, described("INTEGER", [1])).loss
    assert way("epoch_ns", kind, {}, described("INTEGER", [1])).lossless


def test_a_null_that_a_constant_stands_for_is_a_loss():
    with_null, without = described("TEXT", ["a", None]), described("TEXT", ["a"])
    assert "stands for it" in way("text", typemap.TEXT, {"value": "x"}, with_null).loss
    assert way("text", typemap.TEXT, {"value": "x"}, without).lossless


def test_days_that_are_all_spelled_alike_come_back():
    kind = TargetType("date", "date")
    assert way("moment", kind, {}, Stored("NUMERIC", frozenset({"text"}), canonical=True)).lossless
    assert not way("moment", kind, {}, Stored("NUMERIC", frozenset({"text"}))).lossless


def test_a_sample_promises_only_what_the_affinity_promises():
    assert way("text", typemap.TEXT, {}, reverse.unknown("TEXT")).lossless
    assert way("bytea", typemap.BYTEA, {}, reverse.unknown("BLOB")).lossless
    for kind, declared in ((typemap.BIGINT, "INTEGER"), (typemap.TEXT, "BLOB"), (typemap.BOOLEAN, "NUMERIC")):
        assert not way(casts.default_name(kind), kind, {}, reverse.unknown(declared)).lossless
