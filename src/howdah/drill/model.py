"""What a drill found, as one line of the history."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DrillFinding(_Strict):
    """One thing that is not as it should be.

    :ivar check: what found it: ``archive``, ``restore``, ``comparison``, ``login``, ``amcheck``, ``checksums``…
    :ivar message: one sentence.
    """

    check: str
    message: str


class Outcome(_Strict):
    """What a drill and a restore both say. Times are ISO 8601 in UTC, spans seconds; empty or 0: not reached.

    :ivar failure: why it failed, one word: see docs/operator-guide.md.
    :ivar bytes: of the data directory that was restored.
    :ivar segments: WAL files that were replayed.
    :ivar trace: where in the program it failed, when nobody expected it.
    """

    identity: str
    instance: str
    environment: str
    howdah_version: str
    started_at: str
    finished_at: str = ""
    verdict: str = "failed"
    failure: str = ""
    exit_code: int = 1
    sentence: str = ""
    next_step: str = ""
    backup: str = ""
    backup_kind: str = ""
    reached_lsn: str = ""
    phases: dict[str, float] = {}
    bytes: int = 0
    segments: int = 0
    trace: str = ""


class Drill(Outcome):
    """One drill; what was not reached is ``None`` or 0.

    :ivar verdict: ``proven``: restored and compared with a manifest; ``restored``: to a time of which there is no
        manifest, and sound; ``failed``.
    :ivar repository: where the backup is; empty in lines of an earlier version.
    :ivar point: the restore point, or the time, that was to be reached.
    :ivar rpo_seconds: from the newest heartbeat in the copy to the drill's start: what would have been lost.
    :ivar rto_seconds: restore and replay: after this time services could go on.
    :ivar phases: seconds of ``prepare``, ``restore``, ``replay``, ``verify``.
    """

    verdict: Literal["proven", "restored", "failed"] = "failed"
    repository: str = ""
    backup_age_seconds: int | None = None
    point: str = ""
    target_lsn: str = ""
    rpo_seconds: float | None = None
    rto_seconds: float | None = None
    databases: int = 0
    tables: int = 0
    rows: int = 0
    facts: int = 0
    logins: int = 0
    findings: tuple[DrillFinding, ...] = ()
