"""Translated expressions against both engines: where a translation exists, they agree on every row."""

from __future__ import annotations

import random
import sqlite3

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from howdah.translate import Column, Kind, TableScope, UntranslatableError, check, key_part

COLUMNS = {
    "i": (Column("i", Kind.INTEGER), "INTEGER", "bigint", [None, -7, 0, 1, 2, 7, 2**40]),
    "j": (Column("j", Kind.INTEGER), "INTEGER", "bigint", [None, -2, 0, 1, 3]),
    "f": (Column("f", Kind.FLOAT, real=True), "REAL", "double precision", [None, -0.5, 0.0, 0.1, 2.5, 1e15]),
    "p": (Column("p", Kind.DECIMAL, precision=10), "NUMERIC(10,2)", "numeric(10,2)", [None, -3, 0, 0.25, 7]),
    "t": (
        Column("t", Kind.TEXT),
        "TEXT",
        "text",
        [None, "", "a", "A", "ab", "É", "é", "5", "x_y", "x%", " a ", "Zz\n"],
    ),
    "n": (Column("n", Kind.TEXT, "NOCASE"), "TEXT COLLATE NOCASE", "text", [None, "", "AB", "ab", "É", "é", "_", "Z"]),
    "b": (Column("b", Kind.FLAG), "BOOLEAN", "boolean", [None, 0, 1]),
    "d": (Column("d", Kind.DATE), "DATE", "date", [None, "2024-02-29", "1999-12-31"]),
    "m": (Column("m", Kind.MOMENT), "DATETIME", "timestamp", [None, "2024-02-29 23:59:58", "1999-12-31T00:00:00"]),
    "x": (Column("x", Kind.BLOB), "BLOB", "bytea", [None, b"", b"\x00\xff", b"a"]),
}
SCOPE = {name: column for name, (column, *_) in COLUMNS.items()}
_CHANCE = random.Random(3)
ROWS = [tuple(_CHANCE.choice(values) for *_, values in COLUMNS.values()) for _ in range(150)]


@pytest.fixture(scope="module")
def engines(server_dsn):
    lite = sqlite3.connect(":memory:")
    lite.execute(f"CREATE TABLE r (id INTEGER PRIMARY KEY, {', '.join(f'{n} {c[1]}' for n, c in COLUMNS.items())})")
    numbered = [(number, *row) for number, row in enumerate(ROWS)]
    lite.executemany(f"INSERT INTO r VALUES ({', '.join('?' * len(numbered[0]))})", numbered)
    with psycopg.connect(server_dsn, dbname="postgres", autocommit=True) as server:
        kinds = ", ".join(f"{name} {column[2]}" for name, column in COLUMNS.items())
        server.execute(f"CREATE TEMP TABLE r (id bigint, {kinds})")
        flag = list(COLUMNS).index("b") + 1
        with server.cursor().copy("COPY r FROM STDIN") as copy:
            for row in numbered:
                copy.write_row([bool(v) if at == flag and v is not None else v for at, v in enumerate(row)])
        yield lite, server
    lite.close()


def agree(engines, condition: str) -> bool:
    """Return whether the condition was translated; fail when the engines disagree on some row."""
    lite, server = engines
    try:
        translated = check(TableScope("r", SCOPE), condition)
    except UntranslatableError:
        return False
    wanted = [None if v is None else bool(v) for (v,) in lite.execute(f"SELECT ({condition}) FROM r ORDER BY id")]
    try:
        found = [value for (value,) in server.execute(f"SELECT ({translated}) FROM r ORDER BY id")]
    except psycopg.errors.NumericValueOutOfRange:
        # SQLite goes on with a double, or with infinity; PostgreSQL says so, and the row goes to quarantine.
        return True
    assert found == wanted, (condition, translated)
    return True


WHOLE = [
    *("i", "NOT i", "i > 0", "i = j", "i <> j OR j IS NULL", "i / j > 1", "i % j = 1", "-i < j", "i BETWEEN j AND 7"),
    *("f > 0.1", "f = 0.1", "f * i > 1", "f / j < 0", "f", "p > 0.25", "p * 2 = 0.5", "p IN (0.25, 7)", "abs(i) > 3"),
    *("t", "t LIKE 'A%'", "t NOT LIKE '%b'", "t LIKE 'É'", "t LIKE 'x!%' ESCAPE '!'", "t LIKE 'x_y'", "i LIKE '7'"),
    *("t GLOB '[a-z]*'", "t GLOB '*[^0-9]*'", "t NOT GLOB '?'", "t GLOB '[]x]*'", "t GLOB 'x[_%]*'", "t GLOB '*\n'"),
    *("t > 'a'", "t < 'É'", "t BETWEEN 'A' AND 'a'", "n = 'AB'", "n IN ('ab', '_')", "n < '_'", "'ab' = n", "n = t"),
    *("t = 'AB' COLLATE NOCASE", "t COLLATE NOCASE > n", "t = 5", "t || i = 'a7'", "upper(t) = t", "lower(t) = 'é'"),
    *("length(t) = 2", "length(x) = 1", "length(i) > 1", "trim(t) = 'a'", "ltrim(t, ' a') = ''", "substr(t, 2) = ''"),
    *("substr(t, 1, 1) = 'a'", "instr(t, 'b') > 0", "replace(t, 'a', 'b') = 'bb'", "typeof(i) = 'integer'"),
    *(
        "typeof(f) IN ('real', 'null')",
        "typeof(t) <> 'text'",
        "x = x'00ff'",
        "x > x''",
        "hex(x) = '00FF'",
        "b",
        "b = 1",
    ),
    *("NOT b", "b IN (0, 1)", "b IS NOT TRUE", "b + i > 1", "coalesce(b, 0)", "d > '2000-01-01'", "d IS NULL"),
    *("strftime('%Y', m) = '2024'", "date(m) = '2024-02-29'", "time(m) > '12:00:00'", "strftime('%s', m) > '9'"),
    *("i IS j", "i IS NOT j", "i IS NOT NULL", "(i IS NULL) + (j IS NULL) = 1", "CASE WHEN i > 0 THEN j ELSE 1 END"),
    *("CASE t WHEN 'a' THEN 1 END", "iif(i, j, 0) = 0", "nullif(i, 7) IS NULL", "coalesce(i, j, 0) = 0", "i & 3"),
    *("i | 8 = 8", "CAST(f AS INTEGER) = 2", "CAST(i AS TEXT) = '7'", "CAST(i AS REAL) / 2 > 1", '"t" = "zz"'),
]


