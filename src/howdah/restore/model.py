"""What came of a restore, as one line of the history."""

from __future__ import annotations

from typing import Literal

from howdah.drill.model import Outcome


class Restore(Outcome):
    """One restore.

    :ivar target: where it was to go, for people.
    :ivar reached_time: of the last transaction that was replayed.
    :ivar timeline_before: of the data that stood there; 0 where it could not be read.
    :ivar safety_backup: label of the backup that was taken of what stood there.
    :ivar kept: the data directory that stood there, where it was set aside, as the container sees it.
    :ivar why_kept: why there is no safety backup, or why it may lack what the server wrote last.
    :ivar fresh_backup: label of the backup that was taken afterwards.
    :ivar phases: seconds of ``prepare``, ``safety``, ``stop``, ``restore``, ``replay``, ``switch``, ``start`` and
        ``backup``.
    :ivar resumed: it finished what a killed one had begun.
    :ivar pooler: what became of the pooler's connections.
    :ivar findings: what the operator should know, one sentence each.
    """

    verdict: Literal["restored", "failed"] = "failed"
    target: str = ""
    reached_time: str = ""
    timeline_before: int = 0
    timeline_after: int = 0
    safety_backup: str = ""
    kept: str = ""
    why_kept: str = ""
    fresh_backup: str = ""
    resumed: bool = False
    pooler: str = ""
    findings: tuple[str, ...] = ()
