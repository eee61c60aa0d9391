"""From which backup, and along which history, a target is reached; and what is refused before anything is stopped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from howdah.errors import ArchiveIncomplete, ConfigurationError, RepositoryUnreadable
from howdah.execs import Output
from howdah.manifest import store
from howdah.manifest.model import Manifest
from howdah.restore import reach
from howdah.restore.target import Target
from howdah.restore.volume import SEGMENT_SIZE, Standing

SYSTEM = "7300000000000000000"


def stands(**changed: Any) -> Standing:
    known: dict[str, Any] = {
        "main": True, "restoring": None, "free": 10**9, "system": SYSTEM, "timeline": 2, "checkpoint": "0/9000028",
        "clean": True, "segment_size": SEGMENT_SIZE,
    }  # fmt: skip
    return Standing(**known | changed)


def listed(number: int, timeline: int, stopped: int, **more: Any) -> dict[str, Any]:
    """A backup whose only segment has this number, as pgBackRest lists it."""
    segment = f"{timeline:08X}00000000{number:08X}"
    return {
        "label": f"backup-{number}", "type": "full", "timestamp": {"start": stopped - 1, "stop": stopped},
        "info": {"size": 1, "repository": {"delta": 1}}, "archive": {"start": segment, "stop": segment},
        "database": {"repo-key": 1}, **more,
    }  # fmt: skip


BACKUPS = [listed(2, 1, 1000), listed(4, 1, 2000), listed(6, 2, 3000), listed(7, 2, 4000, error=True)]
MANIFEST = Manifest(
    instance="i", environment="e", point="backup-first", lsn="0/8000028", segment="000000020000000000000008",
    backup="", taken_at="1970-01-01T00:55:00+00:00", seconds=0.1, barrier=False, server_version="15.14", facts={},
    databases={},
)  # fmt: skip
HISTORIES = {"15-1/00000002.history": "1\t0/5000060\tno recovery target specified\n"}
SEGMENTS = [(1, 2), (1, 3), (1, 4), (1, 5), (2, 5), (2, 6), (2, 7), (2, 8)]


@pytest.fixture
def find(instance):
    def way(target: Target, segments=SEGMENTS, label: str | None = None, code: int = 0, **standing: Any) -> reach.Way:
        names = [f"{timeline:08X}00000000{number:08X}" for timeline, number in segments]
        answers = {
            "info": [{"name": "main", "status": {"code": 0}, "backup": BACKUPS, "db": [{"system-id": int(SYSTEM)}]}],
            "repo-ls": {f"15-1/{name[:16]}/{name}-{'0' * 40}.zst": {} for name in names} | HISTORIES,
        }

        def ask(command):
            if "repo-get" in command:
                return Output(0, HISTORIES[command[-1].removeprefix("archive/main/")], "")
            (kind,) = [word for word in command if word in answers]
            return Output(code, json.dumps(answers[kind]), "ERROR: [075]: cannot read" if code else "")

        return reach.find(
            instance, target, stands(**standing), ask, answers=False, label=label, repository=1, identity="restore-1"
        )

    return way


def test_the_latest_is_that_of_the_data_which_stands_there(find):
    """The archive may also hold a timeline of a restore that was killed."""
    way = find(Target(kind="latest"), [*SEGMENTS, (3, 8)])
    assert (way.chosen.label, way.goal.timeline) == ("backup-6", "2")
    assert find(Target(kind="latest"), timeline=1).chosen.label == "backup-4"


@pytest.mark.parametrize("standing", [{"system": "1"}, {"system": "", "timeline": 0}])
@pytest.mark.parametrize("left", [[], [(3, 8)]], ids=["", "beside what a restore left that failed"])
def test_where_nothing_of_it_stands_the_latest_is_that_of_the_newest_backup(find, standing, left):
    way = find(Target(kind="latest"), [*SEGMENTS, *left, (2, 9)], **standing)
    assert (way.same_cluster, way.chosen.label, way.goal.timeline) == (False, "backup-6", "2")
    assert way.last == "000000020000000000000009"


def test_where_the_server_may_have_gone_over_to_a_timeline_the_operator_says_which_one_it_was(find, instance):
    gone_over, standing = [*SEGMENTS, (3, 8), (3, 9)], {"system": "", "timeline": 0}
    with pytest.raises(ConfigurationError, match="--timeline 3, or --timeline 2"):
        find(Target(kind="latest"), gone_over, **standing)
    assert find(Target(kind="latest", timeline="3"), gone_over, **standing).goal.timeline == "3"
    assert find(Target(kind="latest", timeline="2"), gone_over, **standing).goal.timeline == "2"
    # A drill in the night wrote a manifest there.
    store.keep(instance, MANIFEST.model_copy(update={"backup": "backup-7", "segment": "000000030000000000000009"}))
    assert find(Target(kind="latest"), gone_over, **standing).goal.timeline == "3"


@pytest.mark.parametrize(("second", "expected"), [(1000, "backup-2"), (1999, "backup-2"), (3500, "backup-6")])
def test_a_time_is_reached_from_the_last_backup_before_it_on_its_own_timeline(find, second, expected):
    way = find(Target(kind="time", value=f"1970-01-01 00:{second // 60:02}:{second % 60:02}.000000+00:00"))
    assert (way.chosen.label, way.goal.timeline) == (expected, "current")


def test_an_lsn_is_reached_from_a_backup_that_ended_before_it(find):
    way = find(Target(kind="lsn", value="0/4000100"))
    assert (way.chosen.label, way.last[8:]) == ("backup-2", "0000000000000004")
    with pytest.raises(ConfigurationError, match="no good backup from which LSN 0/2000100"):
        find(Target(kind="lsn", value="0/2000100"))


def test_a_timeline_that_is_named_is_followed(find):
    way = find(Target(kind="latest", timeline="1"))
    assert (way.chosen.label, way.goal.options) == ("backup-4", ["--type=default", "--target-timeline=1"])


def test_a_damaged_backup_is_used_only_when_it_is_named(find):
    assert find(Target(kind="latest"), label="backup-7").chosen.label == "backup-7"


def test_what_is_missing_on_the_way_is_named(find):
    without = [segment for segment in SEGMENTS if segment != (2, 7)]
    with pytest.raises(ArchiveIncomplete, match="000000020000000000000007 is missing"):
        find(Target(kind="latest"), without)
    with pytest.raises(ArchiveIncomplete, match="0000000B"):
        find(Target(kind="lsn", value="0/B000000"))


@pytest.mark.parametrize(
    ("lost", "label", "standing"),
    [(7, None, {}), (7, None, {"system": "", "timeline": 0}), (5, "backup-4", {}), (7, "backup-2", {"system": "1"})],
    ids=["from a backup on it", "after the disk", "on the way", "on the way, after the disk"],
)
def test_a_segment_of_a_timeline_that_was_left_fills_no_place(find, lost, label, standing):
    left = [(1, number) for number in range(2, 10)]
    find(Target(kind="latest"), [*SEGMENTS, *left], label, **standing)
    without = [segment for segment in SEGMENTS if segment != (2, lost)]
    with pytest.raises(ArchiveIncomplete, match=f"00000002000000000000000{lost} is missing"):
        find(Target(kind="latest"), [*without, *left], label, **standing)


def test_what_a_timeline_that_was_left_has_beyond_the_followed_one_is_no_target(find):
    way = find(Target(kind="latest"), [*SEGMENTS, *((1, number) for number in range(6, 20))])
    assert (way.last, way.segments) == ("000000020000000000000008", 3)


def test_an_unknown_restore_point_needs_a_backup_that_lies_before_it(find):
    with pytest.raises(ConfigurationError, match="No manifest knows the restore point mine"):
        find(Target(kind="point", value="mine"))
    assert find(Target(kind="point", value="mine"), label="backup-2").goal.options == [
        "--type=name", "--target=mine", "--target-action=promote", "--target-timeline=current",
    ]  # fmt: skip


@pytest.mark.parametrize("of", ["the point", "the backup"])
def test_a_restore_point_is_reached_from_the_chosen_repositorys_backup(find, instance, of):
    """Of backups that were taken together one is in its list; in which order a folder is read says nothing."""
    for label in ("first", "a", "b", "backup-6", "c", "d"):
        store.keep(instance, MANIFEST.model_copy(update={"backup": label}), f"backup-{label}")
    way = find(Target(kind="point", value=MANIFEST.point if of == "the point" else "backup-backup-6"))
    assert (way.chosen.label, way.last, way.goal.timeline) == ("backup-6", MANIFEST.segment, "2")
    assert way.goal.value == MANIFEST.point


def test_a_repository_that_cannot_be_read_is_called_that(find):
    with pytest.raises(RepositoryUnreadable, match="cannot read"):
        find(Target(kind="latest"), code=75)
