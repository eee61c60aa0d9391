"""How far a run is: the events that the engine gives, and what a person is told about them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["snapshot", "profile", "forecast", "compare", "create", "load", "indexes", "verify"]
"""The stages that may take long, under the names that the report gives their seconds."""


@dataclass(frozen=True)
class Event:
    """How far one stage of a run is.

    An event without a table is about the stage as a whole: it has begun, and works on so many rows.

    :ivar source: name of the source, if the stage works on one at a time.
    :ivar table: source table, if the stage works on one at a time.
    :ivar done: rows of the table handled so far; it only grows, but for a table that is tried again.
    :ivar total: rows in all, of the table or of the stage; 0 where that is not known.
    :ivar bytes: bytes of values handled so far, of the table.
    """

    stage: Stage
    source: str = ""
    table: str = ""
    done: int = 0
    total: int = 0
    bytes: int = 0


Progress = Callable[[Event], None]
"""Called with every event; from several threads when several tables are worked on at the same time."""


def silent(event: Event) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Reading:
    """Where a stage is, over all its tables.

    :ivar doing: what the latest event was about: a table, a source, or nothing.
    :ivar seconds: since the stage began.
    """

    stage: Stage
    doing: str
    done: int
    total: int
    bytes: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Return the average over the stage."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def bytes_per_second(self) -> float:
        """Return the average over the stage."""
        return self.bytes / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Return how long the rest of the stage takes at its average speed, ``None`` where that is not known."""
        if not self.done or self.total < self.done:
            return None
        return self.seconds * (self.total - self.done) / self.done

    @property
    def figures(self) -> str:
        """Return rows, speed and time left, as far as they are known.

        >>> Reading("load", "a", 500_000, 2_000_000, 64_000_000, 4.0).figures
        '500,000 of 2,000,000 rows, 125,000 rows/s, 16.0 MB/s, 12 s left'
        >>> Reading("profile", "shop", 0, 0, 0, 4.0).figures
        ''
        """
        if not self.total:
            return ""
        parts = [f"{self.done:,} of {self.total:,} rows"]
        if self.done and self.seconds >= 1:
            parts.append(f"{self.rows_per_second:,.0f} rows/s")
            if self.bytes:
                parts.append(f"{self.bytes_per_second / 1e6:,.1f} MB/s")
            if self.seconds_left:
                parts.append(f"{span(self.seconds_left)} left")
        return ", ".join(parts)


class Meter:
    """Adds up the events of a run; may be fed from several threads.

    :param clock: seconds since some moment.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._stage: Stage | None = None
        self._began = 0.0
        self._total = 0
        # Source → table: of thousands, each pair of names would be one value more.
        self._tables: dict[str, dict[str, tuple[int, int]]] = {}
        self._done = self._bytes = 0

    def add(self, event: Event) -> Reading:
        """Take in an event; return where its stage is now."""
        with self._lock:
            now = self._clock()
            if event.stage != self._stage:
                self._stage, self._began, self._tables = event.stage, now, {}
                self._total = self._done = self._bytes = 0
            if event.table:
                known = self._tables.setdefault(event.source, {})
                rows, size = known.get(event.table, (0, 0))
                self._done += event.done - rows
                self._bytes += event.bytes - size
                known[event.table] = (event.done, event.bytes)
            else:
                self._total = max(self._total, event.total)
            return Reading(
                stage=event.stage,
                doing=event.table or event.source,
                done=self._done,
                total=max(self._total, self._done),
                bytes=self._bytes,
                seconds=now - self._began,
            )


class Lines:
    """Tells a run's progress in plain lines, for a log: none in a short run, then one now and then.

    :param write: takes one line, without its end.
    :param interval: seconds before the first line and between two lines.
    """

    def __init__(
        self, write: Callable[[str], None], interval: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._interval = interval
        self._clock = clock
        self._meter = Meter(clock)
        self._lock = threading.Lock()
        self._said = clock()

    def __call__(self, event: Event) -> None:
        """Take in an event, and say where its stage is when it is time to."""
        reading = self._meter.add(event)
        with self._lock:
            if self._clock() - self._said < self._interval:
                return
            self._said = self._clock()
        self._write(line(reading))


def line(reading: Reading) -> str:
    """Return where a stage is as one line.

    >>> line(Reading("profile", "shop", 0, 0, 0, 4.0))
    'profile: shop'
    """
    told = [part for part in (reading.doing, reading.figures) if part]
    return f"{reading.stage}: {', '.join(told)}" if told else reading.stage


def span(seconds: float) -> str:
    """Return a span of time for people.

    >>> span(0.2), span(59.7), span(3599), span(7322)
    ('1 s', '1 min', '60 min', '2 h 2 min')
    """
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes <= 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