@pytest.mark.parametrize("condition", WHOLE)
def test_a_condition_means_the_same_on_every_row(engines, condition):
    translated = agree(engines, condition)
    # A text is no condition in PostgreSQL, and `|` is of the same rank as `=` to nobody but SQLite.
    assert translated is (condition not in ("t", "t GLOB '[]x]*'"))


@pytest.mark.parametrize(
    "condition",
    [
        *("t = i", "f = i", "m > '2024'", "m = m", "d > 'x'", "p / 2 > 1", "p / i > 1", "round(f) = 1", "random() > 0"),
        *(
            "i IN (SELECT 1)",
            "t LIKE n",
            "t REGEXP 'a'",
            "t COLLATE RTRIM = 'a'",
            "i = j = 1",
            "i < j IN (1)",
            "i << 2",
        ),
        *("printf('%d', i) = '1'", "substr(t, -1) = 'a'", "CAST(t AS INTEGER) = 5", "max(i, j) > 1", "f || 'x' = 'x'"),
        *("t MATCH 'a'", "json_valid(t)", "date(m, '+1 day') > 'x'", "x || t = 'x'", "t -> '$.a'", "i = '7'", "nobody"),
    ],
)
def test_a_condition_in_doubt_is_not_translated(condition):
    with pytest.raises(UntranslatableError):
        check(TableScope("r", SCOPE), condition)


def test_without_case_means_a_to_z_only(engines):
    lite, server = engines
    part = key_part(TableScope("r", SCOPE), "n", "NOCASE")
    wanted = lite.execute("SELECT count(DISTINCT n) FROM r").fetchone()
    assert server.execute(f"SELECT count(DISTINCT {part}) FROM r").fetchone() == wanted


_INTEGERS = st.sampled_from(["i", "j", "b", "0", "1", "-7", "2", "length(t)", "(i = j)"])
_NUMBERS = st.one_of(_INTEGERS, st.sampled_from(["f", "p", "0.1", "2.5", "abs(f)"]))
_TEXTS = st.sampled_from(["t", "n", "'a'", "'AB'", "''", "upper(t)", "trim(t)", "'É'", "t COLLATE NOCASE", "i"])


def _extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arithmetic = st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "%"]), inner)
    return st.one_of(arithmetic, st.builds("-({})".format, inner), st.builds("coalesce({}, {})".format, inner, inner))


_COMPARED = st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "IS", "IS NOT"])
_CONDITIONS = st.recursive(
    st.one_of(
        st.builds("({} {} {})".format, st.recursive(_NUMBERS, _extend, max_leaves=4), _COMPARED, _NUMBERS),
        st.builds("({} {} {})".format, _TEXTS, _COMPARED, _TEXTS),
        st.builds("({} IN ({}, {}))".format, _TEXTS, _TEXTS, _TEXTS),
        st.builds("({} BETWEEN {} AND {})".format, _TEXTS, _TEXTS, _TEXTS),
        st.builds("({} LIKE {})".format, _TEXTS, st.sampled_from(["'a%'", "'_'", "'%É%'", "'x\\%'", "'[a]'"])),
        st.builds("({} GLOB {})".format, _TEXTS, st.sampled_from(["'a*'", "'?'", "'[A-Z]*'", "'[^a]'", "'x.y'"])),
    ),
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("(NOT {})".format, inner),
        st.builds("(CASE WHEN {} THEN {} ELSE {} END)".format, inner, inner, inner),
    ),
    max_leaves=5,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=_CONDITIONS)
@example(condition="((i / (i = j)) > 0)")
def test_whatever_is_translated_means_the_same(engines, condition):
    agree(engines, condition)


def test_the_rows_are_various():
    assert all(len({repr(row[at]) for row in ROWS}) == len(values) for at, (*_, values) in enumerate(COLUMNS.values()))
