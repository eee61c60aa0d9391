"""A drill from end to end. Whatever happens in it is in its result; only what forbids to begin is an error."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg

from howdah import __version__, pg
from howdah.backup import Backup
from howdah.drill import checks, history, point, recover, sandbox
from howdah.drill.model import Drill
from howdah.drill.recover import Goal
from howdah.drill.sandbox import Sandbox
from howdah.drill.verdict import Course, judged, limits
from howdah.errors import ConfigurationError, RepositoryUnreadable, RestoreFailed
from howdah.instance import Instance
from howdah.locks import one_at_a_time
from howdah.manifest import store
from howdah.manifest.model import Manifest
from howdah.manifest.moment import Moment
from howdah.stopping import Stopped

REPLAY_SECONDS = 6 * 3600.0

Copy = Callable[[str], str]
"""Database → connection string to it in the copy."""


def run(
    instance: Instance,
    *,
    pitr: datetime | None = None,
    label: str | None = None,
    repository: int = 1,
    max_rto: float = 0.0,
    max_rpo: float = 0.0,
    before_comparison: Callable[[Copy], None] | None = None,
) -> Drill:
    """Restore a backup into a throw-away container, hold it against a manifest, and keep what was found.

    :param pitr: a time to go back to, with its zone; without it, a restore point that is written now.
    :param label: of the backup to restore; without it, the last one that can reach the point.
    :param repository: number of the repository to restore from.
    :param max_rto: seconds that restore and replay may take; 0 for no limit.
    :param max_rpo: seconds that the newest heartbeat may be old; 0 for no limit.
    :param before_comparison: is given the copy when it is up; how a test damages it.
    :raises LockHeld: another drill of the instance runs.
    :raises ConfigurationError: the time lies in the future, or there is no such repository.
    """
    began = datetime.now(UTC)
    where = instance.repository.where(repository)
    if pitr and pitr >= began:
        raise ConfigurationError(f"{pitr.isoformat()} is not in the past.", "Give a time that has passed.")
    with one_at_a_time(instance, "drill"):
        identity = f"drill-{began:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        course = Course(began=began.timestamp())
        blank = Drill(
            identity=identity,
            instance=instance.name,
            environment=instance.environment,
            howdah_version=__version__,
            started_at=began.isoformat(timespec="milliseconds"),
            repository=where,
        )
        failure: BaseException | None = None
        try:
            history.begin(instance, blank)
            with sandbox.engine() as client:
                # A restore or a part of one that was killed may never be run again; none runs while a drill does.
                sandbox.remove_left_over(client, instance, sandbox.RESTORE)
                sandbox.remove_left_over(client, instance)
                _drill(
                    client,
                    instance,
                    identity,
                    course,
                    pitr=pitr,
                    label=label,
                    repository=repository,
                    meddle=before_comparison,
                )
            course.findings += limits(course, max_rto, max_rpo)
        except (Exception, Stopped) as error:  # noqa: BLE001 - fails closed: whatever it is, the drill is red
            failure = error
        drill = judged(blank, course, failure)
        history.append(instance, drill)
        if isinstance(failure, Stopped):
            raise failure
        return drill


def _drill(
    client: Any,
    instance: Instance,
    identity: str,
    course: Course,
    *,
    pitr: datetime | None,
    label: str | None,
    repository: int,
    meddle: Callable[[Copy], None] | None,
) -> None:
    with course.clock.stage("prepare"):
        chosen = point.choose(instance, label, pitr, repository)
        course.facts |= _about(chosen, course.began)
        if chosen.error and not label:
            raise RepositoryUnreadable(
                f"The newest backup, {chosen.label}, holds pages that fail their checksum.",
                "Find the damage with pg_amcheck on the server and correct it, then howdah backup --type full.",
            )
        point.room(instance, client.info()["DockerRootDir"], chosen.size)
    with sandbox.sandbox(client, instance, identity) as copy:
        manifest = _brought_back(copy, instance, chosen, course, pitr)
        with course.clock.stage("replay"):
            # The manifest may have another point than the one that pgBackRest was told.
            copy.start(**({"recovery_target_name": manifest.point} if manifest else {}))
            copy.wait_for_promotion(REPLAY_SECONDS)
            _arrived(copy, course, pitr)
        if meddle:
            meddle(copy.dsn)
        with course.clock.stage("verify"):
            reading = checks.begin_checksums(copy)
            course.findings += checks.while_running(copy, instance, manifest)
            if manifest:
                course.facts |= _extent(manifest)
            else:
                course.proven = False
            copy.stop()
            course.findings += checks.checksums(copy, reading)


def _brought_back(
    copy: Sandbox, instance: Instance, chosen: Backup, course: Course, pitr: datetime | None
) -> Manifest | None:
    """Copy the backup back, and meanwhile take the manifest and see that the archive has what the replay will need.

    Return the manifest, or ``None`` for a time in the past.
    """
    manifest: Manifest | None = None

    def told(found: Moment) -> None:
        for connection in found.connections.values():
            # One process each: how long the copying takes is what the drill measures.
            pg.execute(connection, "SET LOCAL max_parallel_workers_per_gather = 0")
        reach(found.name, found.lsn, found.segment)

    def reach(name: str, lsn: str, segment: str) -> None:
        course.facts |= {"point": name, "target_lsn": lsn}
        point.archive(instance, segment, chosen)
        point.check_archive(instance, chosen, segment)

    with course.clock.stage("prepare"):
        # A restore that failed late may have left a newer timeline in the archive, which is not the server's.
        timeline = str(int(point.segment(instance)[:8], 16))
        goal = Goal("time" if pitr else "name", _zoned(pitr) or copy.identity, timeline)
        work = recover.begin(copy, instance, chosen, goal, "--archive-mode=off")
        # A heartbeat after the time is also what lets a replay to it end: it needs a later commit.
        point.beat(instance, copy.identity)
        if pitr:
            segment = point.segment(instance)
            reach(goal.value, "", segment)
        else:
            manifest = store.take(instance, copy.identity, chosen.label, told)
            store.keep(instance, manifest)
            segment = manifest.segment
    beside = time.monotonic() - work.began
    with course.clock.stage("restore"):
        recover.finish(work, copy, instance, chosen, last=segment)
    course.clock.give(min(beside, work.seconds), of="prepare", to="restore")
    return manifest


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


def _arrived(copy: Sandbox, course: Course, pitr: datetime | None) -> None:
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


def _zoned(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="microseconds") if moment else ""
