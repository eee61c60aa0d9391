"""What the figures of the page come to: what needs attention, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from howdah.status.model import ArchiveStatus, BackupStatus, DrillStatus, Problem, Status

# A backup a day is the schedule; an hour's grace for one that is under way.
BACKUP_MAX_AGE = timedelta(hours=25)
# So is a drill, and one that was missed is made up for.
DRILL_MAX_AGE = timedelta(hours=50)
# A segment is archived within a second of its end; the server waits for a minute after a few failures.
WAITING_MAX_AGE = timedelta(minutes=10)
# Beyond twice max_wal_size something holds the WAL: the archive, or a replication slot.
WAL_MAX_SHARE = 2
# What stands where, by the last step that a restore has done.
_LEFT = {
    "kept": "what stood there is kept, nothing came back yet, and the server may be stopped",
    "replayed": "what came back waits beside the data directory, and the server may be stopped",
    "switching": "data was changing places; do not start the server before the restore is finished",
    "switched": "what came back is in its place; the server's start or the backup of it may be missing",
    "": "its note is of another version of howdah, so see what it was for before you restore again",
}


def judged(page: Status, unanswered: list[Problem], doubt: str = "") -> Status:
    """Return the page with what needs attention: first what did not answer, then what the figures say.

    :param doubt: why the repository's key may be lost one day.
    """
    lost = [Problem(doubt)] if doubt else []
    return replace(page, problems=(*unanswered, *_found(page, bool(unanswered)), *lost))


def _found(page: Status, unanswered: bool) -> Iterator[Problem]:
    if page.restore:
        to = f" to {page.restore.target}" if page.restore.target else ""
        yield Problem(
            f"A restore{to} was interrupted {page.restore.age // 60} minutes ago: {_LEFT[page.restore.step]}.",
            page.restore.command,
        )
    if page.server and page.server.checksum_failures:
        yield Problem(
            f"{page.server.checksum_failures} data pages fail their checksum.",
            "Find them with pg_amcheck, then restore.",
        )
    if page.archive:
        yield from _wal(page.archive, page.environment)
    if page.server and page.backup is None and not unanswered:
        yield Problem("There is no good backup.", f"howdah backup --instance {page.environment}")
    if page.backup and page.backup.age > BACKUP_MAX_AGE.total_seconds():
        yield Problem(
            f"The last backup is {page.backup.age // 3600} hours old.", f"howdah backup --instance {page.environment}"
        )
    if page.server and page.second_declared and page.second is None and not unanswered:
        yield Problem(
            "There is no good backup in the second repository.", f"howdah backup --instance {page.environment}"
        )
    if page.second and page.second.age > BACKUP_MAX_AGE.total_seconds():
        yield Problem(
            f"The last backup in the second repository is {page.second.age // 3600} hours old.",
            f"howdah backup --instance {page.environment}",
        )
    yield from _drill(page.drill, page.backup, f"howdah drill --instance {page.environment}")
    if page.second_declared:
        again = f"howdah drill --instance {page.environment} --repo 2"
        yield from _drill(page.second_drill, page.second, again, " of the second repository")
    for pool in page.pools or ():
        if pool.waiting:
            yield Problem(
                f"{pool.waiting} clients wait for a connection to {pool.database}.",
                "See which statements take long: SELECT * FROM pg_stat_activity.",
            )
    for app in page.applications:
        if app.verdict not in ("verified", "never"):
            yield Problem(f"{app.name}: the last migration ended {app.verdict}.", "See its report, then migrate again.")


def _wal(archive: ArchiveStatus, environment: str) -> Iterator[Problem]:
    if archive.failing:
        yield Problem(
            "WAL archiving fails: a restore would miss the newest changes.",
            f"howdah backup --instance {environment} --check",
        )
    elif archive.waiting_seconds > WAITING_MAX_AGE.total_seconds():
        yield Problem(
            f"WAL waits for the archive since {archive.waiting_seconds // 60} minutes:"
            " a restore would miss what is in it.",
            f"howdah backup --instance {environment} --check",
        )
    if archive.wal_limit and archive.wal_size > WAL_MAX_SHARE * archive.wal_limit:
        yield Problem(
            f"pg_wal holds {archive.wal_size / archive.wal_limit:.0f} times max_wal_size: it may fill the disk.",
            "See what holds it: archiving, or a slot in pg_replication_slots.",
        )


def _drill(drill: DrillStatus | None, backup: BackupStatus | None, again: str, where: str = "") -> Iterator[Problem]:
    proven_age = drill.proven_age if drill else None
    if drill and drill.verdict == "failed":
        yield Problem(f"The last drill{where} failed: {drill.sentence}", drill.next_step or again)
    elif proven_age is None:
        if backup and backup.oldest_age > DRILL_MAX_AGE.total_seconds():
            yield Problem(f"No backup{where} was ever proven.", again)
    elif proven_age > DRILL_MAX_AGE.total_seconds():
        yield Problem(f"No backup{where} was proven for {proven_age // 3600} hours.", again)
