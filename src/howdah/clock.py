"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Adds up the seconds of a run by stage.

    :ivar stages: stage → seconds, in the order in which the stages first ended; the rest of ``total`` is
        connecting, locking and writing the ledger.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.stages: dict[str, float] = {}

    @property
    def total(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self._started

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is done inside to a stage; one that is entered again is added up."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + time.monotonic() - began

    def give(self, seconds: float, *, of: str, to: str) -> None:
        """Count seconds in which two stages went on side by side to the other one."""
        self.stages[of] -= seconds
        self.stages[to] = self.stages.get(to, 0.0) + seconds
