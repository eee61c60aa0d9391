"""Dates, times and moments: ISO text, and numbers whose clock is known."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, timedelta
from decimal import Decimal

from howdah.casts.base import Cast, CastError, SqliteValue, mismatch
from howdah.casts.clocks import CLOCKS
from howdah.catalog.model import TargetType

MICROSECONDS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""Microseconds per unit of the clocks that need no fraction of one."""

_CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
ISO = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    rf"(?:[Tt ](?P<time>{_CLOCK})"
    r" ?(?P<zone>[Zz]|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?)?",
    re.A,
)
"""What is read as a day or a moment: ISO 8601's extended format, a blank for its T, a comma for the point."""
_TIME = re.compile(_CLOCK, re.A)
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.A)


def moment(target: TargetType, unit: str, utc: bool, *, truncate: bool = False, strict: bool = False) -> Cast:
    """Return the cast to timestamptz, timestamp or date.

    Text without a zone is UTC when the target is timestamptz. Text with a zone does not fit timestamp, unless
    the application says ``text_utc``: then it is converted to UTC.

    :param unit: name of the clock (:data:`howdah.casts.clocks.CLOCKS`) that numbers are read by, or empty when it is
        not known.
    :param utc: the application says that moments are to be stored as UTC.
    :param truncate: the application says that moments finer than the column can hold are cut to it, towards the past.
    :param strict: the clock was decided by most numbers of the column; one that speaks for another clock is refused.
    """
    kind = target.name
    # timestamp(p) rounds silently; numbers of digits beyond it do not fit.
    digits = 6 if target.precision is None else target.precision
    grain = 10 ** (6 - digits)
    clock = CLOCKS.get(unit)
    others = [other for name, other in CLOCKS.items() if name != unit] if strict else []

    def cast(value: SqliteValue) -> str:
        if isinstance(value, bytes):
            raise mismatch(value, "a moment")
        if isinstance(value, str):
            if clock and _NUMBER.fullmatch(value):
                return from_number(Decimal(value))
            return from_text(value)
        if isinstance(value, int):
            return from_number(value)
        if clock and math.isinf(value):
            raise CastError("out_of_range", "Infinity is no moment.")
        return from_number(Decimal(repr(value)))

    def from_number(value: int | Decimal) -> str:
        if not clock:
            raise CastError("ambiguous_epoch", "A number stands for a moment, and its unit is not known.")
        if strict and not clock.shows(value) and any(other.shows(value) for other in others):
            raise CastError("ambiguous_epoch", "The number looks like a moment by another clock than its column's.")
        return written(clock.read(value, cut=truncate), "Z")

    def from_text(value: str) -> str:
        found = ISO.fullmatch(value)
        if not found:
            raise CastError("not_temporal", "The text is no date or time in ISO 8601.")
        day = parse_day(found["day"])
        time, zone = found["time"], found["zone"] or ""
        if time is None:
            return written(datetime(day.year, day.month, day.day), "")
        return written(combine(day, time, truncate), zone)

    def written(local: datetime, zone: str) -> str:
        offset = zone_offset(zone)
        if kind == "date":
            if (zone and not (utc or unit)) or (moved := _moved(local, offset)).time() != datetime.min.time():
                raise CastError("time_lost", "The value has a time of day, and the column holds days.")
            return moved.date().isoformat()
        if local.microsecond % grain:
            if not truncate:
                raise CastError("sub_microsecond", f"The value is finer than {target.sql} can hold.")
            local = local.replace(microsecond=local.microsecond - local.microsecond % grain)
        if kind == "timestamp" and zone and not (utc or unit):
            raise CastError("zone_lost", "The text has a time zone, and the column has none.")
        moved = _moved(local, offset)
        return moved.isoformat(" ") + ("+00" if kind == "timestamptz" else "")

    return cast


def _moved(local: datetime, offset: timedelta) -> datetime:
    try:
        return local - offset
    except OverflowError:
        raise CastError("out_of_range", "The moment is outside the years 1 to 9999.") from None


def time_of_day(target: TargetType) -> Cast:
    """Return the cast to time (without time zone)."""
    digits = 6 if target.precision is None else target.precision

    def cast(value: SqliteValue) -> str:
        if not isinstance(value, str):
            raise mismatch(value, "a time of day")
        if not _TIME.fullmatch(value):
            raise CastError("not_temporal", "The text is no time of day in ISO 8601.")
        found = combine(date(2000, 1, 1), value)
        if found.microsecond % 10 ** (6 - digits):
            raise CastError("sub_microsecond", f"The value is finer than {target.sql} can hold.")
        return found.time().isoformat()

    return cast


def parse_day(text: str) -> date:
    """Return a calendar day.

    :raises CastError: when there is no such day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CastError("not_temporal", "There is no such day.") from None


def combine(day: date, text: str, truncate: bool = False) -> datetime:
    """Return a day and ``HH:MM[:SS[.fraction]]`` as one value.

    :param truncate: cut what is finer than a microsecond.
    :raises CastError: when there is no such time, or it is finer than a microsecond.
    """
    clock, _, fraction = text.replace(",", ".").partition(".")
    if fraction[6:].strip("0") and not truncate:
        raise CastError("sub_microsecond", "The value is finer than a microsecond.")
    hour, minute, *rest = (int(part) for part in clock.split(":"))
    second = rest[0] if rest else 0
    micro = int(fraction[:6].ljust(6, "0"))
    try:
        return datetime(day.year, day.month, day.day, hour, minute, second, micro)
    except ValueError:
        raise CastError("not_temporal", "There is no such time of day.") from None


def zone_offset(zone: str) -> timedelta:
    """Return how far a zone is ahead of UTC; nothing counts as UTC.

    :raises CastError: when no zone is that far away (PostgreSQL takes less than 16 hours).
    """
    if zone in ("", "Z", "z", "UTC"):
        return timedelta(0)
    digits = zone[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 15 or minutes > 59:
        raise CastError("not_temporal", "There is no such time zone.")
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if zone[0] == "-" else offset
