"""Progress of a run as live bars in a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.table import Column

from howdah.progress import Event, Meter, Progress, Reading, span

# Tables that are loaded at the same time get a bar each, up to this many.
_SHOWN = 6
# Seconds; a stage that took less goes without a trace.
_WORTH_A_LINE = 0.5


@contextmanager
def live(console: Console | None = None) -> Iterator[Progress]:
    """Give a progress that draws bars on a console, which vanish at the end.

    One line for each stage, and one for each table of the present stage that is worked on.

    :param console: standard error if none is given.
    """
    bars = Bars(
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[figures]}", table_column=Column(ratio=3, no_wrap=True, overflow="ellipsis")),
        console=console or Console(stderr=True, highlight=False, emoji=False),
        transient=True,
        expand=True,
    )
    with bars:
        yield _Live(bars)


class _Live:
    """Feeds the bars; called from several threads."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._meter = Meter()
        self._lock = threading.Lock()
        self._stage: TaskID | None = None
        self._began = 0.0
        self._reading: Reading | None = None
        self._tables: dict[tuple[str, str], TaskID] = {}

    def __call__(self, event: Event) -> None:
        with self._lock:
            reading = self._meter.add(event)
            if self._reading is None or self._reading.stage != reading.stage:
                self._next_stage(reading)
            self._reading = reading
            self._show_stage(reading)
            if event.table:
                self._show_table(event)

    def _next_stage(self, reading: Reading) -> None:
        for task in self._tables.values():
            self._bars.remove_task(task)
        self._tables.clear()
        if self._stage is not None and self._reading is not None:
            self._end_stage(self._stage, self._reading, time.monotonic() - self._began)
        self._began = time.monotonic()
        self._stage = self._bars.add_task(reading.stage, total=None, figures="")

    def _end_stage(self, task: TaskID, reading: Reading, seconds: float) -> None:
        if seconds < _WORTH_A_LINE:
            self._bars.remove_task(task)
            return
        rows = f"{reading.total:,} rows in " if reading.total else ""
        total = reading.total or 1
        self._bars.update(
            task, description=reading.stage, total=total, completed=total, figures=f"{rows}{span(seconds)}"
        )

    def _show_stage(self, reading: Reading) -> None:
        assert self._stage is not None  # noqa: S101 - made before it is shown
        # Tables have lines of their own; a stage without rows says here what it works on.
        doing = f" {escape(reading.doing)}" if reading.doing and not reading.total else ""
        self._bars.update(
            self._stage,
            description=f"{reading.stage}{doing}",
            total=reading.total or None,
            # A bar at its end counts as finished; the stage is finished when the next one begins.
            completed=min(reading.done, reading.total - 1) if reading.total else 0,
            figures=_short(reading),
        )

    def _show_table(self, event: Event) -> None:
        key = (event.source, event.table)
        if event.total and event.done >= event.total:
            if key in self._tables:
                self._bars.remove_task(self._tables.pop(key))
            return
        if key not in self._tables:
            if len(self._tables) >= _SHOWN:
                return
            self._tables[key] = self._bars.add_task(f"  {escape(event.table)}", total=event.total or None, figures="")
        self._bars.update(self._tables[key], completed=event.done, figures=f"{event.done:,} of {event.total:,}")


def _short(reading: Reading) -> str:
    """Return where a stage is: beside its bar there is room for about 50 characters."""
    if not reading.done or reading.seconds < 1:
        return f"{reading.total:,} rows" if reading.total else ""
    share = f"{100 * reading.done // reading.total:3d} %"
    speed = f"{reading.rows_per_second:,.0f} rows/s"
    size = f"{reading.bytes_per_second / 1e6:,.1f} MB/s" if reading.bytes else ""
    left = f"{span(reading.seconds_left)} left" if reading.seconds_left else ""
    return "  ".join(part for part in (share, speed, size, left) if part)
