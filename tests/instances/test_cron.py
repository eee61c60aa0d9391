"""A real cron runs the roles' own schedules: at the minute, and at the start for what was missed while it was off."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from howdah import backup
from howdah.drill import history
from howdah.errors import LockHeld
from howdah.locks import one_at_a_time
from tests.instances.provision import ROOT, Place
from tests.packages import program

# A cron of its own: no other jobs of this host, and /run as after a start, with the engine's socket in it.
# Its program has another name, or a playbook that runs meanwhile takes it for the host's and starts none.
HOST = """
set -e
mount --bind {jobs} /etc/cron.d
mount --bind {empty} /etc/crontab
mount --bind {spool} /var/spool/cron
touch {run}/docker.sock
mount --bind "$(readlink -f /run/docker.sock)" {run}/docker.sock
mount --rbind {run} /run
ln -s {cron} {run}/tests-cron
exec {run}/tests-cron -f
"""


def rendered(role: str, **said: Any) -> str:
    folder = ROOT / "roles" / role
    template = jinja2.Template((folder / "templates" / "cron.j2").read_text(), undefined=jinja2.StrictUndefined)
    return template.render(yaml.safe_load((folder / "defaults" / "main.yml").read_text()) | said) + "\n"


class Host:
    """A host that is on or off, with the schedules of one instance."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.folder = place, folder
        for name in ("jobs", "spool", "logs"):
            (folder / name).mkdir()
        (folder / "empty").touch()
        command = folder / "howdah"
        command.write_text(
            f"#!/bin/sh\nexport PYTHONPATH={ROOT / 'src'}\n"
            f"exec {sys.executable} -c 'from howdah.cli import main; main()' \"$@\"\n"
        )
        command.chmod(0o755)

    def log(self, job: str) -> str:
        path = self.folder / "logs" / f"{job}.log"
        return path.read_text() if path.exists() else ""

    def scheduled(self, when: str, **more: Any) -> None:
        """Install what the roles write, with the daily jobs at another time."""
        command, file, logs = (str(value) for value in (self.folder / "howdah", self.place.file, self.folder / "logs"))
        backups = rendered(
            "backup", backup_command=command, backup_instance_file=file, backup_log_dir=logs, backup_diff_schedule=when,
            backup_start_delay_seconds=1, **more,
        )  # fmt: skip
        drills = rendered(
            "restore_drill", restore_drill_command=command, restore_drill_log_dir=logs, restore_drill_schedule=when,
            restore_drill_report=str(self.folder / "drill.html"),
            restore_drill_start_delay_seconds=1, _restore_drill_arguments=["drill", "--instance", file],
        )  # fmt: skip
        for name, text in (("howdah-tests", backups), ("howdah-tests-drill", drills)):
            (self.folder / "jobs" / name).write_text(text)
            (self.folder / "jobs" / name).chmod(0o644)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Start it; it is off again after the block, when the jobs that run have ended."""
        run = self.folder / f"run-{time.monotonic_ns()}"
        run.mkdir()
        script = HOST.format(
            jobs=self.folder / "jobs", empty=self.folder / "empty", spool=self.folder / "spool", run=run,
            cron=program("cron", "cron"),
        )  # fmt: skip
        cron = subprocess.Popen(["unshare", "--mount", "--propagation=private", "/bin/sh", "-c", script])
        try:
            yield
            assert cron.poll() is None, "cron ended"
        finally:
            cron.kill()
            cron.wait()


@pytest.fixture
def host(place: Place, tmp_path: Path) -> Host:
    return Host(place, tmp_path)


def idle(place: Place) -> bool:
    """Whether no job runs any more; those that cron began go on without it."""
    try:
        with one_at_a_time(place.instance, "backup"), one_at_a_time(place.instance, "drill"):
            return True
    except LockHeld:
        return False


def within(seconds: float, happened: Callable[[], bool], said: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, said()
        time.sleep(0.3)


def test_cron_backs_up_and_drills_at_the_minute_and_makes_up_for_what_was_missed(place, host):
    backup.take(place.instance)

    def said() -> str:
        return host.log("backup") + host.log("drill")

    # A start with a young backup and no drill yet: the one is not due, the other is.
    host.scheduled("* * * * *")
    with host.on():
        within(120, lambda: "and none is due" in host.log("backup"), said)
        within(180, lambda: "diff backup" in host.log("backup") and len(history.read(place.instance)) >= 1, said)
        within(120, lambda: len(history.read(place.instance)) + host.log("drill").count("Another drill") >= 2, said)
        within(120, lambda: history.read(place.instance)[-1].verdict == "proven", said)
    assert host.log("backup").count("full backup is") == 1, "a full one was not due either"

    # Off at the scheduled time: when it is on again, backup and drill are a day too old, and no minute is theirs.
    within(120, lambda: idle(place), said)
    drills = history.read(place.instance)
    yesterday = (datetime.now(UTC) - timedelta(hours=27)).isoformat(timespec="milliseconds")
    history.path(place.instance).write_text(
        "".join(f"{found.model_copy(update={'started_at': yesterday}).model_dump_json()}\n" for found in drills)
    )
    before = backup.list_backups(place.instance)[-1].label
    host.scheduled("0 0 30 2 *", backup_catch_up_hours=0)
    with host.on():
        within(120, lambda: backup.list_backups(place.instance)[-1].label != before, said)
        within(120, lambda: len(history.read(place.instance)) == len(drills) + 1, said)
    assert history.read(place.instance)[-1].verdict == "proven"
