"""What a backup came to, for Prometheus; a failed one leaves the last success where it was."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from howdah import metrics
from howdah.instance import Instance

# Backups are taken by a module that calls this one.
if TYPE_CHECKING:
    from howdah.backup import Backup


def write(instance: Instance, began: float, taken: list[Backup], *, complete: bool) -> None:
    """Write what the run came to, and with a second repository also what it came to in each.

    :param complete: every repository has its backup, and there is a manifest.
    """
    path = instance.metrics_dir / "howdah_backup.prom"
    before = metrics.read(path)
    last = float(taken[0].stopped) if complete else before.get("howdah_backup_last_success_timestamp_seconds", 0.0)
    size = float(taken[0].size) if complete else before.get("howdah_backup_last_size_bytes", 0.0)
    values = {
        "howdah_backup_last_run_timestamp_seconds": ("When a backup last ran.", float(int(began))),
        "howdah_backup_last_run_success": ("Whether it succeeded.", 1.0 if complete else 0.0),
        "howdah_backup_last_success_timestamp_seconds": ("When the last good backup ended.", last),
        "howdah_backup_last_size_bytes": ("Size of the database in the last good backup.", size),
        "howdah_backup_last_duration_seconds": ("How long the last run took.", round(time.time() - began, 3)),
    }
    metrics.write(path, metrics.render(values, metrics.labels(instance)))
    if not instance.repository.second:
        # Of one that was declared once; its age would grow for ever.
        for left in instance.metrics_dir.glob("howdah_backup_repository_*.prom"):
            left.unlink()
        return
    for number in instance.repository.numbers:
        _write_of(instance, number, [good for good in taken if good.repository == number])


def _write_of(instance: Instance, number: int, taken: list[Backup]) -> None:
    path = instance.metrics_dir / f"howdah_backup_repository_{number}.prom"
    name = "howdah_backup_repository_last_success_timestamp_seconds"
    last = float(taken[0].stopped) if taken else metrics.read(path).get(name, 0.0)
    values = {
        "howdah_backup_repository_last_run_success": (
            "Whether the last run gave this repository a backup.",
            1.0 if taken else 0.0,
        ),
        name: ("When the last good backup of this repository ended.", last),
    }
    metrics.write(path, metrics.render(values, metrics.labels(instance) | {"repository": str(number)}))
