"""What a restore knows of itself while it goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from howdah.clock import Clock
from howdah.drill.sandbox import Sandbox
from howdah.instance import Instance
from howdah.restore import state
from howdah.restore.reach import Way
from howdah.restore.state import State, Step
from howdah.restore.target import Target
from howdah.restore.volume import Layout


@dataclass
class Course:
    """A restore under way.

    :ivar label: of the backup that was asked for.
    :ivar left: what a killed run left.
    :ivar facts: fields of :class:`~howdah.restore.model.Restore`.
    :ivar outcome: what became of the server, where something failed.
    :ivar step: what is done.
    :ivar moved: nothing stands in the data directory's place any more, because of a killed run.
    :ivar started: the server's last start, as :func:`~howdah.restore.server.started` says it.
    :ivar stopped: the server does not run any more, because of this restore.
    """

    instance: Instance
    target: Target
    label: str | None
    repository: int
    in_place: bool
    identity: str
    left: State | None = None
    clock: Clock = field(default_factory=Clock)
    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    outcome: str = ""
    step: Step | None = None
    was_running: bool = False
    was_answering: bool = False
    moved: bool = False
    started: str = ""
    stopped: bool = False

    def note(self, step: Step) -> None:
        """Write down that a step is done."""
        state.write(
            self.instance,
            State(
                identity=self.identity,
                target=self.target,
                label=self.label or "",
                repository=self.repository,
                in_place=self.in_place,
                step=step,
                was_running=self.was_running,
                was_answering=self.was_answering,
                at=time.time(),
                facts=self.facts,
                started=self.started,
            ),
        )
        self.step = step

    @property
    def command(self) -> str:
        """Return what was typed, for the killed run where this one did nothing, as it is typed again."""
        environment = self.instance.environment
        if self.left and not self.step:
            return self.left.command(environment)
        return state.typed(environment, self.target, self.label, self.repository, self.in_place)

    @property
    def resumes(self) -> bool:
        """Whether this is what the killed run was asked for."""
        return self.left is not None and self.left.same(self.target, self.label, self.repository, self.in_place)


@dataclass(frozen=True)
class Tools:
    """What a restore works with.

    :ivar client: of the container engine.
    :ivar copy: where what comes back is made.
    """

    client: Any
    copy: Sandbox
    layout: Layout


@dataclass(frozen=True)
class Prepared:
    """What was found before anything changed; ``way`` is ``None`` when a killed run had found it already."""

    way: Way | None
    main: bool
    carried: bool
