"""The report of a drill as one self-contained page, for people who need not know PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from howdah.drill.model import Drill
from howdah.report import page

SHOWN = 60
# What a phase is, in words of the reader.
PHASES = {
    "prepare": "choose the backup, and wait for notes that take longer than the copying",
    "restore": "copy the backup back; meanwhile write a sign of life and note what is there",
    "replay": "repeat what was written since the backup",
    "verify": "compare everything with what was noted",
}
# A chart's own units; the page scales it to its width.
WIDTH, HEIGHT, EDGE = 600.0, 120.0, 6.0


@dataclass(frozen=True)
class Bar:
    """A phase on the timeline; start and width in percent of all."""

    name: str
    seconds: float
    what: str
    start: float
    width: float


@dataclass(frozen=True)
class Dot:
    """A drill on a chart; x and y in its units, ``None`` for y: it has no such figure."""

    x: float
    y: float | None
    drill: Drill
    seconds: float | None


@dataclass(frozen=True)
class Chart:
    """A figure over the last drills.

    :ivar top: seconds at the upper edge.
    """

    title: str
    dots: tuple[Dot, ...]
    top: float

    @property
    def line(self) -> str:
        """Return the points of a polyline through the drills that have the figure."""
        return " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in self.dots if dot.y is not None)


def timeline(drill: Drill) -> list[Bar]:
    """Return the phases of a drill one after the other."""
    total = sum(drill.phases.values()) or 1.0
    bars: list[Bar] = []
    for name, seconds in drill.phases.items():
        start = bars[-1].start + bars[-1].width if bars else 0.0
        bars.append(Bar(name, seconds, PHASES.get(name, name), start, 100 * seconds / total))
    return bars


def chart(title: str, drills: Sequence[Drill], figures: Sequence[float | None]) -> Chart:
    """Return a figure of each drill as a chart, the oldest on the left.

    >>> chart("RTO", [], []).line
    ''
    """
    top = max((figure for figure in figures if figure is not None), default=0.0) or 1.0
    step = (WIDTH - 2 * EDGE) / max(1, len(drills) - 1)
    dots = [
        Dot(
            x=EDGE + number * step if len(drills) > 1 else WIDTH / 2,
            y=None if figure is None else HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * figure / top,
            drill=drill,
            seconds=figure,
        )
        for number, (drill, figure) in enumerate(zip(drills, figures, strict=True))
    ]
    return Chart(title, tuple(dots), top)


def render(drill: Drill, before: Sequence[Drill]) -> str:
    """Return the page of a drill.

    :param before: the history, the drill itself included, the oldest first; the charts show drills of its repository.
    """
    last = [found for found in before if found.repository == drill.repository][-SHOWN:]
    charts = (
        chart("Time until services could go on (RTO)", last, [found.rto_seconds for found in last]),
        chart("Age of the newest data that came back (RPO)", last, [found.rpo_seconds for found in last]),
    )
    return page("drill.html.j2", drill=drill, bars=timeline(drill), charts=charts, width=WIDTH, height=HEIGHT)
