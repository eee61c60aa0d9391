"""A drill from end to end. Whatever happens in it is in its result; only what forbids to begin is an error."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from howdah import __version__, errors, pg
from howdah.backup import Backup, pgbackrest
from howdah.clock import Clock
from howdah.drill import checks, history, point, sandbox
from howdah.drill.model import Drill, DrillFinding
from howdah.drill.sandbox import Sandbox
from howdah.errors import ConfigurationError, HowdahError, RepositoryUnreadable, RestoreFailed
from howdah.instance import Instance
from howdah.locks import one_at_a_time
from howdah.manifest import store
from howdah.manifest.model import Manifest
from howdah.stopping import Stopped

REPLAY_SECONDS = 6 * 3600.0
# pgBackRest's own codes for what it cannot read: crypto, missing file, checksum, format.
_UNREADABLE = (31, 55, 68, 69, 75, 95)

_KINDS: tuple[tuple[str, str, type[HowdahError]], ...] = (
    ("amcheck", "damaged", errors.CopyDamaged),
    ("checksums", "damaged", errors.CopyDamaged),
    ("comparison", "different", errors.VerificationFailed),
    ("login", "login", errors.LoginRefused),
)
_FAILURES: dict[type[HowdahError], str] = {
    errors.RepositoryUnreadable: "repository",
    errors.ArchiveIncomplete: "archive",
    errors.RestoreFailed: "restore",
}
Copy = Callable[[str], str]
"""Database → connection string to it in the copy."""


@dataclass
class _Course:
    """What a drill has found so far."""

    began: float
    clock: Clock = field(default_factory=Clock)
    findings: list[DrillFinding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    proven: bool = True


def run(
    instance: Instance,
    *,
    pitr: datetime | None = None,
    label: str | None = None,
    before_comparison: Callable[[Copy], None] | None = None,
) -> Drill:
    """Restore a backup into a throw-away container, hold it against a manifest, and keep what was found.

    :param pitr: a time to go back to, with its zone; without it, a restore point that is written now.
    :param label: of the backup to restore; without it, the last one that can reach the point.
    :param before_comparison: is given the copy when it is up; how a test damages it.
    :raises LockHeld: another drill of the instance runs.
    :raises ConfigurationError: the time lies in the future.
    """
    began = datetime.now(UTC)
    if pitr and pitr >= began:
        raise ConfigurationError(f"{pitr.isoformat()} is not in the past.", "Give a time that has passed.")
    with one_at_a_time(instance, "drill"):
        identity = f"drill-{began:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        course = _Course(began=began.timestamp())
        blank = Drill(
            identity=identity,
            instance=instance.name,
            environment=instance.environment,
            howdah_version=__version__,
            started_at=began.isoformat(timespec="milliseconds"),
        )
        failure: BaseException | None = None
        try:
            with sandbox.engine() as client:
                for left in sandbox.remove_left_over(client, instance):
                    history.append(instance, _interrupted(blank, left))
                _drill(client, instance, identity, course, pitr=pitr, label=label, meddle=before_comparison)
        except (Exception, Stopped) as error:  # noqa: BLE001 - fails closed: whatever it is, the drill is red
            failure = error
        drill = _judged(blank, course, failure)
        history.append(instance, drill)
        if isinstance(failure, Stopped):
            raise failure
        return drill


def _drill(
    client: Any,
    instance: Instance,
    identity: str,
    course: _Course,
    *,
    pitr: datetime | None,
    label: str | None,
    meddle: Callable[[Copy], None] | None,
) -> None:
    manifest: Manifest | None = None
    with course.clock.stage("prepare"):
        chosen = point.choose(instance, label, pitr)
        course.facts |= _about(chosen, course.began)
        if chosen.error and not label:
            raise RepositoryUnreadable(
                f"The newest backup, {chosen.label}, holds pages that fail their checksum.",
                "Find the damage with pg_amcheck on the server and correct it, then howdah backup --type full.",
            )
        point.beat(instance, identity)
        # A heartbeat after the time is also what lets a replay to it end: it needs a later commit.
        manifest = None if pitr else store.take(instance, identity, chosen.label)
        if manifest:
            store.keep(instance, manifest)
        segment = manifest.segment if manifest else point.segment(instance)
        course.facts |= {
            "point": manifest.point if manifest else _zoned(pitr),
            "target_lsn": manifest.lsn if manifest else "",
        }
        point.archive(instance, segment)
        point.check_archive(instance, chosen, segment)
        point.room(instance, client.info()["DockerRootDir"], chosen.size)
    with sandbox.sandbox(client, instance, identity) as copy:
        with course.clock.stage("restore"):
            _restore(copy, instance, chosen, course)
        with course.clock.stage("replay"):
            copy.start()
            copy.wait_for_promotion(REPLAY_SECONDS)
            _arrived(copy, course, pitr)
        if meddle:
            meddle(copy.dsn)
        with course.clock.stage("verify"):
            if manifest:
                course.findings += checks.comparison(copy, manifest)
                course.findings += checks.logins(copy, instance, manifest.probes)
                course.facts |= _extent(manifest)
            else:
                course.proven = False
            course.findings += checks.structures(copy)
            copy.stop()
            course.findings += checks.checksums(copy)


def _about(chosen: Backup, began: float) -> dict[str, Any]:
    return {
        "backup": chosen.label,
        "backup_kind": chosen.kind,
        "backup_age_seconds": max(0, int(began) - chosen.stopped),
        "bytes": chosen.size,
    }


def _extent(manifest: Manifest) -> dict[str, int]:
    known = [manifest.facts, *(image.facts for image in manifest.databases.values())]
    return {
        "databases": len(manifest.databases),
        "tables": manifest.table_count,
        "rows": manifest.rows,
        "facts": sum(len(names) for found in known for names in found.values()),
        "logins": len(manifest.probes),
    }


def _restore(copy: Sandbox, instance: Instance, chosen: Backup, course: _Course) -> None:
    target = course.facts["point"]
    kind = "name" if course.facts["target_lsn"] else "time"
    answer = copy.run(
        [
            *pgbackrest(instance), f"--set={chosen.label}", "--archive-mode=off", f"--type={kind}",
            f"--target={target}", "--target-action=promote", "--log-level-console=warn", "restore",
        ],
        "restore",
    )  # fmt: skip
    if answer.code in _UNREADABLE:
        raise RepositoryUnreadable(
            f"Backup {chosen.label} cannot be read ({answer.code}): {answer.last_line}.",
            "A file of the repository is missing or damaged, or the key is wrong. Take a full backup now.",
        )
    if answer.code != 0:
        raise RestoreFailed(
            f"Backup {chosen.label} did not restore ({answer.code}): {answer.last_line}.",
            "Take a full backup now, and run the drill again.",
        )


def _arrived(copy: Sandbox, course: _Course, pitr: datetime | None) -> None:
    """Read how far the copy came; a server that is up proves nothing.

    :raises RestoreFailed: it did not stop where it should.
    """
    log = copy.log()
    course.facts["segments"] = log.count(" from archive")
    with pg.connect(copy.dsn("postgres")) as connection:
        row = connection.execute("SELECT pg_last_wal_replay_lsn()::text").fetchone()
        course.facts["reached_lsn"] = (row and row[0]) or ""
        try:
            row = connection.execute(
                "SELECT extract(epoch FROM max(written_at))::float8 FROM howdah.heartbeat"
            ).fetchone()
        except psycopg.errors.UndefinedTable:
            row = None
    if row and row[0] is not None:
        course.facts["rpo_seconds"] = round(max(0.0, course.began - row[0]), 3)
    said = "recovery stopping before" if pitr else f'recovery stopping at restore point "{course.facts["point"]}"'
    if said not in log:
        raise RestoreFailed(
            f"The replay ended at {course.facts['reached_lsn']} without having met {course.facts['point']}.",
            "See whether the archive has a gap: howdah backup --check.",
        )


def _judged(blank: Drill, course: _Course, failure: BaseException | None) -> Drill:
    """Return the drill with its verdict: the first kind of finding that there is, the worst kind first."""
    phases = {name: round(seconds, 3) for name, seconds in course.clock.stages.items()}
    known = {
        **course.facts,
        "phases": phases,
        "rto_seconds": round(phases["restore"] + phases["replay"], 3) if "verify" in phases else None,
        "finished_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    if failure is not None:
        known |= _failure(failure)
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


NEXT_STEPS = {
    "damaged": "The backup holds damaged pages. Check the server itself with pg_amcheck, then take a full backup.",
    "different": "Do not rely on this backup. Take a full one now, drill again, and keep older backups meanwhile.",
    "login": "Data is back, but the application could not work with it: compare its role, password and policies.",
    "interrupted": "Nothing is left of it. Run the drill again.",
}


def _praise(known: dict[str, Any], verdict: str) -> str:
    if verdict == "restored":
        return f"Backup {known['backup']} was restored to {known['point']}; every page and index of it is sound."
    return (
        f"Backup {known['backup']} brings back {known['rows']:,} rows in {known['tables']} tables,"
        f" every value as it was, in {known['rto_seconds']:.0f} s."
    )


def _failure(failure: BaseException) -> dict[str, Any]:
    if isinstance(failure, Stopped):
        return {
            "failure": "interrupted",
            "sentence": "The drill was told to stop.",
            "next_step": NEXT_STEPS["interrupted"],
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
        "sentence": f"The drill ended with an unexpected {type(failure).__name__}: {said}.",
        "next_step": "Run it again; if it stays, run it with howdah --debug and report what it prints.",
    }


def _interrupted(blank: Drill, left: str) -> Drill:
    """Return what is known of a drill that was killed."""
    return blank.model_copy(
        update={
            "identity": left,
            "finished_at": blank.started_at,
            "failure": "interrupted",
            "sentence": f"{left} was killed before it ended; what it left was removed.",
            "next_step": NEXT_STEPS["interrupted"],
        }
    )


def _zoned(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="microseconds") if moment else ""
