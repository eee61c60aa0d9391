"""Numbers that stand for moments, by every clock, and by both implementations."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howdah import casts, encoding, typemap
from howdah.casts import CastError
from howdah.casts.clocks import CLOCKS
from howdah.catalog.model import TargetType
from howdah.plan import ColumnPlan
from howdah.verify.expect import UnexpectedError, _rule

MILLIS = TargetType("timestamptz", "timestamp(3) with time zone", precision=3)


def cast(value, name, target=typemap.TIMESTAMPTZ, **options):
    return casts.build(name, target, options, [0])(value)


def code(value, name, target=typemap.TIMESTAMPTZ, **options):
    with pytest.raises(CastError) as caught:
        cast(value, name, target, **options)
    return caught.value.code


def expected(value, name, target=typemap.TIMESTAMPTZ, **options):
    return _rule(ColumnPlan("c", "c", target, name, options=tuple(sorted(options.items()))))(value)


def encoded(text):
    moment = datetime.fromisoformat(text)
    return encoding.moment((moment - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1), zoned=True)


# The same moment by every clock: 2023-11-14 22:13:20 UTC. Numbers from outside: `date -u -d @1700000000`,
# SQLite's julianday(), and the epochs' distances as their makers document them.
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epoch_s", 1_700_000_000),
        ("epoch_ms", 1_700_000_000_000),
        ("epoch_us", 1_700_000_000_000_000),
        ("epoch_ns", 1_700_000_000_000_000_000),
        ("julian", 2_460_263.42592593),
        ("apple_s", 721_692_800),
        ("apple_s", 721_692_800.0),
        ("apple_s", "721692800"),
        ("apple_ns", 721_692_800_000_000_000),
        ("filetime", 133_444_736_000_000_000),
        ("webkit", 13_344_473_600_000_000),
    ],
)
def test_each_clock_shows_the_same_moment(name, value):
    assert cast(value, name) == "2023-11-14 22:13:20+00"
    assert expected(value, name) == encoded("2023-11-14 22:13:20+00:00")
    assert cast(value, name, typemap.TIMESTAMP) == "2023-11-14 22:13:20"


def test_a_number_speaks_for_one_clock_except_seconds_of_two():
    for name, clock in CLOCKS.items():
        for number in (clock.first, clock.last - 1):
            assert {other for other in CLOCKS if CLOCKS[other].shows(number)} - {name} <= {"epoch_s", "apple_s"}
        assert 1960 < clock.read(clock.first).year < clock.read(clock.last).year < 2110


@given(st.sampled_from(sorted(CLOCKS)), st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False), st.booleans())
def test_both_implementations_read_the_same_and_refuse_the_same(name, number, lenient):
    options = {"truncate": "yes"} if lenient else {}
    try:
        text = cast(number, name, **options)
    except CastError as error:
        text, refusal = "", error.code
    if text:
        assert expected(number, name, **options) == encoded(text)
    elif refusal == "sub_microsecond":
        with pytest.raises(UnexpectedError):
            expected(number, name, **options)
    else:
        assert refusal == "out_of_range"


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))
def test_a_julian_day_that_sqlite_wrote_is_read_to_the_millisecond(moment):
    text = moment.isoformat(" ", "milliseconds")
    connection = sqlite3.connect(":memory:")
    (number,) = connection.execute("SELECT julianday(?)", [text]).fetchone()
    connection.close()
    found = datetime.fromisoformat(cast(number, "julian"))
    assert found == datetime.fromisoformat(text).replace(tzinfo=UTC)
    assert expected(number, "julian") == encoded(found.isoformat())


@pytest.mark.parametrize(
    ("name", "value", "cut"),
    [
        ("filetime", 133_444_736_000_000_019, "2023-11-14 22:13:20.000001+00"),
        ("apple_ns", 721_692_800_123_456_789, "2023-11-14 22:13:20.123456+00"),
        ("apple_s", 721_692_800.1234567, "2023-11-14 22:13:20.123456+00"),
        ("apple_s", -0.0000001, "2000-12-31 23:59:59.999999+00"),
        ("text_utc", "2023-11-14T22:13:20.123456789Z", "2023-11-14 22:13:20.123456+00"),
    ],
)
def test_what_is_finer_than_a_microsecond_is_cut_only_when_asked(name, value, cut):
    assert code(value, name) == "sub_microsecond"
    assert cast(value, name, truncate="yes") == cut
    assert expected(value, name, truncate="yes") == encoded(cut)
    with pytest.raises(UnexpectedError):
        expected(value, name)


@pytest.mark.parametrize("value", [1_700_000_000_123_456, "2023-11-14 22:13:20.123456"])
def test_a_moment_is_cut_to_what_the_column_holds(value):
    name = "epoch_us" if isinstance(value, int) else "moment"
    assert code(value, name, MILLIS) == "sub_microsecond"
    assert cast(value, name, MILLIS, truncate="yes") == "2023-11-14 22:13:20.123000+00"
    assert expected(value, name, MILLIS, truncate="yes") == encoded("2023-11-14 22:13:20.123+00:00")


def test_no_digit_is_lost_in_a_long_text():
    text = "1700000000.0000000000000000000000000000000001"
    assert code(text, "epoch_s") == "sub_microsecond"
    with pytest.raises(UnexpectedError):
        expected(text, "epoch_s")


def test_a_clock_that_most_numbers_chose_refuses_those_of_another():
    for value in (1_700_000_000, "1700000000"):
        assert code(value, "epoch_ms", strict="yes") == "ambiguous_epoch"
    # Without a rival the number is read: an empty moment is often written as 0.
    assert cast(0, "epoch_ms", strict="yes") == "1970-01-01 00:00:00+00"
    assert cast(1_700_000_000, "epoch_ms") == "1970-01-20 16:13:20+00"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2023-11-14 22:13:20,5", "2023-11-14 22:13:20.500000+00"),
        ("2023-11-14t22:13:20z", "2023-11-14 22:13:20+00"),
        ("2023-11-14 22:13", "2023-11-14 22:13:00+00"),
        ("2023-11-15 00:13:20.250 +0200", "2023-11-14 22:13:20.250000+00"),
        ("2023-11-14 22:13:20 UTC", "2023-11-14 22:13:20+00"),
    ],
)
def test_variants_of_iso_are_read_alike(text, wanted):
    assert cast(text, "moment") == wanted
    assert expected(text, "moment") == encoded(wanted)


def test_a_day_takes_only_midnight():
    day = typemap.DATE
    assert cast(2_460_262.5, "julian", day) == "2023-11-14"
    assert code(2_460_263, "julian", day) == "time_lost"
    assert expected(2_460_262.5, "julian", day) == encoding.day(Fraction(8718).numerator)
