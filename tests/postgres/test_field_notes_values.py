"""What others' migrations did to values, each case with a small source of its own (numbers as in the field notes)."""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from psycopg import conninfo

from howdah.pipeline import Request, migrate, plan, verify


@pytest.fixture
def moved(database, make_source):
    """Return a function that migrates a table t; it gives the column's values, and why rows wait, both by id."""

    def run(declared, values, dsn=None):
        rows = [(number, value) for number, value in enumerate(values, start=1)]
        source = make_source(f"CREATE TABLE t (id INTEGER PRIMARY KEY, c {declared})", t=rows)
        request = Request((source,), dsn or database.dsn)
        foreseen = plan(request).doomed
        report = migrate(request)
        assert report.quarantined_rows == foreseen
        assert verify(request).verdict == report.verdict
        assert migrate(request).changed is False
        waiting = dict(database.query("SELECT locator, code FROM howdah.quarantine"))
        return dict(database.query("SELECT id, c FROM t")), waiting

    return run


def test_note_8_milliseconds_are_no_seconds(moved):
    found, waiting = moved("DATETIME", [1_700_000_000_000, 1_700_000_000_999])
    assert (found[1].year, found[2].microsecond, waiting) == (2023, 999_000, {})


def test_note_8_a_mixed_column_stays_as_it_is(moved):
    values = [1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000, 2_460_263.5, "2023-11-14T22:13:20Z"]
    found, waiting = moved("DATETIME", values)
    assert (found, waiting) == (dict(enumerate(map(str, values), start=1)), {})


def test_note_8_no_time_zone_shifts_a_moment(moved, database):
    elsewhere = conninfo.make_conninfo(database.dsn, options="-c TimeZone=Asia/Tokyo -c DateStyle=German")
    found, _ = moved("DATETIME", ["2023-11-14T23:13:20+01:00", "2023-11-14T22:13:20Z"], elsewhere)
    assert set(found.values()) == {datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)}


def test_note_9_empty_texts_and_zeros(moved):
    found, waiting = moved("INTEGER", [0, "", 7, 8])
    assert (found, waiting) == ({1: 0, 3: 7, 4: 8}, {2: "not_integer"})


def test_note_9_empty_texts_in_days(moved):
    found, waiting = moved("DATE", ["2024-02-29", "", "0000-00-00", "2024-03-01", "2024-03-02"])
    assert found[1] == date(2024, 2, 29)
    assert waiting == {2: "not_temporal", 3: "not_temporal"}


def test_note_9_texts_longer_than_declared_move(moved):
    assert moved("VARCHAR(3)", ["abc", "abcdef"]) == ({1: "abc", 2: "abcdef"}, {})


def test_note_10_integers_beyond_four_bytes_move(moved, database):
    assert moved("INT", [2**31, -(2**63), 1]) == ({1: 2**31, 2: -(2**63), 3: 1}, {})
    assert database.value("SELECT pg_typeof(c)::text FROM t LIMIT 1") == "bigint"


def test_note_11_each_row_is_judged_by_its_own_storage_class(moved):
    found, waiting = moved("INTEGER", [1, "two", 3.5, 4.0, 5])
    assert (found, waiting) == ({1: 1, 4: 4, 5: 5}, {2: "not_integer", 3: "not_integer"})


@pytest.mark.parametrize(
    ("declared", "values", "wanted"),
    [
        ("", [1, 2], "bigint"),
        ("number", [1, 2.5], "numeric"),
        ("INTEGER_OR_TEXT", ["a", "b"], "text"),
        ('"VARCHAR(MAX)"', ["a"], "text"),
        ("UNSIGNED BIG INT", [1], "bigint"),
        ("STRING", ["a"], "text"),
        ("MADE UP WORDS (1, 2)", [b"x"], "bytea"),
    ],
)
def test_note_14_odd_declared_types(moved, database, declared, values, wanted):
    found, waiting = moved(declared, values)
    assert (len(found), waiting) == (len(values), {})
    assert database.value("SELECT pg_typeof(c)::text FROM t LIMIT 1") == wanted


def test_note_16_reals_keep_every_bit(moved, database):
    # Declared REAL, SQLite itself would store −0.0 as 0.
    values = [math.inf, -math.inf, -0.0, 0.1, 5e-324, 1.7976931348623157e308]
    found, waiting = moved("", [*values, None])
    bits = [struct.pack(">d", found[number]) for number in range(1, len(values) + 1)]
    assert (bits, found[7], waiting) == ([struct.pack(">d", value) for value in values], None, {})
    assert database.value("SELECT pg_typeof(c)::text FROM t LIMIT 1") == "double precision"


def test_note_17_a_uuid_that_became_a_number_is_not_guessed(moved):
    good = [f"a0eebc99-9c0b-4ef8-bb6d-6bb9bd38{n:04x}" for n in range(3)]
    found, waiting = moved("UUID", [*good, "0000000000000000000000000000" + "1234", "1234e5678"])
    assert sorted(map(str, found.values())) == good
    assert waiting == {4: "storage_class", 5: "storage_class"}


def test_note_24_json_is_kept_or_waits(moved, database):
    big = "1" + "0" * 400
    sound = ["{}", "null", '"text"', "7.10", f'{{"n": {big}}}', '[{"a": [1, 2]}]']
    odd = ["{", "NaN", '{"a": 1, "a": 2}', '"\\u0000"', ""]
    found, waiting = moved("JSON", sound + odd)
    assert sorted(found) == list(range(1, len(sound) + 1))
    assert database.value("SELECT (c->>'n')::numeric = ('1e400')::numeric FROM t WHERE id = 5") is True
    assert list(waiting.values()) == ["invalid_json", "invalid_json", "json_duplicate_key", "json_nul", "invalid_json"]


def test_note_25_booleans_in_words(moved):
    words = {"t": True, "true": True, "yes": True, "Y": True, "on": True, "F": False, "no": False, "OFF": False}
    found, waiting = moved("BOOLEAN", [*words, "perhaps", 2, 1, 0])
    assert [found[number] for number in range(1, 9)] == list(words.values())
    assert (found[11], found[12], waiting) == (True, False, {9: "not_boolean", 10: "not_boolean"})


def test_note_26_money_is_not_rounded(moved):
    found, waiting = moved("DECIMAL(10,2)", [19.99, 0.1, 5, "1,234.50", "12 345,67", 99999999.99])
    assert found == {1: Decimal("19.99"), 2: Decimal("0.1"), 3: Decimal(5), 6: Decimal("99999999.99")}
    assert waiting == {4: "thousands_separator", 5: "thousands_separator"}


def test_note_26_money_finer_than_declared_gets_a_type_that_holds_it(moved):
    assert moved("DECIMAL(10,2)", [19.999, 1.5]) == ({1: Decimal("19.999"), 2: Decimal("1.5")}, {})
