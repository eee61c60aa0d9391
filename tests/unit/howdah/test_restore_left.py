"""What a restore makes of what a killed one left, and what it leaves itself where it fails."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from howdah import backup
from howdah.backup import Backup
from howdah.drill import point
from howdah.drill.recover import Goal
from howdah.errors import ConfigurationError, RestoreFailed
from howdah.restore import move, prepare, server, state, volume
from howdah.restore.course import Course, Tools
from howdah.restore.reach import Way
from howdah.restore.state import State, Step
from howdah.restore.target import Target
from howdah.restore.volume import SEGMENT_SIZE, Layout, Standing
from howdah.stopping import Stopped

LATEST = Target(kind="latest")
LAYOUT = Layout("/data/15/main")
ASIDE = LAYOUT.replaced("restore-1")


def stands(**changed: Any) -> Standing:
    known: dict[str, Any] = {
        "main": True, "restoring": 100, "free": 10**9, "system": "7", "timeline": 2, "checkpoint": "0/9000028",
        "clean": True, "segment_size": SEGMENT_SIZE,
    }  # fmt: skip
    return Standing(**known | changed)


def leaves(step: Step, **changed: Any) -> State:
    known: dict[str, Any] = {
        "identity": "restore-1", "target": LATEST, "label": "", "repository": 1, "in_place": False, "step": step,
        "was_running": True, "was_answering": True, "at": 1000.0, "started": "id morning",
        "facts": {"safety_backup": "safe", "kept": ASIDE, "timeline_after": 3},
    }  # fmt: skip
    return State(**known | changed)


class Ground:
    """A data volume and a server on paper; what was done to them is in ``done``."""

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self.running = False
        self.started = "morning"
        self.done: list[str] = []
        self.fails: BaseException | None = None

    @property
    def tools(self) -> Tools:
        container = SimpleNamespace(id="id", attrs={"State": {"StartedAt": self.started}})
        client = SimpleNamespace(containers=SimpleNamespace(get=lambda _: container))
        return Tools(client, None, LAYOUT)  # type: ignore[arg-type]  # nothing here reaches the sandbox

    def switch(self, *_: Any) -> None:
        self.done.append("switch")
        if self.fails:
            raise self.fails


@pytest.fixture
def ground(monkeypatch):
    made = Ground(stands())
    monkeypatch.setattr(volume, "look", lambda *_: made.standing)
    monkeypatch.setattr(volume, "switch", made.switch)
    monkeypatch.setattr(volume, "clear", lambda *_: made.done.append("clear"))
    monkeypatch.setattr(server, "answers", lambda _: made.running)
    monkeypatch.setattr(server, "runs", lambda *_: made.running)
    monkeypatch.setattr(server, "stop", lambda *_: None)
    monkeypatch.setattr(server, "start", lambda *_: made.done.append("start"))
    return made


def taken(started: int, timeline: int = 3, error: bool = False) -> Backup:
    segment = f"{timeline:08X}0000000000000009"
    return Backup(f"backup-{started}", "full", started, started + 1, 100, 10, error, segment, segment)


WAY = Way(taken(500, 2), Goal("default", "", "2"), True, "", 1)


@pytest.fixture
def backups(monkeypatch):
    """What the repository lists."""
    listed: list[Backup] = []
    monkeypatch.setattr(backup, "list_backups", lambda *_: listed)
    monkeypatch.setattr(prepare, "_way", lambda *_: WAY)
    return listed


@pytest.fixture
def course(instance):
    return Course(instance, LATEST, None, 1, False, "restore-2", was_running=True, was_answering=True)


@pytest.mark.parametrize("end", [Stopped("SIGTERM"), OSError("the engine is gone")])
def test_who_is_interrupted_while_data_changes_places_starts_nothing(course, ground, end):
    """Perhaps nothing stands in the place at that moment, and the container that moves it goes on."""
    course.note("replayed")
    course.stopped, ground.fails = True, end
    with pytest.raises(type(end)):
        move.switch(course, ground.tools)
    move.back_out(course, ground.tools)
    assert ground.done == ["switch"]
    assert "the server is stopped" in course.outcome
    assert "To finish: howdah restore" in course.outcome
    left = state.read(course.instance)
    assert left is not None
    assert left.step == "switching"


@pytest.mark.parametrize(
    ("replaced", "done"), [((), ["switch", "clear", "start"]), ((LAYOUT.replaced("restore-2"),), ["switch"])]
)
def test_a_switch_that_failed_before_anything_moved_leaves_the_server_as_it_was(course, ground, replaced, done):
    course.note("replayed")
    course.stopped, ground.fails, ground.standing = True, RestoreFailed("No."), stands(replaced=replaced)
    with pytest.raises(RestoreFailed):
        move.switch(course, ground.tools)
    move.back_out(course, ground.tools)
    assert ground.done == done


@pytest.mark.parametrize(
    ("standing", "step"),
    [(stands(main=False), "switching"), (stands(), "switching"), (stands(restoring=None), "switched")],
)
def test_a_switch_that_was_killed_is_finished(course, ground, monkeypatch, standing, step):
    course.left, ground.standing = leaves("switching", at=time.time()), standing
    prepared = prepare.prepare(course, ground.tools)
    assert (prepared.way, course.step, course.identity) == (None, step, "restore-1")


@pytest.mark.parametrize("left", [leaves("kept", in_place=True), leaves("switching")])
def test_what_is_all_that_is_left_is_not_removed_by_a_run_that_was_mistyped(course, ground, monkeypatch, left):
    """In place, what stood there is becoming what comes back; and a start would make an empty cluster."""

    def refuse(*_: Any) -> None:
        raise ConfigurationError("No such backup.")

    monkeypatch.setattr(prepare, "_way", refuse)
    course.left, course.label, ground.standing = left, "mistyped", stands(main=False, system="")
    with pytest.raises(ConfigurationError):
        prepare.prepare(course, ground.tools)
    move.back_out(course, ground.tools)
    assert ground.done == []
    assert "in backup safe alone" in course.outcome
    assert "mistyped" not in course.outcome
    assert ("--in-place" in course.outcome) == left.in_place


@pytest.mark.usefixtures("backups")
@pytest.mark.parametrize("step", ["kept", "replayed", "switching"])
def test_what_a_server_worked_on_since_is_neither_safe_nor_replaced_by_what_is_older(course, ground, step):
    course.left, ground.standing = leaves(step), stands(replaced=(ASIDE,))
    assert prepare.prepare(course, ground.tools).carried
    again = Course(course.instance, LATEST, None, 1, False, "restore-3", course.left)
    ground.started = "evening"
    prepared = prepare.prepare(again, ground.tools)
    assert (prepared.way, prepared.carried, again.identity, again.step) == (WAY, False, "restore-3", None)
    assert "safety_backup" not in again.facts
    assert f"still there: {ASIDE}" in again.findings[0]


@pytest.mark.usefixtures("backups")
def test_what_was_made_to_take_the_place_must_still_be_there(course, ground):
    course.left, ground.standing = leaves("replayed"), stands(restoring=None)
    assert prepare.prepare(course, ground.tools).way == WAY


@pytest.mark.parametrize("clock", [lambda: 1000.0, time.time], ids=["long ago", "now"])
def test_what_came_back_and_is_worked_on_is_not_brought_back_again(course, ground, backups, monkeypatch, clock):
    at = clock()
    monkeypatch.setattr(point, "segment", lambda _: "000000030000000000000009")
    course.left, ground.standing, ground.running = leaves("switched", at=at), stands(restoring=None), True
    prepared = prepare.prepare(course, ground.tools)
    assert (prepared.way, course.step, course.identity, "fresh_backup" in course.facts) == (
        None, "switched", "restore-1", False,
    )  # fmt: skip
    backups += [taken(int(at) - 9), taken(int(at) + 1, timeline=2), taken(int(at) + 2, error=True), taken(int(at) + 3)]
    assert prepare.prepare(course, ground.tools).way is None
    assert course.facts["fresh_backup"] == f"backup-{int(at) + 3}"


def test_what_came_back_and_was_left_for_another_timeline_is_brought_back_again(course, ground, backups, monkeypatch):
    monkeypatch.setattr(point, "segment", lambda _: "000000040000000000000009")
    course.left, ground.standing, ground.running = leaves("switched"), stands(restoring=None), True
    backups.append(taken(2000))
    assert prepare.prepare(course, ground.tools).way == WAY
