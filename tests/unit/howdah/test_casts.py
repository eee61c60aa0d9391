"""Every cast against the verifier's own rules, and against what PostgreSQL is known to refuse."""

from __future__ import annotations

import json
import math
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from howdah import casts, encoding, typemap
from howdah.casts import CastError
from howdah.casts.uuid_ import parse
from howdah.catalog.model import TargetType
from howdah.plan import ColumnPlan
from howdah.verify.expect import UnexpectedError, _rule

SPACE = uuid.UUID("6f1f0000-0000-4000-8000-000000000001")
INT4, INT2 = TargetType("int4", "integer"), TargetType("int2", "smallint")
MONEY = TargetType("numeric", "numeric(10,2)", precision=10, scale=2)
REAL = TargetType("float4", "real")
CHAR = TargetType("bpchar", "character(5)", length=5)
SHORT = TargetType("varchar", "character varying(3)", length=3)

values = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=20)
    | st.sampled_from(
        ["t", "YES", "0", "1.50", "1e5", " 1", "", "2024-02-29", "2024-02-29T10:11:12.5+02:00", "null", "[1]"]
    )
)
types = st.sampled_from(
    [
        typemap.BIGINT,
        INT4,
        typemap.DOUBLE,
        typemap.NUMERIC,
        MONEY,
        typemap.TEXT,
        typemap.BYTEA,
        typemap.BOOLEAN,
        typemap.UUID,
        typemap.JSONB,
        typemap.DATE,
        typemap.TIMESTAMP,
        typemap.TIMESTAMPTZ,
        SHORT,
    ]
)


def outcome(value, target, name=None, **options):
    """Return (text, "") or (None, the code of the refusal)."""
    try:
        return cast(value, target, name, **options), ""
    except CastError as error:
        return None, error.code


def cast(value, target, name=None, **options):
    return casts.build(name or casts.default_name(target), target, options, [0])(value)


def code(value, target, name=None, **options):
    with pytest.raises(CastError) as caught:
        cast(value, target, name, **options)
    assert str(caught.value).endswith(".")
    return caught.value.code


def expected(value, target, name=None, **options):
    pairs = tuple(sorted(options.items()))
    return _rule(ColumnPlan("c", "c", target, name or casts.default_name(target), options=pairs))(value)


@given(values, types)
def test_a_value_fits_or_has_a_reason_and_never_anything_else(value, target):
    text, refusal = outcome(value, target)
    if text is None:
        assert refusal.isidentifier()
    else:
        assert "\x00" not in text
        text.encode()


@given(values, types)
def test_what_the_loader_accepts_the_verifier_understands(value, target):
    text, _ = outcome(value, target)
    if text is not None:
        assert expected(value, target)


@given(st.integers(-(2**80), 2**80))
def test_integers_fit_exactly_within_the_range(number):
    for target, bits in ((INT2, 15), (INT4, 31), (typemap.BIGINT, 63)):
        if -(2**bits) <= number < 2**bits:
            assert cast(number, target) == str(number)
        else:
            assert code(number, target) == "out_of_range"


@given(st.floats(allow_nan=False))
def test_doubles_keep_every_bit(number):
    text = cast(number, typemap.DOUBLE)
    assert encoding.double(float(text)) == encoding.double(number) == expected(number, typemap.DOUBLE)


@given(st.floats(allow_nan=False, width=32))
def test_singles_keep_what_a_single_can_hold(number):
    assert float(cast(number, REAL)) == number


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_numeric_never_rounds(number):
    assume(not (number.is_zero() and number.is_signed()))
    text = format(number, "f")
    result, refusal = outcome(text, MONEY)
    if result is None:
        assert refusal == "numeric_scale"
        assert abs(number) >= 10**8 or number != round(number, 2)
    else:
        assert Decimal(result) == number
        assert abs(number) < 10**8


