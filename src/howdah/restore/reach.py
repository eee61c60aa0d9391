"""Whether a target can be reached, from which backup, and on which timeline: asked before anything is stopped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from howdah import backup, pg, wal
from howdah.backup import Backup, BackupFailed, pgbackrest
from howdah.continuity import Ask
from howdah.drill import point
from howdah.drill.recover import Goal
from howdah.errors import ArchiveIncomplete, ConfigurationError, RepositoryUnreadable
from howdah.instance import Instance
from howdah.manifest import store
from howdah.manifest.model import Manifest
from howdah.restore.target import Target, place
from howdah.restore.volume import Standing


@dataclass(frozen=True)
class Way:
    """How a target is reached.

    :ivar same_cluster: what stands there is what the backups are of.
    :ivar last: segment that holds the target, or the newest there is.
    :ivar segments: WAL files from the backup to the target.
    """

    chosen: Backup
    goal: Goal
    same_cluster: bool
    last: str
    segments: int


def find(
    instance: Instance,
    target: Target,
    standing: Standing,
    ask: Ask,
    *,
    answers: bool,
    label: str | None,
    repository: int,
    identity: str,
) -> Way:
    """Return how a target is reached.

    :param answers: the server takes work; then what it wrote last is archived first.
    :param label: of the backup to restore; ``None``: the last good one from which the target can be reached.
    :param repository: number of the repository to look in.
    :raises RepositoryUnreadable: the backups cannot be read.
    :raises ConfigurationError: no backup leads there, or the LSN lies ahead.
    :raises ArchiveIncomplete: WAL is missing in between, or does not arrive.
    """
    listed, system = _listed(instance, repository, ask)
    same = bool(standing.system) and standing.system == system
    known = _manifest(instance, target.value, listed) if target.kind == "point" else None
    lived = _lived(instance, listed)
    timeline = _timeline(target, standing, known, lived, same=same)
    chosen = _choose(listed, target, standing, known, label=label, timeline=timeline)
    if answers and same:
        # A commit after a time is also what lets a replay to it end there.
        point.beat(instance, identity)
        if target.kind == "lsn":
            _passed(instance, target.value)
        _archive(instance, chosen)
    goal = (target.model_copy(update={"value": known.point}) if known else target).goal(timeline)
    there = point.look(instance, chosen, _followed(goal, chosen), standing.segment_size, ask)
    if target.kind == "latest" and not same and not target.timeline:
        _no_other_life(there, lived)
    last = _last(target, known, chosen, standing) or max(there.newest, chosen.wal_stop, key=lambda name: name[8:])
    return Way(chosen, goal, same, last, point.check_gap(there, chosen, last))


def _listed(instance: Instance, repository: int, ask: Ask) -> tuple[list[Backup], str]:
    """Return the backups, the oldest first, and the identifier of the cluster that they are of."""
    answer = ask([*pgbackrest(instance, repository), "info", "--output=json"])
    if answer.code != 0:
        raise RepositoryUnreadable(
            f"The backups cannot be read: {answer.complaint}.", "Is the repository's disk mounted?"
        )
    try:
        listed = backup.read_info(answer.out, instance.repository.stanza)
    except BackupFailed as error:
        raise RepositoryUnreadable(f"The backups cannot be read. {error.what}", error.next_step) from error
    (entry,) = [found for found in json.loads(answer.out) if found["name"] == instance.repository.stanza]
    return listed, str(entry["db"][-1]["system-id"]) if entry.get("db") else ""


def _lived(instance: Instance, listed: list[Backup]) -> int:
    """Return the newest timeline that the server is known to have been on, 0 for none: it took a backup or a manifest.

    Each timeline that it goes over to is newer than all there are.
    """
    newest = listed[-1:]
    seen = [one.wal_start for one in newest]
    seen += [found.segment for _, found in _manifests(instance) if found.backup in [one.label for one in newest]]
    return max((int(segment[:8] or "0", 16) for segment in seen), default=0)


def _no_other_life(there: point.Archived, lived: int) -> None:
    """Refuse to guess where a newer timeline may be the server's, though it took no backup there.

    :raises ConfigurationError: there is one with more segments than a restore leaves that failed after its replay.
    """
    counted = Counter(int(segment[:8], 16) for segment in there.there)
    if newer := [timeline for timeline in sorted(counted) if timeline > lived > 0 and counted[timeline] > 1]:
        raise ConfigurationError(
            f"The newest backup and its manifests are of timeline {lived}, and the archive also has WAL of timeline"
            f" {newer[-1]}: the server went over to it and took no backup there, or a restore that failed left it.",
            f"Say which one was the server's: --timeline {newer[-1]}, or --timeline {lived}.",
        )


def _manifests(instance: Instance) -> Iterator[tuple[str, Manifest]]:
    """Give the manifests that can be read, with the names of their files."""
    for path in sorted(store.folder(instance).glob("*.json")):
        with suppress(ConfigurationError):
            yield path.stem, store.read(path)


def _manifest(instance: Instance, name: str, listed: list[Backup]) -> Manifest | None:
    """Return the manifest that was taken at a restore point, of a backup that is listed where there is one.

    Backups that were taken together, one in each repository, have one point, which is named after the first of them.

    :param name: of the point, or ``backup-LABEL`` of any of its backups.
    """
    found = [manifest for file, manifest in _manifests(instance) if name in (manifest.point, file)]
    labels = {one.label for one in listed}
    return max(found, key=lambda manifest: manifest.backup in labels, default=None)


def _timeline(target: Target, standing: Standing, known: Manifest | None, lived: int, *, same: bool) -> str:
    """Return the timeline that was live at the target.

    A restore that was killed late leaves a timeline that never was the instance's: the latest may be the wrong one.
    """
    if target.kind == "latest":
        return str(standing.timeline if same and standing.timeline else lived or "latest")
    return str(int(known.segment[:8], 16)) if known else "current"


def _choose(
    listed: list[Backup],
    target: Target,
    standing: Standing,
    known: Manifest | None,
    *,
    label: str | None,
    timeline: str,
) -> Backup:
    """Return the backup that is named, or the last good one that ended before the target on its timeline or before."""
    number = target.timeline or timeline
    found = [one for one in listed if not number.isdigit() or int(one.wal_start[:8] or "0", 16) <= int(number)]
    if moment := target.moment:
        found = [one for one in found if one.stopped <= moment.timestamp()]
    if target.kind == "lsn":
        size = standing.segment_size
        found = [one for one in found if wal.number(one.wal_stop, size) < place(target.value, size)]
    if label:
        found = [one for one in found if one.label == label]
    elif known:
        found = [one for one in found if one.label == known.backup]
    elif target.kind == "point":
        raise ConfigurationError(
            f"No manifest knows the restore point {target.value}, so it is not known which backups lie before it.",
            "Name one that does: --backup LABEL (pgbackrest info lists them).",
        )
    else:
        found = [one for one in found if not one.error]
    if not found:
        which = f"backup {label}" if label else "good backup"
        raise ConfigurationError(
            f"The repository has no {which} from which {target.words} can be reached.",
            "See what it has: pgbackrest info lists backups with their times and timelines.",
        )
    return found[-1]


def _passed(instance: Instance, lsn: str) -> None:
    with pg.connect(instance.dsn()) as connection:
        row = connection.execute(
            "SELECT pg_current_wal_insert_lsn() < %s::pg_lsn, pg_current_wal_insert_lsn()::text", [lsn]
        ).fetchone()
    if row and row[0]:
        raise ConfigurationError(f"LSN {lsn} lies ahead: the server is at {row[1]}.", "Give one that has passed.")


def _archive(instance: Instance, chosen: Backup) -> None:
    try:
        point.archive(instance, point.segment(instance), chosen)
    except ArchiveIncomplete as error:
        raise ArchiveIncomplete(
            error.what,
            f"{error.next_step} Or stop the server and run this again: docker stop {instance.server.container}. What"
            " never reached the archive is then taken from the data directory.",
        ) from error


def _followed(goal: Goal, chosen: Backup) -> str:
    """Return the timeline that a replay follows, as eight hexadecimal digits; empty: the newest."""
    if goal.timeline == "current":
        return chosen.wal_start[:8]
    return f"{int(goal.timeline):08X}" if goal.timeline.isdigit() else ""


def _last(target: Target, known: Manifest | None, chosen: Backup, standing: Standing) -> str:
    """Return the segment that must be there for the target, on whatever timeline; empty: the newest that is."""
    if known:
        return known.segment
    if target.kind != "lsn":
        return ""
    return wal.name(place(target.value, standing.segment_size), chosen.wal_stop[:8], standing.segment_size)
