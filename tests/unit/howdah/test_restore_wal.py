"""What the archive never got of what stood there is not removed, and is in what comes back."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from howdah import backup
from howdah.backup import Backup
from howdah.drill import point, recover
from howdah.drill.recover import Goal
from howdah.drill.sandbox import Sandbox
from howdah.errors import ArchiveIncomplete
from howdah.execs import Output
from howdah.restore import move, server, volume
from howdah.restore.course import Course, Tools
from howdah.restore.reach import Way
from howdah.restore.target import Target
from howdah.restore.volume import SEGMENT_SIZE, Layout, Standing

ONE, TWO, THREE = (f"0000000100000000000000{number:02X}" for number in (1, 2, 3))
BACKUP = Backup("b", "full", 1, 2, 100, 10, False, ONE, ONE)
WAY = Way(BACKUP, Goal("default", "", "1"), True, ONE, 1)


class Here:
    """Runs what would run in a container; there is no server in it."""

    def run(self, command: list[str], _: str) -> Output:
        done = subprocess.run(command, capture_output=True, text=True)
        return Output(done.returncode, done.stdout, done.stderr)


HERE = cast("Sandbox", Here())


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A data directory whose first segment is in the archive; the second one waits, the third one is not full."""
    status = tmp_path / "main" / "pg_wal" / "archive_status"
    status.mkdir(parents=True)
    (tmp_path / "main" / "PG_VERSION").write_text("15\n")
    for name in (ONE, TWO, THREE):
        (status.parent / name).write_text(name)
    (status / f"{ONE}.done").touch()
    (status / f"{TWO}.ready").touch()
    return Layout(str(tmp_path / "main"))


@pytest.fixture
def course(instance, monkeypatch):
    monkeypatch.setattr(server, "stop", lambda *_: None)
    monkeypatch.setattr(server, "started", lambda *_: "morning")
    facts: dict[str, Any] = {"safety_backup": "safe", "kept": ""}
    return Course(instance, Target(kind="latest"), None, 1, False, "restore-1", facts=facts, started="morning")


def stands(**changed: Any) -> Standing:
    known: dict[str, Any] = {
        "main": True, "restoring": 100, "free": 10**9, "system": "7", "timeline": 1, "checkpoint": "0/9000028",
        "clean": True, "segment_size": SEGMENT_SIZE,
    }  # fmt: skip
    return Standing(**known | changed)


def test_wal_that_waits_for_the_archive_is_counted(layout):
    found = volume.look(HERE, layout)
    assert (found.main, found.waiting, found.replaced) == (True, 1, ())
    Path(layout.replaced("restore-0")).mkdir()
    assert volume.look(HERE, layout).replaced == (layout.replaced("restore-0"),)


def test_wal_that_cannot_be_looked_at_is_not_taken_for_archived(layout, tmp_path):
    shutil.rmtree(tmp_path / "main" / "pg_wal")
    assert volume.look(HERE, layout).waiting is None
    volume.spare_wal(HERE, layout, layout.replaced("restore-1"))


def test_in_place_wal_that_never_was_archived_outlives_the_data_directory(layout, tmp_path):
    aside = layout.replaced("restore-1")
    for _ in range(2):
        volume.spare_wal(HERE, layout, aside)
    assert volume.ready(HERE, layout, "why", in_place=True)
    back = tmp_path / "restoring" / "pg_wal"
    for file in back.glob("0*"):
        file.unlink()
    volume.keep_wal(HERE, layout, aside)
    assert {file.name: file.read_text() for file in back.glob("0*")} == {TWO: TWO, THREE: THREE}


def test_in_place_wal_is_set_aside_before_anything_is_copied(course, monkeypatch):
    """And the archive is held against what the server had come to, though its data directory is gone by then."""
    done = []
    course.in_place, course.facts["reached_lsn"] = True, "0/3000028"
    monkeypatch.setattr(volume, "look", lambda *_: stands(waiting=2))
    monkeypatch.setattr(volume, "spare_wal", lambda *_: done.append("spare"))
    monkeypatch.setattr(volume, "ready", lambda *_, **__: done.append("ready"))
    monkeypatch.setattr(volume, "keep_wal", lambda *_: done.append("keep"))
    monkeypatch.setattr(recover, "restore", lambda *_, **__: done.append("restore"))
    monkeypatch.setattr(move, "_replay", lambda *_: done.append("replay"))
    with pytest.raises(ArchiveIncomplete, match="the server had come to 0/9000028"):
        move.bring_back(course, Tools(None, HERE, Layout("/data/15/main")), WAY)
    assert done == ["spare", "ready", "restore", "keep", "replay"]
    assert course.facts["kept"] == "/data/15/replaced-restore-1"


@pytest.mark.parametrize(
    ("standing", "start", "why"),
    [
        (stands(), "morning", ""),
        (stands(main=False, clean=False), "noon", ""),
        (stands(waiting=2), "morning", "2 files wait"),
        (stands(waiting=None), "morning", "cannot be looked at"),
        (stands(clean=False), "morning", "not stopped cleanly"),
        (stands(), "noon", "started on it during the restore"),
    ],
)
def test_what_stood_there_is_kept_where_its_backup_and_the_archive_may_lack_something(
    course, monkeypatch, standing, start, why
):
    removed: list[str] = []

    def run_in(_: str, command: list[str]) -> Output:
        removed.extend(command[2:])
        return Output(0, "", "")

    monkeypatch.setattr(server, "started", lambda *_: start)
    monkeypatch.setattr(volume, "look", lambda *_: standing)
    monkeypatch.setattr(volume, "switch", lambda *_: None)
    monkeypatch.setattr(point, "segment", lambda _: ONE)
    monkeypatch.setattr(point, "archive", lambda *_: None)
    monkeypatch.setattr(backup, "list_backups", lambda *_: [BACKUP])
    monkeypatch.setattr(move, "_archived", lambda *_: None)
    monkeypatch.setattr(move, "run_in", run_in)
    # A backup that was taken by others is not taken again.
    course.facts["fresh_backup"] = "theirs"
    tools = Tools(None, HERE, Layout("/data/15/main"))
    move.switch(course, tools)
    move.finish(course, tools)
    aside = tools.layout.replaced(course.identity)
    assert (aside in removed) == (not why)
    assert course.facts["kept"] == (aside if why else "")
    assert why in course.facts.get("why_kept", "")
    assert course.facts["fresh_backup"] == "theirs"


def test_a_folder_that_cannot_be_removed_is_told_of(course, monkeypatch):
    monkeypatch.setattr(point, "segment", lambda _: ONE)
    monkeypatch.setattr(point, "archive", lambda *_: None)
    monkeypatch.setattr(backup, "list_backups", lambda *_: [BACKUP])
    monkeypatch.setattr(move, "_archived", lambda *_: None)
    monkeypatch.setattr(move, "run_in", lambda *_: Output(1, "", "rm: busy\n"))
    course.facts["fresh_backup"] = "theirs"
    move.finish(course, Tools(None, HERE, Layout("/data/15/main")))
    (told,) = course.findings
    assert "/data/15/replaced-restore-1 could be removed: rm: busy." in told
