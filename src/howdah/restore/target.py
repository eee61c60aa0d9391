"""Where a restore is to go: the end of the archive, a time, an LSN, or a restore point."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from howdah.drill.recover import Goal
from howdah.drill.recover import Kind as GoalKind
from howdah.errors import ConfigurationError

Kind = Literal["latest", "time", "lsn", "point"]
_GOALS: dict[Kind, GoalKind] = {"latest": "default", "time": "time", "lsn": "lsn", "point": "name"}
_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")


class Target(BaseModel):
    """Where to go.

    :ivar value: a time in UTC as ``YYYY-MM-DD HH:MM:SS.ffffff+00:00``, an LSN, or a name.
    :ivar timeline: that the operator wants followed, a number or ``latest``; empty: the one that was live then.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    value: str = ""
    timeline: str = ""

    @property
    def words(self) -> str:
        """Say it to people.

        >>> Target(kind="lsn", value="0/5000028").words
        'LSN 0/5000028'
        """
        said = {"latest": "the newest there is", "time": "", "lsn": "LSN ", "point": "restore point "}[self.kind]
        return f"{said}{self.value}" + (f" on timeline {self.timeline}" if self.timeline else "")

    @property
    def option(self) -> str:
        """Return how it is typed."""
        given = f"--to-{self.kind} '{self.value}'" if self.kind != "latest" else "--to latest"
        return given + (f" --timeline {self.timeline}" if self.timeline else "")

    @property
    def moment(self) -> datetime | None:
        """Return the time, where it is one."""
        return datetime.fromisoformat(self.value) if self.kind == "time" else None

    def goal(self, timeline: str) -> Goal:
        """Return what pgBackRest is told.

        :param timeline: where the operator did not choose one.
        """
        return Goal(_GOALS[self.kind], self.value, self.timeline or timeline)


def parse(
    to: str | None, time: datetime | None, lsn: str | None, point: str | None, timeline: str | None = None
) -> Target:
    """Return the target that exactly one of the options names.

    :param to: ``latest``.
    :raises ConfigurationError: none or several do, a time has not passed, or a text is no LSN or timeline.
    """
    given = [name for name in (to, time, lsn, point) if name is not None]
    if len(given) != 1:
        raise ConfigurationError(
            "Where shall the restore go?" if not given else "A restore goes to one place, and several were given.",
            "Say one of --to latest, --to-time TIME, --to-lsn LSN, --to-point NAME.",
        )
    if timeline and not re.fullmatch(r"latest|[1-9]\d*", timeline):
        raise ConfigurationError(f"{timeline!r} is no timeline.", "Say its number, or latest.")
    chosen = timeline or ""
    if time:
        if time >= datetime.now(UTC):
            raise ConfigurationError(
                f"{time.isoformat()} is not in the past.", "Give a time that has passed, or --to latest."
            )
        value = time.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")
        return Target(kind="time", value=value, timeline=chosen)
    if lsn:
        if not _LSN.fullmatch(lsn):
            raise ConfigurationError(f"{lsn!r} is no LSN.", "Write it like 0/5000028, as pg_current_wal_lsn() does.")
        return Target(kind="lsn", value=lsn.upper(), timeline=chosen)
    if point:
        return Target(kind="point", value=point, timeline=chosen)
    return Target(kind="latest", timeline=chosen)


def place(lsn: str, size: int) -> int:
    """Return which segment of the WAL holds an LSN.

    :param size: bytes of a segment.

    >>> place("2/3000028", 16 * 2**20)
    515
    """
    high, _, low = lsn.partition("/")
    return ((int(high, 16) << 32) + int(low, 16)) // size
