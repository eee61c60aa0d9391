"""The canonical encoding tells any two different values apart, and the decoder reads what PostgreSQL writes."""

from __future__ import annotations

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howdah import encoding, typemap
from howdah.verify.readback import decode, decoder

row = st.lists(st.none() | st.binary(max_size=8), min_size=1, max_size=5)


def encoded(values):
    return b"".join(encoding.NULL if value is None else encoding.binary(value) for value in values)


@given(row, row)
def test_different_rows_have_different_encodings(one, other):
    assert (encoded(one) == encoded(other)) == (one == other)


@given(st.binary(max_size=16))
def test_the_type_is_part_of_the_value(raw):
    assert len({encoding.text(raw), encoding.binary(raw), encoding.field(b"j", raw)}) == 3


def test_what_looks_alike_is_told_apart():
    assert encoding.double(0.0) != encoding.double(-0.0)
    assert encoding.text(b"a") != encoding.text(b"a ")
    assert encoding.moment(1, zoned=True) != encoding.moment(1, zoned=False)
    assert encoding.document('{"a": [1, 2]}') != encoding.document('{"a": [1], "b": 2}')
    assert encoding.document("[[], []]") != encoding.document("[[[]]]")
    assert encoding.document('"1"') != encoding.document("1")
    assert encoding.document("null") != encoding.NULL


def test_what_means_the_same_is_the_same():
    assert encoding.exact(Decimal("1.500")) == encoding.exact(Decimal("15E-1"))
    assert encoding.exact(Decimal("0.00")) == encoding.exact(Decimal(0))
    assert encoding.document('{"b": 1.0, "a": 2}') == encoding.document('{"a":2e0,"b":1}')
    assert encoding.document("[" * 900 + "]" * 900) == encoding.document(" [" * 900 + "]" * 900)


@given(st.integers() | st.sampled_from([0, -1000, 10**30, 10**5000]))
def test_whole_numbers_in_json_are_the_same_as_exact_ones(number):
    digits = Decimal((int(number < 0), tuple(map(int, format(Decimal(abs(number)), "f"))), 0))
    text = format(digits, "f")
    assert encoding.document(text) == encoding.field(b"j", encoding.exact(digits)) == encoding.document(text + ".0")


def numeric_send(value):
    """Write a Decimal as ``numeric_send`` does: base-10000 digits."""
    sign, digits, exponent = value.as_tuple()
    digits = [*digits, *[0] * max(exponent, 0)]
    scale = max(-exponent, 0)
    digits += [0] * (-scale % 4)
    digits = [0] * (-len(digits) % 4) + digits
    groups = [int("".join(map(str, digits[at : at + 4]))) for at in range(0, len(digits), 4)]
    weight = len(groups) - 1 - (scale + 3) // 4
    return struct.pack(f">hhHH{len(groups)}h", len(groups), weight, 0x4000 if sign else 0, scale, *groups)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e30"), max_value=Decimal("1e30")))
def test_binary_numbers_are_read_exactly(value):
    assert decoder(typemap.NUMERIC)(numeric_send(value)) == encoding.exact(value if value else Decimal(0))


def stream(rows):
    body = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
    for fields in rows:
        body += struct.pack(">h", len(fields))
        for value in fields:
            body += struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value
    return body + b"\xff\xff"


@given(
    st.lists(st.tuples(st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=9))),
    st.integers(1, 40),
)
def test_a_stream_cut_anywhere_gives_the_same_rows(rows, size):
    raw = stream(rows)
    blocks = [raw[at : at + size] for at in range(0, len(raw), size)]
    wanted = [[encoding.NULL if value is None else encoding.binary(value) for value in row] for row in rows]
    assert list(decode(blocks, [encoding.binary, encoding.binary])) == wanted


def test_a_stream_that_ends_early_is_an_error_and_not_fewer_rows():
    raw = stream([(b"a",), (b"b",)])
    for cut in range(len(raw) - 1):
        with pytest.raises(ValueError, match="cut short"):
            list(decode([raw[:cut]], [encoding.binary]))