@given(st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)), st.integers(-959, 959))
def test_moments_are_the_same_by_both_implementations(moment, minutes):
    sign, size = "+-"[minutes < 0], abs(minutes)
    text = f"{moment.isoformat()}{sign}{size // 60:02}:{size % 60:02}"
    result = datetime.fromisoformat(cast(text, typemap.TIMESTAMPTZ))
    utc = (moment - timedelta(minutes=minutes)).replace(tzinfo=UTC)
    assert result == utc
    micros = (utc - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert expected(text, typemap.TIMESTAMPTZ) == encoding.moment(micros, zoned=True)


@given(st.dates())
def test_days_are_the_same_by_both_implementations(day):
    assert cast(day.isoformat(), typemap.DATE) == day.isoformat()
    assert expected(day.isoformat(), typemap.DATE) == encoding.day((day - datetime(2000, 1, 1).date()).days)


@given(st.integers(-62_135_596_800, 253_402_300_799))
def test_epoch_units_agree_with_each_other(seconds):
    by_unit = {
        cast(seconds * factor, typemap.TIMESTAMPTZ, unit)
        for unit, factor in (("epoch_s", 1), ("epoch_ms", 1_000), ("epoch_us", 1_000_000))
    }
    assert len(by_unit) == 1
    micros = (seconds - 946_684_800) * 1_000_000
    assert expected(seconds, typemap.TIMESTAMPTZ, "epoch_s") == encoding.moment(micros, zoned=True)


@given(st.uuids(), st.integers(0, 127), st.booleans(), st.booleans())
def test_every_spelling_of_a_uuid_is_that_uuid(value, hyphens, braces, upper):
    groups = [value.hex[at : at + 4] for at in range(0, 32, 4)]
    text = groups[0] + "".join(("-" if hyphens >> n & 1 else "") + group for n, group in enumerate(groups[1:]))
    text = text.upper() if upper else text
    text = "{" + text + "}" if braces else text
    assert parse(text) == str(value)
    assert expected(text, typemap.UUID) == encoding.uuid(value.bytes)


@given(st.text())
def test_other_identifiers_map_the_same_way_by_both_implementations(text):
    assume(parse(text) is None)
    found, refusal = outcome(text, typemap.UUID, "uuid5", namespace=str(SPACE))
    if found is None:
        assert refusal in ("empty_identifier", "nul_in_text", "invalid_utf8")
    else:
        assert found == str(uuid.uuid5(SPACE, text))
        assert expected(text, typemap.UUID, "uuid5", namespace=str(SPACE)) == encoding.uuid(uuid.UUID(found).bytes)
        assert cast(text, typemap.TEXT, "uuid5_kept") == text


def test_mapped_identifiers_are_counted_and_uuids_are_not():
    notes = [0]
    mapped = casts.build("uuid5", typemap.UUID, {"namespace": str(SPACE)}, notes)
    for text in ("p1", "p1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "p2"):
        mapped(text)
    assert notes == [3]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(json_values, st.booleans())
def test_sound_json_passes_unchanged_and_means_the_same(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    result, refusal = outcome(text, typemap.JSONB)
    if result is None:
        assert refusal in ("json_nul", "json_surrogate", "nul_in_text", "invalid_utf8")
    else:
        assert result == text
        assert expected(text, typemap.JSONB) == encoding.document(json.dumps(value, indent=1, sort_keys=True))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "invalid_json"),
        ("", "invalid_json"),
        ("NaN", "invalid_json"),
        ('{"a": -Infinity}', "invalid_json"),
        ('{"a": 1, "a": 2}', "json_duplicate_key"),
        ('{"x": {"a": 1, "a": 1}}', "json_duplicate_key"),
        ('"\\u0000"', "json_nul"),
        ('{"\\u0000": 1}', "json_nul"),
        ('"\\ud800"', "json_surrogate"),
        ("'a'", "invalid_json"),
        ("[1,]", "invalid_json"),
        ("01", "invalid_json"),
        ("[" * 100_000, "json_too_deep"),
        ("[" * 50_000 + "]" * 50_000, "json_too_deep"),
    ],
)
def test_unsound_json_has_its_reason(text, reason):
    assert code(text, typemap.JSONB) == reason


def test_plain_json_takes_what_only_jsonb_refuses():
    target = TargetType("json", "json")
    for text in ('{"a": 1, "a": 2}', '"\\u0000"'):
        assert cast(text, target) == text


