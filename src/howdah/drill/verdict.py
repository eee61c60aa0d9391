"""What a drill's findings come to: a verdict, an exit code, one sentence and the next step."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from howdah import errors, pg
from howdah.clock import Clock
from howdah.drill.model import Drill, DrillFinding
from howdah.errors import HowdahError
from howdah.stopping import Stopped

_KINDS: tuple[tuple[str, str, type[HowdahError]], ...] = (
    ("amcheck", "damaged", errors.CopyDamaged),
    ("checksums", "damaged", errors.CopyDamaged),
    ("comparison", "different", errors.VerificationFailed),
    ("login", "login", errors.LoginRefused),
    ("limit", "limit", errors.LimitExceeded),
)
_FAILURES: dict[type[HowdahError], str] = {
    errors.RepositoryUnreadable: "repository",
    errors.ArchiveIncomplete: "archive",
    errors.RestoreFailed: "restore",
}


NEXT_STEPS = {
    "damaged": "The backup holds damaged pages. Check the server itself with pg_amcheck, then take a full backup.",
    "different": "Do not rely on this backup. Take a full one now, drill again, and keep older backups meanwhile.",
    "login": "Data is back, but the application could not work with it: compare its role, password and policies.",
    "limit": "The data is back as it was, but not as fast or as fresh as asked for: see the phases.",
    "interrupted": "Nothing is left of it. Run the drill again.",
}


@dataclass
class Course:
    """What a drill has found so far.

    :ivar began: seconds since the epoch.
    :ivar facts: fields of :class:`~howdah.drill.model.Drill`.
    :ivar proven: there was a manifest to compare with.
    """

    began: float
    clock: Clock = field(default_factory=Clock)
    findings: list[DrillFinding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    proven: bool = True


def limits(course: Course, max_rto: float, max_rpo: float) -> list[DrillFinding]:
    """Return what exceeds a limit; seconds, 0 for none."""
    rto = sum(course.clock.stages[phase] for phase in ("restore", "replay"))
    rpo = course.facts.get("rpo_seconds")
    found = []
    if max_rto and rto > max_rto:
        found.append(f"Restore and replay took {rto:.1f} s; {max_rto:.0f} s are asked for.")
    if max_rpo and (rpo is None or rpo > max_rpo):
        age = "no heartbeat at all" if rpo is None else f"a heartbeat {rpo:.1f} s old"
        found.append(f"The newest that came back is {age}; {max_rpo:.0f} s are asked for.")
    return [DrillFinding(check="limit", message=message) for message in found]


def judged(blank: Drill, course: Course, failure: BaseException | None) -> Drill:
    """Return the drill with its verdict: the first kind of finding that there is, the worst kind first."""
    phases = {name: round(seconds, 3) for name, seconds in course.clock.stages.items()}
    known = {
        **course.facts,
        "phases": phases,
        "rto_seconds": round(phases["restore"] + phases["replay"], 3) if "verify" in phases else None,
        "finished_at": _now(),
    }
    if failure is not None:
        known |= explained(failure, "drill")
        known["findings"] = (*course.findings, DrillFinding(check=known["failure"], message=known["sentence"]))
        return blank.model_copy(update=known)
    known["findings"] = tuple(course.findings)
    for check, word, kind in _KINDS:
        found = [finding for finding in course.findings if finding.check == check]
        if found:
            return blank.model_copy(
                update={
                    **known,
                    "failure": word,
                    "exit_code": kind.exit_code,
                    "sentence": found[0].message,
                    "next_step": NEXT_STEPS[word],
                }
            )
    verdict = "proven" if course.proven else "restored"
    return blank.model_copy(update={**known, "verdict": verdict, "exit_code": 0, "sentence": _praise(known, verdict)})


def _praise(known: dict[str, Any], verdict: str) -> str:
    if verdict == "restored":
        return f"Backup {known['backup']} was restored to {known['point']}; every page and index of it is sound."
    return (
        f"Backup {known['backup']} brings back {known['rows']:,} row{'s' * (known['rows'] != 1)}"
        f" in {known['tables']:,} table{'s' * (known['tables'] != 1)},"
        f" every value as it was, in {known['rto_seconds']:.0f} s."
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def explained(failure: BaseException, work: str) -> dict[str, Any]:
    """Return what a result says of a failure.

    :param work: ``drill`` or ``restore``.
    """
    if isinstance(failure, Stopped):
        return {
            "failure": "interrupted",
            "sentence": f"The {work} was told to stop.",
            "next_step": f"Run the {work} again.",
        }
    if isinstance(failure, HowdahError):
        return {
            "failure": _FAILURES.get(type(failure), "unexpected"),
            "exit_code": failure.exit_code,
            "sentence": failure.what,
            "next_step": failure.next_step,
        }
    said = pg.message(failure) if isinstance(failure, psycopg.Error) else " ".join(str(failure).split())
    return {
        "failure": "unexpected",
        "sentence": f"The {work} ended with an unexpected {type(failure).__name__}: {said}.",
        "next_step": "Run it again; if it stays, run it with howdah --debug and report what it prints.",
        "trace": "".join(traceback.format_exception(failure)),
    }


def interrupted(begun: Drill) -> Drill:
    """Return what is known of a drill that began and was killed; its end is when somebody noticed."""
    return begun.model_copy(
        update={
            "finished_at": _now(),
            "failure": "interrupted",
            "sentence": f"{begun.identity} began and never ended: it was killed, or the host went off.",
            "next_step": NEXT_STEPS["interrupted"],
        }
    )
