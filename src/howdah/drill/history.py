"""Every drill leaves a line; so does one that was killed, when the next one starts."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from howdah import files, metrics
from howdah.drill.model import Drill
from howdah.drill.verdict import interrupted
from howdah.errors import HowdahError
from howdah.instance import Instance

KEPT = 1000


def path(instance: Instance) -> Path:
    """Return the file of an instance's drills: JSON lines, the oldest first."""
    return instance.state_dir / "drills" / "history.jsonl"


def read(instance: Instance) -> list[Drill]:
    """Return the drills of an instance, the oldest first.

    :raises HowdahError: the file was changed by other hands.
    """
    where = path(instance)
    if not where.exists():
        return []
    try:
        return parse(where.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise HowdahError(
            f"{where} is no history of drills.", "Move it away; the next drill begins a new one."
        ) from error


def parse(text: str) -> list[Drill]:
    """Return the drills of a history's text, the oldest first.

    :raises ValidationError: a line of it is none.
    """
    return [Drill.model_validate_json(line) for line in text.splitlines() if line]


def of(instance: Instance, number: int) -> list[Drill]:
    """Return the drills of a repository, the oldest first.

    :raises HowdahError: the file was changed by other hands.
    """
    return [drill for drill in read(instance) if instance.repository.number_of(drill.repository) == number]


def proof_age(text: str, now: datetime, places: Collection[str] = ()) -> timedelta | None:
    """Return how long ago a drill of a history last ended that proved a backup; ``None``: none ever did.

    :param places: of the repository that is asked about; none: any one counts.
    :raises HowdahError: the text is no history.
    """
    try:
        proven = [
            datetime.fromisoformat(drill.finished_at)
            for drill in parse(text)
            if drill.verdict == "proven" and (not places or drill.repository in places)
        ]
    except ValidationError as error:
        raise HowdahError(
            "The history of drills cannot be read.", "Move it away; the next drill begins a new one."
        ) from error
    return now - max(proven) if proven else None


def begin(instance: Instance, blank: Drill) -> None:
    """Note that a drill begins; only who holds the lock may. One before it that never ended gets its line now.

    :raises HowdahError: what is there is no such note, or no history.
    """
    left = _note(instance)
    left.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if left.exists():
        try:
            before = Drill.model_validate_json(left.read_text(encoding="utf-8"))
        except ValidationError as error:
            raise HowdahError(f"{left} is no note of a drill.", "Run the drill again; the note is gone now.") from error
        # It may have been killed with its line written.
        if before.identity not in {drill.identity for drill in read(instance)}:
            append(instance, interrupted(before))
    with files.whole(left, mode=0o600) as stream:
        stream.write(blank.model_dump_json())


def append(instance: Instance, drill: Drill) -> None:
    """Add a drill that ended; the file is written whole, and the oldest lines go when there are too many."""
    where = path(instance)
    where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = where.read_text(encoding="utf-8").splitlines() if where.exists() else []
    with files.whole(where, mode=0o600) as stream:
        for line in [*before[-KEPT + 1 :], drill.model_dump_json()]:
            stream.write(f"{line}\n")
    write_metrics(instance, drill)
    _note(instance).unlink(missing_ok=True)


def write_metrics(instance: Instance, drill: Drill) -> None:
    """Write what the last drill of a repository found for a textfile collector; a failed one keeps the last proof."""
    number = instance.repository.number_of(drill.repository) or 1
    if not instance.repository.second:
        # Of one that was declared once; its age would grow for ever.
        _metrics(instance, 2).unlink(missing_ok=True)
    where = _metrics(instance, number)
    before = metrics.read(where)
    ended = datetime.fromisoformat(drill.finished_at).timestamp()
    good = drill.verdict == "proven"

    def kept(name: str, value: float | None) -> float:
        return value if good and value is not None else before.get(name, 0.0)

    values = {
        "howdah_drill_last_run_timestamp_seconds": ("When a drill last ended.", float(int(ended))),
        "howdah_drill_last_run_success": ("Whether nothing was found.", 0.0 if drill.verdict == "failed" else 1.0),
    }
    for name, text, value in (
        ("howdah_drill_last_proven_timestamp_seconds", "When a backup was last proven.", float(int(ended))),
        (
            "howdah_drill_rpo_seconds",
            "Age of the newest heartbeat that the last proven drill restored.",
            drill.rpo_seconds,
        ),
        ("howdah_drill_rto_seconds", "Restore and replay of the last proven drill.", drill.rto_seconds),
    ):
        values[name] = (text, kept(name, value))
    metrics.write(where, metrics.render(values, metrics.labels(instance) | {"repository": str(number)}))


def _note(instance: Instance) -> Path:
    """Return the file that is there while a drill goes on: its line, with nothing found yet."""
    return path(instance).with_name("begun.json")


def _metrics(instance: Instance, number: int) -> Path:
    return instance.metrics_dir / ("howdah_drill.prom" if number == 1 else f"howdah_drill_{number}.prom")