@pytest.mark.parametrize(
    ("value", "target", "reason"),
    [
        ("1,234.50", typemap.NUMERIC, "thousands_separator"),
        ("1.234,50", typemap.NUMERIC, "thousands_separator"),
        ("1.234.567,5", typemap.DOUBLE, "thousands_separator"),
        ("12,34.50", typemap.DOUBLE, "not_numeric"),
        ("1,234", typemap.BIGINT, "thousands_separator"),
        ("1 234 567", typemap.BIGINT, "thousands_separator"),
        ("", typemap.BIGINT, "not_integer"),
        ("1_000", typemap.BIGINT, "not_integer"),
        ("٣", typemap.BIGINT, "not_integer"),
        ("9" * 5_000, typemap.BIGINT, "out_of_range"),
        (1.5, typemap.BIGINT, "not_integer"),
        (math.inf, typemap.BIGINT, "not_integer"),
        (b"1", typemap.BIGINT, "storage_class"),
        (-0.0, typemap.NUMERIC, "negative_zero"),
        (math.inf, MONEY, "out_of_range"),
        (0.105, MONEY, "numeric_scale"),
        (2**53 + 1, typemap.DOUBLE, "inexact"),
        (0.1, REAL, "inexact"),
        (1e300, REAL, "inexact"),
        ("1e999", typemap.DOUBLE, "out_of_range"),
        (2, typemap.BOOLEAN, "not_boolean"),
        ("", typemap.BOOLEAN, "not_boolean"),
        ("abcd", SHORT, "too_long"),
        ("ab ", CHAR, "char_padding"),
        ("a\x00b", typemap.TEXT, "nul_in_text"),
        (b"\xff".decode("utf-8", "surrogateescape"), typemap.TEXT, "invalid_utf8"),
        (b"x", typemap.TEXT, "storage_class"),
        ("x", typemap.BYTEA, "storage_class"),
        (1234, typemap.UUID, "storage_class"),
        ("", typemap.UUID, "not_uuid"),
        ("", typemap.TIMESTAMPTZ, "not_temporal"),
        ("0000-00-00", typemap.DATE, "not_temporal"),
        ("2023-02-29", typemap.DATE, "not_temporal"),
        ("2024-01-01 24:00:00", typemap.TIMESTAMP, "not_temporal"),
        ("2024-01-01T00:00:00.1234567Z", typemap.TIMESTAMPTZ, "sub_microsecond"),
        ("2024-01-01T00:00:00+17:00", typemap.TIMESTAMPTZ, "not_temporal"),
        ("2024-01-01T00:00:00Z", typemap.TIMESTAMP, "zone_lost"),
        ("2024-01-01T10:00:00", typemap.DATE, "time_lost"),
        ("0001-01-01T00:00:00+02:00", typemap.TIMESTAMPTZ, "out_of_range"),
        (1_720_000_000, typemap.TIMESTAMPTZ, "ambiguous_epoch"),
    ],
)
def test_what_does_not_fit_has_its_reason(value, target, reason):
    assert code(value, target) == reason


def test_hints_of_the_application_decide_time():
    assert cast("2024-01-01T00:00:00+02:00", typemap.TIMESTAMP, "text_utc") == "2023-12-31 22:00:00"
    assert cast(1_720_000_000_123, typemap.TIMESTAMPTZ, "epoch_ms") == "2024-07-03 09:46:40.123000+00"
    assert cast("1720000000.5", typemap.TIMESTAMPTZ, "epoch_s") == "2024-07-03 09:46:40.500000+00"
    assert code(1720000000.1234567, typemap.TIMESTAMPTZ, "epoch_s") == "sub_microsecond"
    assert code(10**18, typemap.TIMESTAMPTZ, "epoch_s") == "out_of_range"
    assert code("0001-01-01T00:00:00+02:00", typemap.DATE, "epoch_s") == "out_of_range"


def test_the_verifier_refuses_what_the_loader_refuses():
    for value, target in (
        (1.5, typemap.BIGINT),
        (b"x", typemap.TEXT),
        ("x", typemap.BYTEA),
        (7, typemap.BOOLEAN),
        (5, typemap.UUID),
    ):
        with pytest.raises(UnexpectedError):
            expected(value, target)
