"""Where a restore must arrive: a heartbeat, a restore point after it, and both in the archive."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from datetime import datetime

from howdah import backup, continuity, pg, wal
from howdah.backup import Backup
from howdah.continuity import Ask
from howdah.errors import ArchiveIncomplete, ConfigurationError, HowdahError, RepositoryUnreadable
from howdah.instance import Instance, run_in

_HEARTBEAT = """
    CREATE SCHEMA IF NOT EXISTS howdah;
    CREATE TABLE IF NOT EXISTS howdah.heartbeat (written_at timestamptz NOT NULL, drill text NOT NULL);
    COMMENT ON TABLE howdah.heartbeat IS 'Signs of life: the newest one in a restored copy says what would be lost';
    DELETE FROM howdah.heartbeat WHERE written_at < now() - interval '90 days'"""
ARCHIVE_SECONDS = 120.0


@dataclass(frozen=True)
class Archived:
    """What an archive has for a replay.

    :ivar there: its segments, of every timeline.
    :ivar way: where each timeline on the way begins: see :func:`howdah.wal.begins`; empty: not known, as the archive
        has no history of the timeline that is followed.
    :ivar size: bytes of a segment.
    """

    there: frozenset[str]
    way: tuple[tuple[int, str], ...]
    size: int

    @property
    def newest(self) -> str:
        """The newest segment that the replay would read; empty: there is none."""
        return max(filter(self._is_on_the_way, self.there), key=lambda segment: segment[8:], default="")

    def _is_on_the_way(self, segment: str) -> bool:
        return not self.way or wal.expected(wal.number(segment, self.size), self.way, self.size) == segment


def beat(instance: Instance, identity: str) -> None:
    """Write a row that a restored copy is searched for."""
    with pg.connect(instance.dsn()) as connection, connection.transaction():
        pg.execute(connection, _HEARTBEAT)
        connection.execute("INSERT INTO howdah.heartbeat VALUES (clock_timestamp(), %s)", [identity])


def choose(instance: Instance, label: str | None, before: datetime | None, repository: int = 1) -> Backup:
    """Return the backup to restore: the one that is named, the last one that ended before a time, or the last one.

    :param repository: number of the repository to look in.
    :raises RepositoryUnreadable: the repository cannot be read, for instance with a wrong key.
    :raises ConfigurationError: there is no such backup.
    """
    try:
        listed = backup.list_backups(instance, repository)
    except backup.BackupFailed as error:
        raise RepositoryUnreadable(f"The backups cannot be read. {error.what}", error.next_step) from error
    if label:
        listed = [found for found in listed if found.label == label]
    if before:
        listed = [found for found in listed if found.stopped <= before.timestamp()]
    if not listed:
        asked = f" {label}" if label else f" that ended before {before:%Y-%m-%d %H:%M:%S%z}" if before else ""
        raise ConfigurationError(f"The repository has no backup{asked}.", "Take one: howdah backup.")
    return listed[-1]


def segment(instance: Instance) -> str:
    """Return the WAL file that is being written."""
    with pg.connect(instance.dsn()) as connection:
        row = connection.execute("SELECT pg_walfile_name(pg_current_wal_insert_lsn())").fetchone()
    return str(row and row[0])


def room(instance: Instance, folder: str, wanted: int) -> None:
    """Refuse a restore that would fill the disk, on which the instance itself may be.

    :param folder: where the container engine keeps volumes.
    :param wanted: bytes of the data directory.
    :raises HowdahError: there is not enough left for it and a tenth more.
    """
    free = shutil.disk_usage(folder).free
    if free < wanted * 1.1:
        raise HowdahError(
            f"A copy of {instance.name} needs {wanted * 1.1 / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB left.",
            "Make room there, then run the drill again.",
        )


def archive(instance: Instance, segment: str, chosen: Backup, *, patience: float = ARCHIVE_SECONDS) -> None:
    """End the segment that is being written and wait until it is archived where the backup is.

    :param segment: WAL file that must arrive.
    :param patience: seconds to wait.
    :raises ArchiveIncomplete: it did not arrive.
    """
    until = time.monotonic() + patience
    with pg.connect(instance.dsn()) as connection:
        # A segment that nothing was written to is not ended, and not archived: so something is written first.
        connection.execute("SELECT pg_create_restore_point('howdah-switch')")
        connection.execute("SELECT pg_switch_wal()")
        while True:
            row = connection.execute(
                "SELECT coalesce(last_archived_wal, ''), coalesce(last_failed_wal, '') FROM pg_stat_archiver"
            ).fetchone()
            last, failed = row or ("", "")
            # The newest may also be a backup's or a timeline's own small file: only its place counts.
            if last[8:24] >= segment[8:24]:
                return
            # The server counts what arrived everywhere; another repository that is broken is not this one's fault.
            if failed and instance.repository.second and segment in archived(instance, chosen):
                return
            if time.monotonic() >= until:
                refused = f" The archive refused {failed}." if failed else ""
                raise ArchiveIncomplete(
                    f"WAL segment {segment} was not archived within {patience:.0f} s.{refused}",
                    f"See docker logs {instance.server.container}, then howdah backup --check.",
                )
            time.sleep(0.05)


def check_archive(instance: Instance, chosen: Backup, last: str) -> int:
    """Refuse an archive with a gap between a backup and the target; return how many segments there are.

    A restore across a gap ends before it, with a server that starts and looks well.

    :param last: segment that holds the target, on the timeline that is followed to it.
    :raises ArchiveIncomplete: names what is missing.
    """
    with pg.connect(instance.dsn()) as connection:
        row = connection.execute("SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'").fetchone()
    size = int(row[0]) if row else 0
    if not size:
        raise HowdahError("The server does not say how large its WAL segments are.")
    return check_gap(look(instance, chosen, last[:8], size), chosen, last)


def check_gap(found: Archived, chosen: Backup, last: str) -> int:
    """Refuse archived segments with a gap between a backup and the target; return how many there are.

    :param last: segment that holds the target.
    :raises ArchiveIncomplete: names what is missing.
    """
    size = found.size
    gone = wal.missing(found.there, chosen.wal_start, last, size, found.way)
    if gone:
        raise ArchiveIncomplete(
            f"The archive has a gap: {', '.join(gone[:5])}{' and more' if len(gone) > 5 else ''} "
            f"{'is' if len(gone) == 1 else 'are'} missing between backup {chosen.label} and {last}.",
            "What was written after the gap cannot be restored from that backup. Take a new one now: howdah backup.",
        )
    return wal.number(last, size) - wal.number(chosen.wal_start, size) + 1


def needed(instance: Instance, chosen: Backup, last: str) -> list[str]:
    """Return the files of the archive that a replay asks for, from a backup to a segment.

    :param last: segment that holds the target.
    """
    listing = continuity.listing(instance, backup.pgbackrest(instance, chosen.repository))
    there = wal.archived(listing, chosen.wal_start)
    # Timelines apart, the last 16 digits are the order of segments.
    segments = {name for name in there if chosen.wal_start[8:] <= name[8:] <= last[8:]}
    return sorted(wal.histories(listing) | segments)


def archived(instance: Instance, chosen: Backup) -> set[str]:
    """Return the segments that a backup can be replayed from, where it is."""
    listing = continuity.listing(instance, backup.pgbackrest(instance, chosen.repository))
    return wal.archived(listing, chosen.wal_start)


def look(instance: Instance, chosen: Backup, timeline: str, size: int, ask: Ask | None = None) -> Archived:
    """Return what the archive has for a replay along a timeline, where a backup is.

    :param timeline: eight hexadecimal digits; empty: the newest.
    :param size: bytes of a segment.
    :param ask: runs pgBackRest; ``None``: in the server's container.
    :raises RepositoryUnreadable: the archive cannot be listed, or a history in it not be read.
    """
    command = backup.pgbackrest(instance, chosen.repository)
    listing = continuity.listing(instance, command, ask)
    known = wal.timelines(listing, chosen.wal_start)
    own = chosen.wal_start[:8]
    followed = timeline or max([own, *known])
    there = frozenset(wal.archived(listing, chosen.wal_start))
    if followed == own:
        # Where it began lies before the backup.
        return Archived(there, ((0, own),), size)
    if followed not in known:
        return Archived(there, (), size)
    where = f"archive/{instance.repository.stanza}/{known[followed]}"
    asked = [*command, "repo-get", where]
    answer = ask(asked) if ask else run_in(instance.server.container, asked)
    if answer.code != 0:
        raise RepositoryUnreadable(f"{where} cannot be read: {answer.complaint}.", "Is the repository's disk mounted?")
    return Archived(there, tuple(wal.begins(answer.out, followed, size)), size)
