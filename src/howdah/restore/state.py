"""What a restore notes down while it works, so that the next one can finish what a killed one began."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from howdah import files
from howdah.instance import Instance
from howdah.locks import is_held
from howdah.restore.target import Target

Step = Literal["kept", "replayed", "switching", "switched"]


class State(BaseModel):
    """A restore under way.

    :ivar step: what is done: ``kept``: what stood there is safe, the server may be stopped from here on;
        ``replayed``: the new data directory is whole, and waits beside the old one; ``switching``: it is taking its
        place, and may have it; ``switched``: it has it.
    :ivar label: of the backup that was asked for; empty: none was.
    :ivar in_place: the new data directory was made out of the old one.
    :ivar was_running: the server's container ran before.
    :ivar was_answering: and the server took work.
    :ivar started: the server's last start before the restore stopped it; empty: not known.
    :ivar at: when the step was done, seconds since the epoch.
    :ivar facts: fields of :class:`~howdah.restore.model.Restore` that are known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    identity: str
    target: Target
    label: str
    repository: int
    in_place: bool
    step: Step
    was_running: bool
    was_answering: bool
    at: float
    facts: dict[str, Any]
    started: str = ""

    def command(self, environment: str) -> str:
        """Return what was typed, as it is typed again to finish it."""
        return typed(environment, self.target, self.label, self.repository, self.in_place)

    def same(self, target: Target, label: str | None, repository: int, in_place: bool) -> bool:
        """Return whether a restore that is asked for is this one."""
        asked = (target, label or "", repository, in_place)
        return (self.target, self.label, self.repository, self.in_place) == asked


def typed(environment: str, target: Target, label: str | None, repository: int, in_place: bool) -> str:
    """Return how a restore is typed.

    >>> typed("local", Target(kind="latest"), None, 2, True)
    'howdah restore --instance local --to latest --repo 2 --in-place --confirm local'
    """
    options = [
        f"--instance {environment}",
        target.option,
        *([f"--backup {label}"] if label else []),
        *([f"--repo {repository}"] if repository != 1 else []),
        *(["--in-place"] if in_place else []),
        f"--confirm {environment}",
    ]
    return f"howdah restore {' '.join(options)}"


def path(instance: Instance) -> Path:
    """Return the file of an instance's restore under way."""
    return instance.state_dir / "restores" / "running.json"


def read(instance: Instance) -> State | None:
    """Return what a killed restore left, or ``None``."""
    where = path(instance)
    if not where.exists():
        return None
    try:
        return State.model_validate_json(where.read_text(encoding="utf-8"))
    except ValidationError:
        # Of another version: what it had done cannot be told, so the restore begins anew and keeps what it finds.
        return None


def is_left(instance: Instance) -> bool:
    """Return whether a restore began that nobody finishes at this moment."""
    # Asked again when nobody holds the lock: it may just have ended.
    return path(instance).exists() and not is_held(instance, "restore") and path(instance).exists()


def write(instance: Instance, state: State) -> None:
    """Note down how far a restore is."""
    where = path(instance)
    where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with files.whole(where, mode=0o600) as stream:
        stream.write(state.model_dump_json(indent=1))


def clear(instance: Instance) -> None:
    """Forget the restore: it has ended."""
    path(instance).unlink(missing_ok=True)
