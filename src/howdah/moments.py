"""What a plan decides, and says, about columns that tell time."""

from __future__ import annotations

from typing import Any, Protocol

from howdah import casts
from howdah.casts.clocks import CLOCKS
from howdah.casts.temporal import MICROSECONDS
from howdah.catalog.model import SourceColumn, TargetColumn
from howdah.declared import declares_time, speaks_of_time
from howdah.profile import ColumnProfile
from howdah.timekeeping import clock_of, rivals, shown


class Note(Protocol):
    """Takes a finding about a table."""

    def __call__(self, severity: Any, code: str, message: str, column: str = "", rows: int | None = None) -> None:
        """Add it."""


def choose_clock(name: str, profile: ColumnProfile, note: Note) -> tuple[str, dict[str, str]]:
    """Decide how the numbers of a column of moments are read; return the cast and its options."""
    clock = clock_of(profile)
    if not clock:
        note(
            "warning",
            "ambiguous_epoch",
            "Numbers whose clock is unclear; their rows go to quarantine unless application.yml names it "
            f"(cast: epoch_s, epoch_ms, apple_s, …). {shown(profile)}.",
            name,
            profile.numbers,
        )
        return "moment", {}
    message = f"Numbers are read as {CLOCKS[clock].label}, in UTC: {shown(profile, clock)}."
    note("info", "epoch_unit", message, name, profile.numbers)
    others = rivals(profile, clock)
    if others:
        message = "Numbers that look like moments by another clock than the rest; their rows go to quarantine."
        note("warning", "mixed_clocks", message, name, others)
        return clock, {"strict": "yes"}
    # The vectorised loader knows the units of the epoch.
    return ("moment", {"unit": clock}) if clock in MICROSECONDS else (clock, {})


def left_as_they_are(column: SourceColumn, found: TargetColumn, profile: ColumnProfile, note: Note) -> None:
    """Say what a derived type could have been, where the evidence did not suffice."""
    if profile.cents and profile.cents == profile.reals and found.type.name == "float8":
        message = (
            "Amounts of at most two decimals; they stay double precision, and numeric would make their sums exact."
        )
        note("info", "money_as_float", message, column.name, profile.cents)
    timely = declares_time(column.declared) or speaks_of_time(column.name)
    if not timely or column.key_position or not profile.readings or found.type.name in casts.MOMENTS:
        return
    clock = clock_of(profile)
    if clock and profile.finer:
        message = (
            f"Its moments are finer than a microsecond, so they stay {found.type.sql}; an application folder can "
            f"cut them (cast: {clock}, truncate: true). {shown(profile, clock)}."
        )
        note("warning", "finer_moments", message, column.name, profile.finer)
    elif not clock or rivals(profile, clock) or profile.texts:
        message = f"It may hold moments, but not by one clock alone, so it stays {found.type.sql}. {shown(profile)}."
        note("warning", "ambiguous_time", message, column.name, profile.numbers)
