"""A backup with pgBackRest: one at a time, judged by what the repository says afterwards, with metrics."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from howdah import backup_metrics, continuity
from howdah.errors import ArchiveIncomplete, ConfigurationError, HowdahError, LockHeld
from howdah.instance import Instance, run_in
from howdah.locks import one_at_a_time
from howdah.manifest import store

KINDS = ("full", "diff", "incr")
# In the folder that the server's container sees as /etc/howdah/backup.
CONFIGURATION = "pgbackrest.conf"
_SEGMENT = 16 * 2**20
# What a killed command began in the container goes on there to its end.
PATIENCE_SECONDS = 600.0
_BUSY = 50


class BackupFailed(HowdahError):
    """No backup was taken, or the one that was taken cannot be trusted."""


@dataclass(frozen=True)
class Backup:
    """One backup of the repository.

    :param label: pgBackRest's name for it.
    :param kind: ``full``, ``diff`` or ``incr``.
    :param started: seconds since the epoch.
    :param stopped: seconds since the epoch.
    :param size: bytes of the database it restores to.
    :param repository_size: bytes it added to the repository.
    :param error: pages failed their checksum while it was copied.
    :param repository: number of the repository that holds it.
    """

    label: str
    kind: str
    started: int
    stopped: int
    size: int
    repository_size: int
    error: bool
    wal_start: str
    wal_stop: str
    repository: int = 1


@dataclass(frozen=True)
class Taken:
    """What a run came to.

    :ivar backups: one for each repository, as they are listed.
    :ivar warnings: what is said of gaps in an archive that lie before them.
    """

    backups: tuple[Backup, ...]
    warnings: tuple[str, ...] = ()


def read_info(text: str, stanza: str) -> list[Backup]:
    """Return the backups that ``pgbackrest info --output=json`` lists of one repository, oldest first.

    :raises BackupFailed: the repository knows no such stanza, or reports a status that is not good.
    """
    found = [entry for entry in _entries(text) if entry.get("name") == stanza]
    if not found:
        raise BackupFailed(
            f"The repository knows no stanza {stanza}.", "Run playbooks/site.yml: the role backup creates it."
        )
    # 0 is ok, 2 is "no valid backups": both are a repository that answers.
    if found[0]["status"]["code"] not in (0, 2):
        # What it could not read stands behind the first line, and a wrong key makes it unreadable for people too.
        said = found[0]["repo"][0]["status"]["message"].partition("\n")[0].rstrip(":")
        raise BackupFailed(
            f"The repository is not well: {said}.",
            "See pgbackrest info. Was its key changed or lost? See docs/runbooks/key.md.",
        )
    return [_backup(entry) for entry in found[0].get("backup", ())]


def _entries(text: str) -> list[dict[str, Any]]:
    try:
        # With a wrong key there are control characters in what it quotes, as they are.
        entries: list[dict[str, Any]] = json.loads(text, strict=False)
    except ValueError as error:
        raise BackupFailed("pgbackrest info did not answer in JSON.", "Run it by hand and see what it says.") from error
    return entries


def _backup(entry: dict[str, Any]) -> Backup:
    return Backup(
        label=entry["label"],
        kind=entry["type"],
        started=entry["timestamp"]["start"],
        stopped=entry["timestamp"]["stop"],
        size=entry["info"]["size"],
        repository_size=entry["info"]["repository"]["delta"],
        error=bool(entry.get("error")),
        wal_start=entry["archive"]["start"] or "",
        wal_stop=entry["archive"]["stop"] or "",
        repository=entry["database"]["repo-key"],
    )


def prepare(instance: Instance, *, dry_run: bool = False) -> bool:
    """Create the stanza where a repository has none; return whether it was, or would be, created.

    :raises BackupFailed: a repository belongs to another cluster, or cannot be used.
    """
    if all(_has_stanza(instance, number) for number in instance.repository.numbers):
        return False
    if not dry_run:
        created = run_in(instance.server.container, [*pgbackrest(instance), "stanza-create"])
        if created.code != 0:
            places = " or ".join(instance.repository.where(number) for number in instance.repository.numbers)
            raise BackupFailed(
                f"The repository {places} cannot be used: {created.complaint}.",
                "If it belongs to another cluster, give this one a folder of its own (howdah_repository_dir).",
            )
    return True


def _has_stanza(instance: Instance, number: int) -> bool:
    answer = run_in(instance.server.container, [*pgbackrest(instance, number), "info", "--output=json"])
    return answer.code == 0 and any(entry["status"]["code"] in (0, 2) for entry in _entries(answer.out))


def list_backups(instance: Instance, number: int = 1, configuration: str = CONFIGURATION) -> list[Backup]:
    """Return the backups of a repository, oldest first.

    :param number: of the repository.
    :param configuration: name of pgBackRest's file.
    """
    command = [*pgbackrest(instance, number, configuration), "info", "--output=json"]
    answer = run_in(instance.server.container, command)
    if answer.code != 0:
        raise BackupFailed(f"pgbackrest info failed: {answer.complaint}.", "Is the repository's disk mounted?")
    return read_info(answer.out, instance.repository.stanza)


def check(instance: Instance) -> tuple[str, ...]:
    """Have pgBackRest archive a segment and find it in the repository; then look for gaps in the archive.

    :returns: what is said of gaps that lie before the newest good backup: see :func:`howdah.continuity.check`.
    :raises BackupFailed: it did not arrive.
    :raises ArchiveIncomplete: segments are missing since the newest good backup.
    """
    answer = run_in(instance.server.container, [*pgbackrest(instance), "check"])
    if answer.code != 0:
        silent = [number for number in instance.repository.numbers if not _has_stanza(instance, number)]
        where = "".join(f" to repository {number} ({instance.repository.where(number)})" for number in silent)
        raise BackupFailed(
            f"Archiving{where if instance.repository.second else ''} does not work: {answer.complaint}.",
            f"See docker logs {instance.server.container}.",
        )
    return _check_continuity(instance)


def _check_continuity(instance: Instance) -> tuple[str, ...]:
    numbers = instance.repository.numbers

    def look() -> tuple[str, ...]:
        each = [(pgbackrest(instance, number), list_backups(instance, number)) for number in numbers]
        return continuity.check(instance, each)

    try:
        return look()
    except ArchiveIncomplete:
        # Between the lists of backups and of segments another backup may have let old ones go; a gap stays.
        return look()


def next_kind(listed: list[Backup]) -> str:
    """Return the type that ``auto`` means: a differential one needs a newest full one that is undamaged."""
    full = [backup for backup in listed if backup.kind == "full"]
    return "diff" if full and not full[-1].error else "full"


def take(instance: Instance, kind: str = "auto") -> Backup:
    """Take a backup into each repository, and return that of the first one: see :func:`take_each`."""
    return take_each(instance, kind).backups[0]


def take_each(instance: Instance, kind: str = "auto") -> Taken:
    """Take a backup into each repository and a manifest of what they can bring back.

    :param kind: ``full``, ``diff``, ``incr``, or ``auto``: full where there is none yet, else differential.
    :raises LockHeld: another backup runs.
    :raises BackupFailed: one of them failed, damaged pages were found, or there is no manifest to prove it by. Metrics
        keep the last success. A repository that fails does not keep the other one from its backup.
    :raises ArchiveIncomplete: the backups are good, but segments are missing in the archive since they began.
    """
    if kind not in ("auto", *KINDS):
        raise ConfigurationError(f"There is no backup of type {kind!r}.", f"Use one of auto, {', '.join(KINDS)}.")
    began = time.time()
    with one_at_a_time(instance, "backup"):
        taken: list[Backup] = []
        failed: dict[int, HowdahError] = {}
        for number in instance.repository.numbers:
            try:
                taken.append(_take(instance, kind, number))
            except HowdahError as error:
                failed[number] = error
        try:
            if taken:
                _write_manifest(instance, taken)
            if failed:
                raise _together(instance, taken, failed)
            warnings = _check_continuity(instance)
        except HowdahError:
            backup_metrics.write(instance, began, taken, complete=False)
            raise
        backup_metrics.write(instance, began, taken, complete=True)
    return Taken(tuple(taken), warnings)


def _take(instance: Instance, kind: str, number: int) -> Backup:
    listed = list_backups(instance, number)
    before = {backup.label for backup in listed}
    if kind == "auto":
        kind = next_kind(listed)
    until = time.monotonic() + PATIENCE_SECONDS
    command = [*pgbackrest(instance, number), f"--type={kind}", "backup"]
    while (answer := run_in(instance.server.container, command)).code == _BUSY:
        if time.monotonic() >= until:
            raise LockHeld("pgBackRest is busy with another backup or expiry.", "Wait for it, then run this again.")
        time.sleep(1)
    if answer.code != 0 and _is_full(where := Path(instance.repository.where(number))):
        raise BackupFailed(
            f"The {kind} backup failed ({answer.code}): the disk of the repository {where} is full.",
            "The last good backup is untouched, and the server goes on. Make room there, or keep fewer backups"
            " (backup_retention_full), and run howdah backup again.",
        )
    if answer.code != 0:
        raise BackupFailed(
            f"The {kind} backup failed ({answer.code}): {answer.complaint}.",
            "The last good backup is untouched. Correct the cause and run howdah backup again.",
        )
    new = [backup for backup in list_backups(instance, number) if backup.label not in before]
    if not new:
        raise BackupFailed(
            "pgBackRest reported success, but the repository lists no new backup.", "See pgbackrest info."
        )
    # A damaged page does not fail the backup itself: only the repository's own record tells.
    if new[-1].error:
        raise BackupFailed(
            f"Backup {new[-1].label} holds pages that fail their checksum: the data directory is damaged.",
            "Keep older backups. Find the damage with pg_amcheck, then restore;"
            f" docker logs {instance.server.container} names the pages.",
        )
    return new[-1]


def _together(instance: Instance, taken: list[Backup], failed: dict[int, HowdahError]) -> HowdahError:
    """Return what to say of the repositories that failed; with one repository, its own error."""
    first = next(iter(failed.values()))
    if len(instance.repository.numbers) == 1:
        return first
    said = [f"Repository {number} ({instance.repository.where(number)}): {failed[number].what}" for number in failed]
    said += [f"Repository {good.repository} has its backup {good.label}." for good in taken]
    kind = LockHeld if all(isinstance(error, LockHeld) for error in failed.values()) else BackupFailed
    return kind(" ".join(said), first.next_step)


def _is_full(folder: Path) -> bool:
    """Whether not even a WAL segment fits; pgBackRest names other reasons when a write ended half way."""
    return folder.is_dir() and shutil.disk_usage(folder).free < _SEGMENT


def _write_manifest(instance: Instance, taken: list[Backup]) -> None:
    """Keep what the instance holds at a new restore point after the backups, which thereby can be reached from each."""
    labels = [backup.label for backup in taken]
    try:
        manifest = store.take(instance, f"backup-{labels[0]}", labels[0])
        for label in labels:
            store.keep(instance, manifest.model_copy(update={"backup": label}), f"backup-{label}")
    except HowdahError as error:
        raise BackupFailed(
            f"Backup {' and '.join(labels)} is good, but there is no manifest to prove it by. {error.what}",
            error.next_step,
        ) from error
    # Until its segment is full or switched, the restore point is nowhere but on this server's disk.
    store.switch_segment(instance)
    try:
        known = {backup.label for number in instance.repository.numbers for backup in list_backups(instance, number)}
    except BackupFailed:
        # What a repository holds that does not answer is not known; take_each tells of it.
        return
    store.expire(instance, known)


def pgbackrest(instance: Instance, number: int | None = None, configuration: str = CONFIGURATION) -> list[str]:
    """Return how a command of pgBackRest begins in the server's container.

    :param number: of the repository; ``None``: the command is about all of them, or takes the first one.
    """
    return [
        "pgbackrest",
        f"--config=/etc/howdah/backup/{configuration}",
        f"--stanza={instance.repository.stanza}",
        *([f"--repo={number}"] if number and instance.repository.second else []),
    ]
