"""Is every WAL segment from the oldest backup until now in the archive? pgBackRest itself says ok to a gap."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from howdah import metrics, pg, wal
from howdah.errors import ArchiveIncomplete, RepositoryUnreadable
from howdah.execs import Output
from howdah.instance import Instance, run_in

# Backups are taken by a module that asks this one.
if TYPE_CHECKING:
    from howdah.backup import Backup

Ask = Callable[[Sequence[str]], Output]
"""Runs a command where pgBackRest is: in the server's container, or beside it when that does not run."""

_NAMED = 3
_ASKED = """
    WITH current AS (SELECT left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8) AS timeline)
    SELECT timeline,
           coalesce(pg_catalog.pg_read_file('pg_wal/' || timeline || '.history', 0, 1048576, true), '') AS history,
           (SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size') AS size,
           coalesce((SELECT last_archived_wal FROM pg_catalog.pg_stat_archiver), '') AS last
    FROM current"""


@dataclass(frozen=True)
class ServerWal:
    """What the server says of its WAL.

    :ivar way: where each timeline on the way to the current one begins: see :func:`howdah.wal.begins`.
    :ivar size: bytes of a segment.
    :ivar last: what was archived last; it is in the archive, whatever a listing shows.
    """

    way: tuple[tuple[int, str], ...]
    size: int
    last: str


@dataclass(frozen=True)
class Gap:
    """Segments that the archive lacks.

    :ivar missing: their names, the oldest first.
    :ivar last: the newest segment that was archived.
    :ivar oldest: label of the oldest backup from which a replay would read all of them.
    :ivar broken: backups that cannot be replayed beyond the gap, the oldest first.
    :ivar after: the newest good backup, when it begins after the gap; ``None``: none does.
    """

    missing: tuple[str, ...]
    last: str
    oldest: str
    broken: tuple[Backup, ...]
    after: Backup | None = None


def check(instance: Instance, repositories: Sequence[tuple[Sequence[str], Sequence[Backup]]]) -> tuple[str, ...]:
    """Require that every segment from the newest good backup until now is in each archive.

    What is found is kept as metrics. Segments that are missing between older backups are told of: what was lost with
    them stays lost, and goes from the archive when the backups before it do.

    :param repositories: of each, how a command about it begins, and its backups, the oldest first.
    :returns: a sentence for each archive with such a gap.
    :raises ArchiveIncomplete: names the first segment that is missing, and its timeline.
    :raises RepositoryUnreadable: the archive cannot be listed.
    """
    with pg.connect(instance.dsn()) as connection:
        timeline, history, size, last = connection.execute(_ASKED).fetchone() or ("", "", 0, "")
    # Asked before the listing, so that what the server calls archived must be in it.
    server = ServerWal(tuple(wal.begins(history, timeline, size)), size, last)
    found = [
        (command, gap, backups[-1].repository)
        for command, backups in repositories
        if backups and (gap := find(server, listing(instance, command), backups))
    ]
    open_ones = [each for each in found if each[1].after is None]
    _write_metrics(
        instance,
        sum(len(gap.missing) for _, gap, _ in open_ones),
        sum(len(gap.missing) for _, gap, _ in found if gap.after),
    )
    if open_ones:
        _, gap, number = open_ones[0]
        raise ArchiveIncomplete(
            _sentence(instance, gap, number),
            "What was written after it cannot be restored. Take a new backup now: howdah backup --type full.",
        )
    return tuple(_passed(instance, *each, after) for each in found if (after := each[1].after))


def listing(instance: Instance, pgbackrest: Sequence[str], ask: Ask | None = None) -> str:
    """Return what the repository's archive holds, as JSON.

    :param ask: runs the command; ``None``: in the server's container.
    :raises RepositoryUnreadable: it cannot be listed.
    """
    command = [*pgbackrest, "repo-ls", "--recurse", "--output=json", f"archive/{instance.repository.stanza}"]
    answer = ask(command) if ask else run_in(instance.server.container, command)
    if answer.code != 0:
        raise RepositoryUnreadable(f"The archive cannot be listed: {answer.complaint}.", "Is its disk mounted?")
    return answer.out


def find(server: ServerWal, listed: str, backups: Sequence[Backup]) -> Gap | None:
    """Return what is missing between the oldest backup and the newest archived segment.

    Backups of a timeline that was left by a restore are passed over: no replay leads from them to now.

    :param listed: what :func:`listing` returned.
    """

    def place(segment: str) -> int:
        return wal.number(segment, server.size)

    ours = [found for found in backups if found.wal_start and _is_on(found.wal_start, server)]
    if not ours:
        return None
    there = wal.archived(listed, ours[-1].wal_start)
    # A backup's or a timeline's own small file has a longer or shorter name; its segment may still be on its way.
    newest = [segment for segment in {*there, server.last} if len(segment) == 24 and _is_on(segment, server)]
    last = max([*newest, *(found.wal_stop for found in ours)], key=place)
    missing = tuple(wal.missing(there, ours[0].wal_start, last, server.size, server.way))
    if not missing:
        return None
    broken = tuple(found for found in ours if place(found.wal_start) <= place(missing[-1]))
    good = [found for found in ours if not found.error and found not in broken]
    return Gap(missing, last, ours[0].label, broken, good[-1] if good else None)


def _is_on(segment: str, server: ServerWal) -> bool:
    """Whether a segment lies on the way to the current timeline."""
    return wal.expected(wal.number(segment, server.size), server.way, server.size) == segment


def _sentence(instance: Instance, gap: Gap, number: int) -> str:
    first = gap.missing[0]
    rest = len(gap.missing) - 1
    more = f" and {rest} more" if rest else ""
    place = f" of {instance.repository.where(number)}" if instance.repository.second else ""
    return (
        f"The archive{place} has a gap: segment {first} of timeline {int(first[:8], 16)}{more}"
        f" {'are' if rest else 'is'} missing between backup {gap.oldest} and {gap.last}."
    )


def _passed(instance: Instance, pgbackrest: Sequence[str], gap: Gap, number: int, after: Backup) -> str:
    """Say what is lost by a gap that a backup has left behind, and what is not."""
    expire = [
        " ".join(["docker exec", instance.server.container, *pgbackrest, "expire", f"--set={found.label}"])
        for found in gap.broken
        if found.kind == "full"
    ]
    since = datetime.fromtimestamp(after.stopped, UTC)
    return (
        f"{_sentence(instance, gap, number)} Backup {after.label} begins after it: every time since"
        f" {since:%Y-%m-%dT%H:%M:%SZ} can be restored, and none between the gap and that. {_named(gap.broken)}"
        " cannot be replayed beyond the gap; they still lead to times before it, and this is said until retention"
        f" lets them go. When you can do without them now and a full backup is newer: {' && '.join(expire)}"
    )


def _named(backups: Sequence[Backup]) -> str:
    older = len(backups) - _NAMED
    return ", ".join(found.label for found in backups[-_NAMED:]) + (f" and {older} older" if older > 0 else "")


def _write_metrics(instance: Instance, missing: int, passed: int) -> None:
    values = {
        "howdah_archive_checked_timestamp_seconds": ("When the archive was last looked at.", float(int(time.time()))),
        "howdah_archive_missing_segments": (
            "WAL segments missing between the newest good backup, or one before it, and now.",
            float(missing),
        ),
        "howdah_archive_passed_missing_segments": (
            "WAL segments missing before the newest good backup: times before it that cannot be restored.",
            float(passed),
        ),
    }
    path = instance.metrics_dir / "howdah_archive.prom"
    metrics.write(path, metrics.render(values, metrics.labels(instance)))
