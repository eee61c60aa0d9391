"""What goes wrong with the archive while the server works: it is noticed, named, and costs no commit."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import psycopg
import pytest

from howdah import backup, metrics
from howdah.drill.run import run
from tests.instances.provision import UID, Place, howdah


@pytest.fixture(scope="module", autouse=True)
def taken(place: Place) -> backup.Backup:
    return backup.take(place.instance)


def verb(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    return howdah(*arguments, "--instance", str(place.file))


def figures(place: Place) -> dict[str, float]:
    """What a collector reads after cron's job ran."""
    done = verb(place, "status", "--metrics")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    found: dict[str, float] = {}
    for file in place.instance.metrics_dir.glob("*.prom"):
        found |= metrics.read(file)
    return found


def until(condition: Callable[[], bool], seconds: float = 75) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.3)


def write(place: Place, rows: int) -> None:
    """Commit rows one by one, and end the segment."""
    place.query("CREATE TABLE IF NOT EXISTS written (a int)")
    for _ in range(rows):
        place.query("INSERT INTO written VALUES (1)")
    place.query("SELECT pg_switch_wal()")


def answers(place: Place) -> bool:
    with suppress(psycopg.OperationalError):
        return place.value("SELECT 1") == 1
    return False


@contextmanager
def unwritable_archive(place: Place) -> Iterator[None]:
    (folder,) = (place.instance.repository.path / "archive" / "main").glob("15-*")
    folders = [folder, *(path for path in folder.iterdir() if path.is_dir())]
    for path in folders:
        path.chmod(0o500)
    try:
        yield
    finally:
        for path in folders:
            path.chmod(0o750)


@contextmanager
def small_disk(place: Place, megabytes: int = 150) -> Iterator[Path]:
    """Put the repository on a disk of its own, and back afterwards; a container's mounts are settled when it starts."""
    folder = place.instance.repository.path
    aside = folder.with_name("repository-aside")
    client: Any = docker.from_env()
    container = client.containers.get(place.instance.server.container)

    def move(*commands: list[str]) -> None:
        container.stop(timeout=60)
        for command in commands:
            subprocess.run(command, check=True)
        container.start()
        until(lambda: answers(place))

    options = f"size={megabytes}m,mode=0750,uid={UID},gid={UID}"
    move(
        ["cp", "--archive", str(folder), str(aside)],
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        ["cp", "--archive", f"{aside}/.", str(folder)],
    )
    try:
        yield folder
    finally:
        move(
            ["rm", "--recursive", str(aside)],
            ["cp", "--archive", str(folder), str(aside)],
            ["umount", str(folder)],
            ["rm", "--recursive", str(folder)],
            ["mv", str(aside), str(folder)],
        )
        client.close()


def test_metrics_of_a_healthy_instance_say_so(place):
    until(lambda: figures(place)["howdah_wal_waiting_segments"] == 0)
    found = figures(place)
    assert found["howdah_up"] == 1
    assert found["howdah_archive_failing_since_timestamp_seconds"] == 0
    assert found["howdah_archive_missing_segments"] == 0
    assert found["howdah_archive_checked_timestamp_seconds"] == pytest.approx(time.time(), abs=120)
    assert found["howdah_status_last_run_timestamp_seconds"] == pytest.approx(time.time(), abs=30)
    segments = place.value("SELECT sum(size) FROM pg_ls_waldir()")
    assert found["howdah_pg_wal_bytes"] == segments
    assert found["howdah_pg_wal_limit_bytes"] == 2**30


