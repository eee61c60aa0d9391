"""Have pgBackRest copy a backup back, and say how far a server is to replay from there."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Literal

from howdah.backup import Backup, pgbackrest
from howdah.drill import point
from howdah.drill.sandbox import Sandbox, Work
from howdah.errors import ArchiveIncomplete, RepositoryUnreadable, RestoreFailed
from howdah.execs import Output
from howdah.instance import Instance

# pgBackRest's own codes for what it cannot read: checksum, invalid file, format, open, read, missing file, cipher.
_UNREADABLE = (26, 28, 29, 41, 42, 55, 75, 95)
# On the copy's own volume, beside its data.
_FETCHED = "/var/lib/postgresql/wal"

Kind = Literal["default", "time", "lsn", "name"]


@dataclass(frozen=True)
class Goal:
    """Where a replay ends.

    :ivar kind: pgBackRest's word; ``default`` is the end of the archive.
    :ivar value: the time, LSN or name.
    :ivar timeline: which history to follow, ``latest``, ``current`` (the backup's own) or a number; empty: the latest.
    """

    kind: Kind
    value: str = ""
    timeline: str = ""

    @property
    def options(self) -> list[str]:
        """Return what pgBackRest is told."""
        found = [f"--type={self.kind}"]
        if self.kind != "default":
            found += [f"--target={self.value}", "--target-action=promote"]
        return [*found, *([f"--target-timeline={self.timeline}"] if self.timeline else [])]


def restore(copy: Sandbox, instance: Instance, chosen: Backup, goal: Goal, *options: str, last: str) -> None:
    """Copy a backup back into the data directory of a sandbox: :func:`begin` and :func:`finish`."""
    finish(begin(copy, instance, chosen, goal, *options), copy, instance, chosen, last=last)


def begin(copy: Sandbox, instance: Instance, chosen: Backup, goal: Goal, *options: str) -> Work:
    """Begin to copy a backup back into the data directory of a sandbox.

    :param options: further ones of pgBackRest.
    """
    # No server of a copy has a network: what is elsewhere is fetched before it starts.
    fetches = _fetches(copy, instance, chosen)
    replay = [f"--recovery-option=restore_command=cp {_FETCHED}/%f %p"] if fetches else []
    command = [*pgbackrest(instance, chosen.repository), f"--set={chosen.label}", *goal.options, *options, *replay]
    return copy.begin([*command, "--log-level-console=warn", "restore"], "restore", network=fetches)


def finish(work: Work, copy: Sandbox, instance: Instance, chosen: Backup, *, last: str) -> None:
    """Wait until a backup is copied back, and fetch the WAL where the copy's server cannot.

    :param last: segment that holds the goal.
    :raises RepositoryUnreadable: a file of the repository is missing or damaged, or the key is wrong.
    :raises RestoreFailed: it did not restore.
    :raises ArchiveIncomplete: the repository is elsewhere, and its WAL cannot be fetched.
    """
    answer = work.end()
    if answer.code in _UNREADABLE:
        raise RepositoryUnreadable(
            f"Backup {chosen.label} cannot be read ({answer.code}): {_complaint(answer)}.",
            "A file of the repository is missing or damaged, or the key is wrong. Take a full backup now.",
        )
    if answer.code != 0:
        raise RestoreFailed(
            f"Backup {chosen.label} did not restore ({answer.code}): {_complaint(answer)}.",
            "Take a full backup now, and run the drill again.",
        )
    if _fetches(copy, instance, chosen):
        _fetch(copy, instance, chosen, last)


def _fetches(copy: Sandbox, instance: Instance, chosen: Backup) -> bool:
    return instance.repository.is_remote(chosen.repository) and not copy.genuine


def _fetch(copy: Sandbox, instance: Instance, chosen: Backup, last: str) -> None:
    """Fetch the WAL that the replay will ask for."""
    get = shlex.join([*pgbackrest(instance, chosen.repository), "--log-level-console=warn", "archive-get"])
    script = f'mkdir {_FETCHED} && for name; do {get} "$name" "{_FETCHED}/$name" || exit 1; done'
    answer = copy.run(["/bin/sh", "-c", script, "fetch", *point.needed(instance, chosen, last)], "fetch", network=True)
    if answer.code != 0:
        raise ArchiveIncomplete(
            f"WAL of repository {chosen.repository} cannot be fetched: {_complaint(answer)}.",
            "Does the store answer? Try howdah backup --check.",
        )


def _complaint(answer: Output) -> str:
    """Return pgBackRest's sentence without its number, and without which of its processes met it."""
    return re.sub(r"^.*ERROR: \[\d+\]: (raised from .*? protocol: )?", "", answer.complaint)
