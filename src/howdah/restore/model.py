"""What came of a restore, as one line of the history."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Restore(BaseModel):
    """One restore. Times are ISO 8601 in UTC, spans seconds; what was not reached is empty, 0 or ``None``.

    :ivar failure: why it failed, one word, as of a drill.
    :ivar target: where it was to go, for people.
    :ivar reached_time: of the last transaction that was replayed.
    :ivar timeline_before: of the data that stood there; 0 where it could not be read.
    :ivar safety_backup: label of the backup that was taken of what stood there.
    :ivar kept: the data directory that stood there, where it was set aside, as the container sees it.
    :ivar why_kept: why there is no safety backup, or why it may lack what the server wrote last.
    :ivar fresh_backup: label of the backup that was taken afterwards.
    :ivar phases: seconds of ``prepare``, ``safety``, ``stop``, ``restore``, ``replay``, ``switch``, ``start`` and
        ``backup``.
    :ivar bytes: of the data directory.
    :ivar segments: WAL files that were replayed.
    :ivar resumed: it finished what a killed one had begun.
    :ivar pooler: what became of the pooler's connections.
    :ivar findings: what the operator should know, one sentence each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    identity: str
    instance: str
    environment: str
    howdah_version: str
    started_at: str
    finished_at: str = ""
    verdict: Literal["restored", "failed"] = "failed"
    failure: str = ""
    exit_code: int = 1
    sentence: str = ""
    next_step: str = ""
    target: str = ""
    backup: str = ""
    backup_kind: str = ""
    reached_lsn: str = ""
    reached_time: str = ""
    timeline_before: int = 0
    timeline_after: int = 0
    safety_backup: str = ""
    kept: str = ""
    why_kept: str = ""
    fresh_backup: str = ""
    phases: dict[str, float] = {}
    bytes: int = 0
    segments: int = 0
    resumed: bool = False
    pooler: str = ""
    findings: tuple[str, ...] = ()
