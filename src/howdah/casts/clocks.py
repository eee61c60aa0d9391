"""Clocks: how a number stands for a moment. Where a clock starts, how long its unit is, which numbers it shows today.

Sources: SQLite's ``date.c`` (Julian day), Apple's ``CFAbsoluteTime`` (seconds since 2001), Microsoft's ``FILETIME``
(100 ns since 1601), Chromium's ``base::Time`` (µs since 1601, as its databases hold it).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from howdah.casts.base import CastError

_EPOCH = datetime(1970, 1, 1)
# What Python's datetime can count from the epoch: years 1 to 9999.
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
_TO_1601 = -11_644_473_600_000_000
_TO_2001 = 978_307_200_000_000


@dataclass(frozen=True)
class Clock:
    """A way to count time.

    :ivar label: follows a number in a sentence: "1,700,000,000 as seconds since 1970".
    :ivar zero: where it starts, in microseconds since 1970-01-01 UTC.
    :ivar unit: microseconds per unit.
    :ivar first: smallest number that speaks for this clock; these ranges decide nothing but what a column holds.
    :ivar last: the number after the largest one.
    :ivar grain: microseconds to which a reading is rounded, because a double resolves no more; 0: it is exact.
    """

    label: str
    zero: int
    unit: Fraction
    first: int
    last: int
    grain: int = 0

    def shows(self, number: int | float | Decimal) -> bool:
        """Return whether a number is in the range that speaks for this clock."""
        return self.first <= number < self.last

    def read(self, number: int | Decimal, *, cut: bool = False) -> datetime:
        """Return the moment (UTC, without tzinfo) that a number stands for.

        :param cut: what is finer than a microsecond is cut, towards the past; else it is refused.
        :raises CastError: finer than a microsecond, or outside the years 1 to 9999.
        """
        numerator, denominator = number.as_integer_ratio()
        numerator *= self.unit.numerator
        denominator *= self.unit.denominator
        if self.grain:
            # Half up, as SQLite's own date functions read it.
            micros = (2 * numerator + denominator * self.grain) // (2 * denominator * self.grain) * self.grain
        else:
            micros, rest = divmod(numerator, denominator)
            if rest and not cut:
                raise CastError("sub_microsecond", "The value is finer than a microsecond.")
        micros += self.zero
        if not _FIRST <= micros <= _LAST:
            raise CastError("out_of_range", "The moment is outside the years 1 to 9999.")
        return _EPOCH + timedelta(microseconds=micros)


def _since_1970(label: str, unit: Fraction, first: int = 631_152_000) -> Clock:
    """Return a clock of the epoch; by default the years 1990 to 2099 speak for it."""
    return Clock(f"{label} since 1970", 0, unit, int(first * 10**6 / unit), int(4_102_444_800 * 10**6 / unit))


CLOCKS = {
    "epoch_s": _since_1970("seconds", Fraction(10**6)),
    "epoch_ms": _since_1970("milliseconds", Fraction(10**3)),
    "epoch_us": _since_1970("microseconds", Fraction(1)),
    # From September 2001, when it passed 10^18: below, Apple's nanoseconds are meant.
    "epoch_ns": _since_1970("nanoseconds", Fraction(1, 10**3), 10**9),
    # 1968 to 2105. A REAL resolves 0.04 ms here, and SQLite's julianday() counts milliseconds.
    "julian": Clock(
        "Julian day", -210_866_760_000_000_000, Fraction(86_400 * 10**6), 2_440_000, 2_490_000, grain=1_000
    ),
    # 2007, the first iPhone, to September 2032, when it reaches 10^9.
    "apple_s": Clock("seconds since 2001 (Apple)", _TO_2001, Fraction(10**6), 189_302_400, 10**9),
    # iOS counts nanoseconds since 2017; a FILETIME is smaller.
    "apple_ns": Clock("nanoseconds since 2001 (Apple)", _TO_2001, Fraction(1, 10**3), 5 * 10**17, 10**18),
    # Both 1990 to 2099.
    "filetime": Clock(
        "100 ns since 1601 (Windows FILETIME)",
        _TO_1601,
        Fraction(1, 10),
        122_756_256_000_000_000,
        157_469_184_000_000_000,
    ),
    "webkit": Clock(
        "microseconds since 1601 (Chrome, WebKit)",
        _TO_1601,
        Fraction(1),
        12_275_625_600_000_000,
        15_746_918_400_000_000,
    ),
}
"""Name of the cast → clock. Only the ranges of ``epoch_s`` and ``apple_s`` overlap."""
