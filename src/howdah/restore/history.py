"""Every restore leaves a line, and metrics."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from howdah import files, metrics
from howdah.instance import Instance
from howdah.restore.model import Restore


def path(instance: Instance) -> Path:
    """Return the file of an instance's restores: JSON lines, the oldest first."""
    return instance.state_dir / "restores" / "history.jsonl"


def read(instance: Instance) -> list[Restore]:
    """Return the restores of an instance, the oldest first."""
    where = path(instance)
    lines = where.read_text(encoding="utf-8").splitlines() if where.exists() else []
    return [Restore.model_validate_json(line) for line in lines]


def append(instance: Instance, restore: Restore) -> None:
    """Add a restore; the file is written whole."""
    where = path(instance)
    where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = where.read_text(encoding="utf-8") if where.exists() else ""
    with files.whole(where, mode=0o600) as stream:
        stream.write(f"{before}{restore.model_dump_json()}\n")
    _write_metrics(instance, restore)


def _write_metrics(instance: Instance, restore: Restore) -> None:
    where = instance.metrics_dir / "howdah_restore.prom"
    ended = float(int(datetime.fromisoformat(restore.finished_at).timestamp()))
    good = restore.verdict == "restored"
    last = ended if good else metrics.read(where).get("howdah_restore_last_success_timestamp_seconds", 0.0)
    values = {
        "howdah_restore_last_run_timestamp_seconds": ("When a restore last ended.", ended),
        "howdah_restore_last_run_success": ("Whether it arrived.", float(good)),
        "howdah_restore_last_success_timestamp_seconds": ("When a restore last arrived.", last),
        "howdah_restore_last_duration_seconds": ("How long it took.", round(sum(restore.phases.values()), 3)),
    }
    metrics.write(where, metrics.render(values, metrics.labels(instance)))
