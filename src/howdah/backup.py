"""A backup with pgBackRest: one at a time, judged by what the repository says afterwards, with metrics."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from howdah import metrics
from howdah.errors import ConfigurationError, HowdahError, LockHeld
from howdah.instance import Instance, run_in
from howdah.locks import one_at_a_time
from howdah.manifest import store

KINDS = ("full", "diff", "incr")


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


def read_info(text: str, stanza: str) -> list[Backup]:
    """Return the backups that ``pgbackrest info --output=json`` lists, oldest first.

    :raises BackupFailed: the repository knows no such stanza, or reports a status that is not good.
    """
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise BackupFailed("pgbackrest info did not answer in JSON.", "Run it by hand and see what it says.") from error
    found = [entry for entry in entries if entry.get("name") == stanza]
    if not found:
        raise BackupFailed(
            f"The repository knows no stanza {stanza}.", "Run playbooks/site.yml: the role backup creates it."
        )
    # 0 is ok, 2 is "no valid backups": both are a repository that answers.
    if found[0]["status"]["code"] not in (0, 2):
        raise BackupFailed(f"The repository is not well: {found[0]['status']['message']}.", "See pgbackrest info.")
    return [_backup(entry) for entry in found[0].get("backup", ())]


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
    )


def prepare(instance: Instance, *, dry_run: bool = False) -> bool:
    """Create the stanza where the repository has none; return whether it was, or would be, created.

    :raises BackupFailed: the repository belongs to another cluster, or cannot be used.
    """
    answer = run_in(instance.server.container, [*pgbackrest(instance), "info", "--output=json"])
    if answer.code == 0 and any(entry["status"]["code"] in (0, 2) for entry in json.loads(answer.out)):
        return False
    if not dry_run:
        created = run_in(instance.server.container, [*pgbackrest(instance), "stanza-create"])
        if created.code != 0:
            raise BackupFailed(
                f"The repository {instance.repository.path} cannot be used: {created.last_line}.",
                "If it belongs to another cluster, give this one a folder of its own (howdah_repository_dir).",
            )
    return True


def list_backups(instance: Instance) -> list[Backup]:
    """Return the repository's backups, oldest first."""
    answer = run_in(instance.server.container, [*pgbackrest(instance), "info", "--output=json"])
    if answer.code != 0:
        raise BackupFailed(f"pgbackrest info failed: {answer.last_line}.", "Is the repository's disk mounted?")
    return read_info(answer.out, instance.repository.stanza)


def check(instance: Instance) -> None:
    """Have pgBackRest archive a segment and find it in the repository.

    :raises BackupFailed: it did not arrive.
    """
    answer = run_in(instance.server.container, [*pgbackrest(instance), "check"])
    if answer.code != 0:
        raise BackupFailed(
            f"Archiving does not work: {answer.last_line}.", f"See docker logs {instance.server.container}."
        )


def next_kind(listed: list[Backup]) -> str:
    """Return the type that ``auto`` means: a differential one needs a newest full one that is undamaged."""
    full = [backup for backup in listed if backup.kind == "full"]
    return "diff" if full and not full[-1].error else "full"


def take(instance: Instance, kind: str = "auto") -> Backup:
    """Take a backup and a manifest of what it can bring back, and return it as the repository lists it.

    :param kind: ``full``, ``diff``, ``incr``, or ``auto``: full where there is none yet, else differential.
    :raises LockHeld: another backup runs.
    :raises BackupFailed: it failed, damaged pages were found, or there is no manifest to prove it by. Metrics keep the
        last success.
    """
    if kind not in ("auto", *KINDS):
        raise ConfigurationError(f"There is no backup of type {kind!r}.", f"Use one of auto, {', '.join(KINDS)}.")
    began = time.time()
    with one_at_a_time(instance, "backup"):
        try:
            taken = _take(instance, kind)
            _write_manifest(instance, taken)
        except HowdahError:
            _write_metrics(instance, began, None)
            raise
        _write_metrics(instance, began, taken)
    return taken


def _take(instance: Instance, kind: str) -> Backup:
    listed = list_backups(instance)
    before = {backup.label for backup in listed}
    if kind == "auto":
        kind = next_kind(listed)
    answer = run_in(instance.server.container, [*pgbackrest(instance), f"--type={kind}", "backup"])
    if answer.code == 50:
        raise LockHeld("pgBackRest is busy with another backup or expiry.", "Wait for it, then run this again.")
    if answer.code != 0:
        raise BackupFailed(
            f"The {kind} backup failed ({answer.code}): {answer.last_line}.",
            "The last good backup is untouched. Correct the cause and run howdah backup again.",
        )
    new = [backup for backup in list_backups(instance) if backup.label not in before]
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


def _write_manifest(instance: Instance, taken: Backup) -> None:
    """Keep what the instance holds at a new restore point after the backup, which thereby can be reached from it."""
    try:
        store.keep(instance, store.take(instance, f"backup-{taken.label}", taken.label))
    except HowdahError as error:
        raise BackupFailed(
            f"Backup {taken.label} is good, but there is no manifest to prove it by. {error.what}", error.next_step
        ) from error
    # Until its segment is full or switched, the restore point is nowhere but on this server's disk.
    store.switch_segment(instance)
    store.expire(instance, {backup.label for backup in list_backups(instance)})


def _write_metrics(instance: Instance, began: float, taken: Backup | None) -> None:
    path = instance.metrics_dir / "howdah_backup.prom"
    before = metrics.read(path)
    last = float(taken.stopped) if taken else before.get("howdah_backup_last_success_timestamp_seconds", 0.0)
    size = float(taken.size) if taken else before.get("howdah_backup_last_size_bytes", 0.0)
    values = {
        "howdah_backup_last_run_timestamp_seconds": ("When a backup last ran.", float(int(began))),
        "howdah_backup_last_run_success": ("Whether it succeeded.", 1.0 if taken else 0.0),
        "howdah_backup_last_success_timestamp_seconds": ("When the last good backup ended.", last),
        "howdah_backup_last_size_bytes": ("Size of the database in the last good backup.", size),
        "howdah_backup_last_duration_seconds": ("How long the last run took.", round(time.time() - began, 3)),
    }
    metrics.write(path, metrics.render(values, {"instance": instance.name, "environment": instance.environment}))


def pgbackrest(instance: Instance) -> list[str]:
    """Return how a command of pgBackRest begins in the server's container."""
    return [
        "pgbackrest",
        "--config=/etc/howdah/backup/pgbackrest.conf",
        f"--stanza={instance.repository.stanza}",
    ]
