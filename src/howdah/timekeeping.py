"""Which clock the numbers of a column show, by the evidence of all of them."""

from __future__ import annotations

from decimal import Decimal

from howdah.casts.base import CastError
from howdah.casts.clocks import CLOCKS
from howdah.profile import ColumnProfile

# Fractions of a second are written by a machine at that moment, and none wrote SQLite before August 2000.
_BEFORE_SQLITE = 966_000_000


def clock_of(profile: ColumnProfile) -> str:
    """Return the clock that most numbers of a column speak for, or empty when that is none, or not one alone.

    Stray values such as 0 do not make a column ambiguous, they are read like the rest. Seconds between 189,302,400 and
    10^9 may be counted from 1970 (until 2001) or from 2001 (by Apple, since 2007): they are Apple's where Core Data
    declared the column or where they have fractions; those from 1970 are known by most numbers being larger.
    """
    seen = dict(profile.readings)
    if "apple_s" in seen:
        machine = profile.fractions * 2 > profile.numbers and (profile.largest or 0) < _BEFORE_SQLITE
        if profile.core_data or machine:
            seen.pop("epoch_s", None)
        elif seen["apple_s"] * 2 < seen.get("epoch_s", 0):
            del seen["apple_s"]
        else:
            return ""
    best = max(seen, key=lambda name: seen[name], default="")
    return best if best and seen[best] * 2 > profile.numbers else ""


def rivals(profile: ColumnProfile, clock: str) -> int:
    """Return how many numbers speak for another clock than the one that was chosen."""
    mine = {"epoch_s", "apple_s"} if clock in ("epoch_s", "apple_s") else {clock}
    return sum(count for name, count in profile.readings.items() if name not in mine)


def shown(profile: ColumnProfile, clock: str = "") -> str:
    """Return what the smallest and the largest number of a column are, by one clock or by all in question.

    >>> shown(ColumnProfile("c", 1, smallest=1_700_000_000, largest=1_700_000_000))
    '1,700,000,000 → 2023-11-14 22:13 as seconds since 1970'
    """
    bounds = dict.fromkeys(value for value in (profile.smallest, profile.largest) if value is not None)
    return "; ".join(_readings(value, clock) for value in bounds)


def _readings(value: float, clock: str) -> str:
    clocks = [CLOCKS[clock]] if clock else [one for one in CLOCKS.values() if one.shows(value)]
    texts = []
    for one in clocks:
        try:
            moment = one.read(Decimal(repr(value)), cut=True)
        except (CastError, OverflowError, ValueError):
            continue
        texts.append(f"{moment:%Y-%m-%d %H:%M}" + ("" if clock else f" as {one.label}"))
    return f"{value:,} → {' or '.join(texts) or 'no date of our time by any clock'}"
