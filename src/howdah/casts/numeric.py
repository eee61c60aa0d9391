"""Integers, exact and inexact numbers."""

from __future__ import annotations

import math
import re
import struct
from decimal import Decimal

from howdah.casts.base import Cast, CastError, SqliteValue, mismatch
from howdah.catalog.model import TargetType

_RANGES = {"int2": 1 << 15, "int4": 1 << 31, "int8": 1 << 63}
_INTEGER = re.compile(r"[+-]?[0-9]+", re.A)
# Groups of three: 1,234.50 and 1.234,50 and 1 234 567. Which sign means what is not guessed.
_GROUPED = re.compile(
    r"[+-]?[0-9]{1,3}(?:(?:,[0-9]{3})+(?:\.[0-9]*)?|(?:\.[0-9]{3})+,[0-9]*|(?:[ '][0-9]{3})+(?:[.,][0-9]*)?)", re.A
)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.A)


def integer(target: TargetType) -> Cast:
    """Return the cast to int2, int4 or int8: of integers, whole reals, and text that spells an integer."""
    bound = _RANGES[target.name]

    def cast(value: SqliteValue) -> str:
        if isinstance(value, str):
            if not _INTEGER.fullmatch(value):
                raise _not_a_number(value, "not_integer", "The text is no integer.")
            # Longer text cannot fit, and int() refuses more than 4,300 digits with an error of its own.
            number = int(value) if len(value) < 100 else bound
        elif isinstance(value, float):
            if not value.is_integer():
                raise CastError("not_integer", "The number has a fraction.")
            if value == 0 and math.copysign(1, value) < 0:
                raise CastError("negative_zero", "An integer has no negative zero.")
            number = int(value)
        elif isinstance(value, int):
            number = value
        else:
            raise mismatch(value, "an integer")
        if not -bound <= number < bound:
            raise CastError("out_of_range", f"The number is beyond the range of {target.sql}.")
        return str(number)

    return cast


def _not_a_number(value: str, code: str, reason: str) -> CastError:
    if _GROUPED.fullmatch(value):
        return CastError("thousands_separator", "The text is a number with thousands separators.")
    return CastError(code, reason)


def numeric(target: TargetType) -> Cast:
    """Return the cast to numeric or numeric(p,s), without rounding.

    A REAL stands for the shortest decimal that reads back as it: 0.1 is 0.1, not its 55-digit binary
    expansion.
    """

    def cast(value: SqliteValue) -> str:
        if isinstance(value, bytes):
            raise mismatch(value, "a number")
        if isinstance(value, str):
            if not _DECIMAL.fullmatch(value) or len(value) > 1000:
                raise _not_a_number(value, "not_numeric", "The text is no plain decimal number.")
            number = Decimal(value)
        elif isinstance(value, float) and math.isinf(value):
            if target.precision is not None:
                raise CastError("out_of_range", f"Infinity does not fit {target.sql}.")
            return "Infinity" if value > 0 else "-Infinity"
        else:
            number = Decimal(repr(value))
        if number.is_zero() and number.is_signed():
            raise CastError("negative_zero", "numeric has no negative zero.")
        if target.precision is not None and not _within(number, target.precision, target.scale or 0):
            raise CastError("numeric_scale", f"The number would be rounded or cut to fit {target.sql}.")
        return format(number, "f")

    return cast


def _within(number: Decimal, precision: int, scale: int) -> bool:
    if number.is_zero():
        return True
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - it is a letter only for infinities and NaN, excluded before
    significant = len(digits)
    while significant > 1 and digits[significant - 1] == 0:
        significant -= 1
        exponent += 1
    return -exponent <= scale and significant + exponent <= precision - scale


def fits(value: int | float, precision: int, scale: int) -> bool:
    """Return whether a number enters numeric(precision, scale) without rounding."""
    return not (isinstance(value, float) and math.isinf(value)) and _within(Decimal(repr(value)), precision, scale)


def inexact(target: TargetType) -> Cast:
    """Return the cast to float8 or float4; a number that would change does not fit."""
    single = target.name == "float4"

    def cast(value: SqliteValue) -> str:
        if isinstance(value, str):
            if not _DECIMAL.fullmatch(value):
                raise _not_a_number(value, "not_numeric", "The text is no plain decimal number.")
            number = float(value)
            if math.isinf(number):
                raise CastError("out_of_range", f"The number is beyond the range of {target.sql}.")
        elif isinstance(value, float):
            number = value
        elif isinstance(value, int):
            number = float(value)
            if int(number) != value:
                raise CastError("inexact", f"The integer has more digits than {target.sql} can hold.")
        else:
            raise mismatch(value, "a number")
        if single and not _single(number):
            raise CastError("inexact", "The number would lose digits in a real (4 bytes).")
        return "Infinity" if number == math.inf else "-Infinity" if number == -math.inf else repr(number)

    return cast


def _single(number: float) -> bool:
    try:
        narrowed: float = struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        return False
    return narrowed == number
