"""The profile against a count in plain Python, and what it decides about time."""

from __future__ import annotations

import json
import math
import re
import signal
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howdah import profiling
from howdah.casts.boolean import WORDS
from howdah.casts.clocks import CLOCKS
from howdah.casts.temporal import ISO
from howdah.catalog import sqlite
from howdah.native.profile import Counts, Source
from howdah.native.tree import UnknownError
from howdah.plain import json_parts
from howdah.profile import from_json, to_json
from howdah.profiling import measure
from howdah.timekeeping import clock_of, rivals, shown

DECLARED = ["", "INTEGER", "REAL", "TEXT", "BLOB", "NUMERIC(6,2)", "DATETIME", "BOOLEAN", "VARCHAR(3)", "JSON", "UUID"]
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, 1_700_000_000, 1_700_000_000_000, 2_460_000])
REALS = st.floats(allow_nan=False) | st.sampled_from([-0.0, 0.5, 2_460_263.5, 700_000_000.25, 1_700_000_000.1234567])
TEXTS = (
    st.text(max_size=5)
    | st.sampled_from(
        ["true", "NO", "2024-01-01", "2024-01-01 10:00", "2024-01-01T10:00:00Z", "{}", "[", "a\x00b", "1,234.50"]
    )
    | st.sampled_from(
        ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", "2024-01-01\n2024-01-01"]
    )
)
VALUES = st.none() | NUMBERS | REALS | TEXTS | st.binary(max_size=4)


