"""Backup and drill, killed at ten random points each: the next run is green, and nothing is left of the killed one."""

from __future__ import annotations

import multiprocessing
import random
import time
from typing import Any

import docker
import pytest

from howdah import backup, metrics
from howdah.drill import history
from howdah.drill.run import run
from howdah.instance import Instance
from howdah.manifest import store
from tests.instances.provision import Place

POINTS = 10
SUCCESS = "howdah_backup_last_success_timestamp_seconds"
PROVEN = "howdah_drill_last_proven_timestamp_seconds"
# Without the interpreter's start, which nobody needs to kill.
FORK = multiprocessing.get_context("fork")


def drill(instance: Instance) -> None:
    found = run(instance)
    assert found.verdict == "proven", found


def start(instance: Instance) -> list[Any]:
    """Start a backup and a drill; they may run at the same time."""
    started = [FORK.Process(target=work, args=(instance,)) for work in (backup.take, drill)]
    for process in started:
        process.start()
    return started


def finish(place: Place) -> list[float]:
    """Run both to their end; return how long each took."""
    began = time.monotonic()
    waiting, seconds = start(place.instance), []
    for process in waiting:
        process.join(200)
        seconds.append(time.monotonic() - began)
        assert process.exitcode == 0
    return seconds


def figures(place: Place) -> tuple[float, float]:
    folder = place.instance.metrics_dir
    return (
        metrics.read(folder / "howdah_backup.prom").get(SUCCESS, 0),
        metrics.read(folder / "howdah_drill.prom").get(PROVEN, 0),
    )


def completed(place: Place) -> tuple[str, str]:
    """Return the newest manifest of a backup, and the last drill that proved one."""
    proven = [found.identity for found in history.read(place.instance) if found.verdict == "proven"]
    manifests = store.folder(place.instance).glob("backup-*.json")
    return max((path.name for path in manifests), default=""), proven[-1] if proven else ""


def left_behind(place: Place) -> list[str]:
    client: Any = docker.from_env()
    wanted = {"label": [f"io.howdah.environment={place.instance.environment}", "io.howdah.drill"]}
    found = [*client.containers.list(all=True, filters=wanted), *client.volumes.list(filters=wanted)]
    client.close()
    return [one.name for one in found] + [
        str(path) for path in (place.instance.state_dir / "drills" / "work").glob("*")
    ]


@pytest.fixture(scope="module")
def seconds(place: Place) -> list[float]:
    """How long an undisturbed backup and drill take."""
    backup.take(place.instance)
    return finish(place)


def test_after_a_kill_at_any_point_the_next_run_is_green(place, seconds):
    rng = random.Random(20_261_122)
    points = [[length * (n + rng.random()) / POINTS for n in range(POINTS)] for length in seconds]
    for each in points:
        rng.shuffle(each)
    for moments in zip(*points, strict=True):
        before, old, began = figures(place), completed(place), time.monotonic()
        running = start(place.instance)
        for moment, process in sorted(zip(moments, running, strict=True), key=lambda pair: pair[0]):
            time.sleep(max(0.0, began + moment - time.monotonic()))
            process.kill()
        for process in running:
            process.join()
        # What was killed after its last act has succeeded.
        for mark, done, last, now in zip(old, completed(place), before, figures(place), strict=True):
            assert last == now or mark != done, "a killed run moved the last success"

        green = time.time()
        finish(place)
        assert left_behind(place) == []
        assert all(moved >= int(green) for moved in figures(place))
        assert history.read(place.instance)[-1].verdict == "proven"
    told = [found.identity for found in history.read(place.instance)]
    assert len(set(told)) == len(told), "a drill that was killed is told of once"
    assert place.value("SELECT count(*) FROM pg_replication_slots", "postgres") == 0
    assert place.value("SELECT count(*) FROM pg_prepared_xacts", "postgres") == 0