def test_an_archive_that_fails_for_a_while_is_noticed_and_costs_no_commit(place):
    began = time.time()
    with unwritable_archive(place):
        for _ in range(3):
            write(place, 5)
        until(lambda: figures(place)["howdah_archive_failing_since_timestamp_seconds"] > 0)
        broken = figures(place)
        assert broken["howdah_wal_waiting_segments"] >= 3
        assert broken["howdah_wal_waiting_bytes"] == broken["howdah_wal_waiting_segments"] * 16 * 2**20
        # Since the first segment waits, not since somebody looked: the alert's age grows from there.
        assert began - 2 <= broken["howdah_archive_failing_since_timestamp_seconds"] <= began + 30
        time.sleep(1.5)
        assert figures(place)["howdah_wal_waiting_seconds"] > broken["howdah_wal_waiting_seconds"]
        page = verb(place, "status").stdout
        assert "WAL archiving fails" in page
        assert f"next: howdah backup --instance {place.instance.environment} --check" in page
    write(place, 1)
    until(lambda: figures(place)["howdah_wal_waiting_segments"] == 0)
    healed = figures(place)
    assert healed["howdah_archive_failing_since_timestamp_seconds"] == 0
    assert healed["howdah_archive_missing_segments"] == 0
    assert verb(place, "backup", "--check").returncode == 0
    assert place.value("SELECT count(*) FROM written") == 16
    drill = run(place.instance)
    assert drill.verdict == "proven", drill.findings


def test_a_full_disk_of_the_repository_fails_the_backup_and_not_the_server(place):
    before = figures(place)
    with small_disk(place) as folder:
        (folder / "ballast").write_bytes(bytes(shutil.disk_usage(folder).free - 200_000))
        done = verb(place, "backup", "--type", "full")
        assert done.returncode == 1
        assert f"The full backup failed (64): the disk of the repository {folder} is full." in done.stderr
        assert "next: The last good backup is untouched, and the server goes on. Make room there" in done.stderr
        place.query("INSERT INTO customers (name) VALUES ('while the disk was full')")
        after = figures(place)
        assert after["howdah_backup_last_run_success"] == 0
        assert (
            after["howdah_backup_last_success_timestamp_seconds"]
            == (before["howdah_backup_last_success_timestamp_seconds"])
        )
        assert after["howdah_up"] == 1
        (folder / "ballast").unlink()
        done = verb(place, "backup", "--type", "full")
        assert done.returncode == 0, done.stderr


def test_a_segment_that_is_gone_fails_backup_check_and_drill_which_name_it(place):
    """Last: a gap stays until the backups before it go; it is a failure until one begins after it."""
    write(place, 1)
    segment = place.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
    write(place, 1)
    archived = place.instance.repository.path
    until(lambda: bool(list(archived.rglob(f"{segment}-*"))))
    (file,) = archived.rglob(f"{segment}-*")
    file.unlink()
    named = f"segment {segment} of timeline 1 is missing"
    checked = verb(place, "backup", "--check")
    assert (checked.returncode, named in checked.stderr) == (9, True), checked.stderr
    assert checked.stderr.rstrip().endswith("Take a new backup now: howdah backup --type full.")
    assert figures(place)["howdah_archive_missing_segments"] == 1
    drill = run(place.instance)
    assert (drill.failure, drill.exit_code, segment in drill.sentence) == ("archive", 9, True)
    done = verb(place, "backup", "--type", "full")
    assert (done.returncode, named in done.stderr) == (0, True), done.stderr
    assert done.stderr.startswith("warning: The archive has a gap")
    after = figures(place)
    assert after["howdah_backup_last_run_success"] == 1
    assert (after["howdah_archive_missing_segments"], after["howdah_archive_passed_missing_segments"]) == (0, 1)
    checked = verb(place, "backup", "--check")
    assert (checked.returncode, named in checked.stderr) == (0, True), checked.stderr
    assert "the archive has no gap since the newest backup" in checked.stdout
    drill = run(place.instance)
    assert drill.verdict == "proven", drill.findings
    # The new backup begins after the gap, so the older ones may go.
    _, _, commands = done.stderr.partition("a full backup is newer: ")
    subprocess.run(["sh", "-c", commands], check=True, capture_output=True)
    checked = verb(place, "backup", "--check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert figures(place)["howdah_archive_passed_missing_segments"] == 0