@contextmanager
def source(declared, values, name="c", others=(), encoding="UTF-8"):
    """Give the path of a database with a table whose column has these values, and a connection to it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "source.db")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA encoding = '{encoding}'")
            connection.execute("PRAGMA synchronous = OFF")
            columns = ", ".join([f'"{name}" {declared}', *others])
            connection.execute(f"CREATE TABLE t ({columns})")
            connection.executemany(f'INSERT INTO t ("{name}") VALUES (?)', [(value,) for value in values])
            connection.commit()
            yield path, connection


def measured(path, sample=None):
    return measure(path, sqlite.read(path).tables, sample)


def profile(declared, values, name="c", others=(), sample=None, encoding="UTF-8"):
    with source(declared, values, name, others, encoding) as (path, _):
        return measured(path, sample)["t"].columns[0]


@given(st.sampled_from(DECLARED), st.lists(VALUES, max_size=12))
def test_every_value_is_counted_by_its_storage_class_whatever_was_declared(declared, values):
    with source(declared, values) as (path, connection):
        measurements = measured(path)
        stored = [row[0] for row in connection.execute("SELECT c FROM t")]
    found = measurements["t"].columns[0]
    classes = [sum(isinstance(value, kind) for value in stored) for kind in (int, float, str, bytes)]
    assert [found.integers, found.reals, found.texts, found.blobs] == classes
    assert found.nulls == stored.count(None)
    numbers = [value for value in stored if isinstance(value, int | float)]
    # An integer is no real: 1 and 1.0 are told apart, and the first of equal ones is kept, as min() does.
    bounds = min(numbers, default=None), max(numbers, default=None)
    assert (repr(found.smallest), repr(found.largest)) == (repr(bounds[0]), repr(bounds[1]))
    if found.integers and found.reals:
        assert found.negative_zeros == sum(v == 0 and math.copysign(1, v) < 0 for v in numbers if isinstance(v, float))
    if max(numbers, default=0) >= 631_152_000:
        for name in ("epoch_s", "epoch_ms", "filetime"):
            assert found.readings.get(name, 0) == sum(CLOCKS[name].shows(value) for value in numbers)
    assert from_json(json.loads("".join(json_parts(to_json(measurements))))) == measurements


NEAR = st.sampled_from([2**53, 2**53 + 1, 2.0**53, 2**63 - 1, 2.0**63, -(2**63), -(2.0**63), 1, 1.0, -1, -1.5, -0.0, 0])


@given(st.lists(NEAR, min_size=1, max_size=6))
def test_integers_and_reals_are_compared_exactly(values):
    found = profile("", values)
    assert (repr(found.smallest), repr(found.largest)) == (repr(min(values)), repr(max(values)))


@given(st.lists(st.text(max_size=8) | st.sampled_from(["Größe", "a\x00bcd", "\x00", "🐘🐘"]), max_size=6))
def test_texts_are_measured_as_sqlite_measures_them(values):
    with source("VARCHAR(3)", values) as (path, connection):
        connection.execute("INSERT INTO t VALUES (CAST(x'ff80804180ff' AS TEXT))")
        connection.commit()
        longest = connection.execute("SELECT max(length(c)) FROM t").fetchone()[0]
        assert measured(path)["t"].columns[0].longest == longest


@given(st.lists(st.sampled_from([*WORDS, *(word.title() for word in WORDS), "truth", "", "on ", "y\x00", "tr"])))
def test_words_for_true_and_false_are_counted_in_any_case(words):
    # As text: the declaration would make numbers of 0 and 1.
    counts = Counts("c", booleans=True)
    with source("TEXT", words) as (path, _):
        Source(path.as_uri()).scan("t", (), [counts])
    assert counts.words == sum(word.lower() in WORDS for word in words)


@given(st.lists(VALUES, min_size=1, max_size=12))
def test_texts_of_time_are_told_by_their_shape(values):
    found = profile("TEXT_DATE", values)
    texts = [str(value) for value in values if isinstance(value, str)]
    assert found.days == texts.count("2024-01-01")
    assert (found.moments, found.zoned) == (
        texts.count("2024-01-01 10:00") + texts.count("2024-01-01T10:00:00Z"),
        texts.count("2024-01-01T10:00:00Z"),
    )


@given(st.lists(st.from_regex(ISO, fullmatch=True) | st.text("0:-.,+ TZé", max_size=30), max_size=12))
def test_every_spelling_of_a_moment_has_its_shape(texts):
    # Longer texts are cut.
    texts = [text for text in texts if len(text) <= 48]
    found = profile("TEXT_DATE", texts)
    matches = [match for match in map(ISO.fullmatch, texts) if match]
    assert found.days == sum(not match["time"] for match in matches)
    assert found.moments == sum(bool(match["time"]) for match in matches)
    assert found.zoned == sum(bool(match["zone"]) for match in matches)
    assert found.finer == sum(len(re.findall("[.,][0-9]{6}[0-9]*[1-9]", text)) for text in texts)


@given(
    st.sampled_from(DECLARED), st.sampled_from(DECLARED), st.lists(st.tuples(VALUES | st.text(), VALUES), max_size=90)
)
def test_rows_counted_as_they_lie_in_the_pages_are_as_sqlite_counts_them(first, second, rows):
    with source(first, [], others=[f"d {second}", "id INTEGER PRIMARY KEY"]) as (path, connection):
        connection.executemany("INSERT INTO t VALUES (?, ?, NULL)", rows)
        connection.commit()
        found = measured(path)
        with pytest.MonkeyPatch.context() as changed:
            changed.setattr(profiling, "stored_rows", unknown)
            asked = measured(path)
    assert repr(found) == repr(asked)


class Unreadable:
    def __init__(self, _):
        pass

    def close(self):
        pass


def unknown(*_):
    raise UnknownError


def test_shapes_are_taken_out_of_the_pages_before_there_are_too_many():
    texts = [f"{'1' * (n % 40 + 1)}{'-' * (n // 40)}" for n in range(300)] + ["2024-01-01"] * 3
    assert profile("TEXT_DATE", texts).days == 3


def test_rows_of_usual_tables_are_not_asked_of_sqlite(monkeypatch):
    monkeypatch.setattr(profiling, "Source", Unreadable)
    found = profile("TEXT", ["a", None])
    assert (found.texts, found.nulls) == (1, 1)


def test_rows_that_are_older_than_a_column_are_counted_once():
    with source("TEXT_DATE", ["2024-01-01"] * 500) as (path, connection):
        connection.execute("INSERT INTO t VALUES ('2024-01-02')")
        connection.execute("ALTER TABLE t ADD COLUMN d DEFAULT 7")
        connection.execute("UPDATE t SET d = 8 WHERE rowid < 300")
        connection.commit()
        found = measured(path)["t"]
    assert (found.rows, found.columns[0].days, found.columns[1].integers) == (501, 501, 501)


def test_a_text_is_over_where_sqlite_has_its_end():
    found = profile("DATETIME", ["2024-01-01\x00z", "\x002024-01-01", f"2024-01-01 10:00:00.{'1' * 40}z"])
    assert (found.days, found.moments, found.zoned) == (1, 1, 0)


def test_more_shapes_than_are_kept_at_a_time_are_all_counted():
    texts = [f"2024-01-01T10:00:00.{'1' * more}{zone}" for more in range(1, 20) for zone in ("", "Z", "+01", " -0130")]
    strange = ["-" * n for n in range(48)]
    found = profile("DATETIME", [*texts, *strange, *texts])
    assert (found.texts, found.moments, found.zoned) == (200, 152, 114)


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_texts_are_read_in_any_encoding(encoding):
    day, uuid = "2024-01-01", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    assert profile("DATETIME", [day, "Größe"], encoding=encoding).days == 1
    assert profile("UUID", [uuid, day], encoding=encoding).uuids == 1
    assert profile("VARCHAR(2)", ["Größe", "🐘"], encoding=encoding).longest == 5


def test_what_a_declaration_asks_for_is_counted():
    mixed = ["true", "No", "maybe", 1, 0, 2, b"\xff"]
    assert (profile("BOOLEAN", mixed).truths, profile("BOOLEAN", mixed).words) == (2, 2)
    assert profile("JSON", ["{}", "[1", "{'a': 1}", 7]).documents == 1
    assert profile("NUMERIC(6,2)", [1.25, 1.255, 9999, 10_000, -0.5]).fitting == 3
    assert profile("REAL", [1.25, 1.255, 3], name="unit_price").cents == 2
    uuids = ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", "a0eebc99", "x" * 60]
    assert profile("UUID", uuids).uuids == 2
    assert profile("DATETIME", ["2024-01-01T00:00:00.1234567Z", "2024-01-01T00:00:00.1234560Z"]).finer == 1


def test_text_that_is_no_utf8_stops_nothing():
    with source("DATETIME", ["2024-01-01"]) as (path, connection):
        connection.execute(
            "INSERT INTO t VALUES (CAST(x'ff41' AS TEXT)), (CAST(x'41ff' AS TEXT)), (CAST(? AS TEXT))",
            [b"2024-01-01\xff"],
        )
        connection.commit()
        found = measured(path)["t"].columns[0]
    assert (found.texts, found.days) == (4, 1)


@pytest.mark.parametrize("more", [125, 126, 1_999])
def test_every_one_of_many_columns_is_counted(more):
    others = [f"c{n} INTEGER DEFAULT {n}" for n in range(more)]
    with source("DATETIME", [1_700_000_000, "2024-01-01", 2.5], others=others) as (path, _):
        found = measured(path)["t"].columns
    assert [(c.integers, c.largest) for c in found[1:]] == [(3, n) for n in range(more)]
    assert (found[0].integers, found[0].texts, found[0].reals, found[0].days) == (1, 1, 1, 1)


def test_tables_of_every_kind_are_read():
    with source("INTEGER", [1]) as (path, connection):
        connection.executescript("""
            CREATE TABLE "a""b" ("c""d" REAL, "" INTEGER); INSERT INTO "a""b" VALUES (1.5, 2);
            CREATE TABLE k (a TEXT, b INTEGER, PRIMARY KEY (b, a)) WITHOUT ROWID;
            INSERT INTO k VALUES ('x', 1), ('y', 'z');
            CREATE TABLE g (a INTEGER, b AS (a * 2), c TEXT AS (a || 'x') STORED); INSERT INTO g VALUES (3);
            CREATE TABLE shadowed (rowid, oid, _rowid_); INSERT INTO shadowed VALUES (1, 2.5, 'x');
            CREATE TABLE empty (a, b DATETIME);
        """)
        found = measured(path)
        sampled = measured(path, 1)
    classes = {name: [column.classes for column in table.columns] for name, table in found.items()}
    assert classes == {
        "t": [{"integer": 1}],
        'a"b': [{"real": 1}, {"integer": 1}],
        "k": [{"text": 2}, {"integer": 1, "text": 1}],
        "g": [{"integer": 1}, {"integer": 1}, {"text": 1}],
        "shadowed": [{"integer": 1}, {"real": 1}, {"text": 1}],
        "empty": [{}, {}],
    }
    assert (sampled["k"].rows, sampled["k"].sampled, sampled["k"].columns[0].texts) == (2, 1, 1)


def test_what_sqlite_cannot_read_is_said_in_its_words():
    with source("TEXT", ["{}", "nope"]) as (path, connection):
        connection.execute("ALTER TABLE t ADD COLUMN x AS (json_extract(c, '$.x'))")
        with pytest.raises(sqlite3.OperationalError, match=r"^malformed JSON$"):
            measured(path)
    with source("TEXT", ["x" * 1_000] * 100) as (path, connection):
        tables = sqlite.read(path).tables
        with path.open("r+b") as stream:
            stream.seek(4096)
            stream.write(b"\xff" * 4096)
        with pytest.raises(sqlite3.DatabaseError, match=r"^database disk image is malformed$"):
            measure(path, tables)


def test_a_pass_can_be_interrupted():
    class Stopped(Exception):
        pass

    def stop(number, frame):
        raise Stopped

    endless = "(WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT x FROM n)"
    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Stopped):
            Source("file::memory:").scan(endless, (), [Counts("x")])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_sample_reads_no_more_rows_than_asked_and_counts_all():
    with source("INTEGER", range(1_000)) as (path, _):
        found = measured(path, 10)["t"]
    assert (found.rows, found.sampled, found.columns[0].integers) == (1_000, 10, 10)
    assert (found.columns[0].smallest, found.columns[0].largest) == (0, 999)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_sample_larger_than_the_table_is_the_table(rows):
    with source("INTEGER", range(rows)) as (path, _):
        found = measured(path, 10)["t"]
    assert (found.rows, found.sampled) == (rows, rows)


@pytest.mark.parametrize(
    ("declared", "name", "values", "clock"),
    [
        ("DATETIME", "c", [1_700_000_000, 1_700_000_001], "epoch_s"),
        ("INTEGER", "ts", [1_700_000_000_000], "epoch_ms"),
        ("INTEGER", "ts", [1_700_000_000_000_000, 1_700_000_000_000_001, 0], "epoch_us"),
        ("INTEGER", "ts", [1_700_000_000_000_000_000], "epoch_ns"),
        ("INTEGER", "last_visit_time", [13_344_473_600_000_000], "webkit"),
        ("INTEGER", "when", [133_444_736_000_000_000], "filetime"),
        ("INTEGER", "date", [721_692_800_000_000_000], "apple_ns"),
        ("REAL", "day_date", [2_460_263.42592593, 2_460_264.5], "julian"),
        # Seconds of which nobody can say whether they count from 1970 or from 2001 …
        ("INTEGER", "ts", [700_000_000, 710_000_000], ""),
        # … but for fractions, larger numbers beside them, and Core Data.
        ("REAL", "visit_time", [700_000_000.5, 710_000_000.25], "apple_s"),
        ("INTEGER", "ts", [700_000_000, 1_400_000_000, 1_500_000_000], "epoch_s"),
        ("TIMESTAMP", "ZDATE", [700_000_000, 1], "apple_s"),
        # No clock: mixed half and half, too small, or by a name that says nothing.
        ("INTEGER", "ts", [1_700_000_000, 1_700_000_000_000], ""),
        ("INTEGER", "ts", [5, 60, 3_600], ""),
        ("REAL", "c", [2_460_263.5], ""),
    ],
)
def test_the_clock_is_decided_by_evidence(declared, name, values, clock):
    others = ["Z_PK INTEGER"] if name.startswith("Z") else []
    assert clock_of(profile(declared, values, name, others)) == clock


def test_numbers_of_another_clock_are_rivals_and_strays_are_not():
    found = profile("INTEGER", [1_700_000_000_000] * 8 + [1_700_000_000, 0], "ts")
    assert (clock_of(found), rivals(found, "epoch_ms")) == ("epoch_ms", 1)


def test_candidate_readings_of_both_bounds_are_shown():
    both = shown(profile("INTEGER", [700_000_000, 1_700_000_000_000], "ts"))
    assert both == (
        "700,000,000 → 1992-03-07 20:26 as seconds since 1970 or 2023-03-08 20:26 as seconds since 2001 (Apple); "
        "1,700,000,000,000 → 2023-11-14 22:13 as milliseconds since 1970"
    )
    assert shown(profile("INTEGER", [5], "ts")) == "5 → no date of our time by any clock"


def test_a_view_of_the_file_cannot_call_what_counts(tmp_path):
    path = tmp_path / "source.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE VIEW v AS SELECT howdah_tally(99999999, 1) AS a")
    with closing(Source(f"file:{path}")) as hostile, pytest.raises(sqlite3.OperationalError, match="unsafe use"):
        hostile.scan('"v"', [], [Counts('"a"')])
