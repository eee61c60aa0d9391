"""What was measured, and whether it counts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tests.bench.measure import Usage


@dataclass(frozen=True)
class Run:
    """One step of one contestant in one round.

    :ivar seconds: what counts: the whole command, or for ``howdah-load`` its stages up to the loaded tables.
    :ivar stages: seconds by stage, as howdah's report says; else empty.
    :ivar wrong: why the result does not count; empty when the rows are exactly those expected.
    """

    step: str
    round: int
    seconds: float
    usage: Usage
    stages: dict[str, float] = field(default_factory=dict)
    wrong: str = ""


@dataclass(frozen=True)
class Results:
    """Everything that was measured, and on what.

    :ivar absent: contestant → why it could not take part.
    """

    machine: dict[str, str]
    server: dict[str, str]
    options: dict[str, Any]
    rows: int
    source_bytes: int
    runs: tuple[Run, ...]
    absent: dict[str, str]

    def of(self, step: str) -> tuple[Run, ...]:
        """Return the runs of a step that count, by round."""
        return tuple(sorted((r for r in self.runs if r.step == step and not r.wrong), key=lambda run: run.round))

    def joined(self, earlier: Results) -> Results:
        """Return these results with those of an earlier run for steps that nobody took in this one.

        Machine and server are those of the earlier run, as most of the figures are; the busier of both counts.

        :raises ValueError: it had other rows.
        """
        if (self.rows, self.source_bytes) != (earlier.rows, earlier.source_bytes):
            raise ValueError(f"the earlier results are of {earlier.rows:,} rows, these of {self.rows:,}")
        again = {run.step for run in self.runs}
        rounds = sorted(
            {*str(self.options["rounds"]).split(" or "), *str(earlier.options["rounds"]).split(" or ")}, key=int
        )
        load = max((found.machine["load when it began"] for found in (self, earlier)), key=float)
        return replace(
            earlier,
            machine=earlier.machine | {"load when it began": load},
            options=earlier.options | {"rounds": " or ".join(rounds)},
            runs=tuple(run for run in earlier.runs if run.step not in again) + self.runs,
            absent={name: why for name, why in (earlier.absent | self.absent).items() if name not in again},
        )

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Return what was written as JSON; the promises in it are judged anew."""
        given = {name: value for name, value in json.loads(text).items() if name != "promises"}
        runs = tuple(Run(**{**run, "usage": Usage(**run["usage"])}) for run in given["runs"])
        return cls(**{**given, "runs": runs})

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return asdict(self)


def failure(usage: Usage, limit: float) -> str:
    """Return why a command's result does not count; empty when it may."""
    if usage.stopped:
        return f"stopped after {limit:.0f} s"
    if usage.exit_code:
        return f"exit code {usage.exit_code}: {' '.join(usage.tail.split())[-300:]}"
    return ""
