"""Each problem is on the page exactly when its figure says so."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from howdah import metrics
from howdah.drill import history
from howdah.drill.model import Drill
from howdah.errors import HowdahError
from howdah.locks import one_at_a_time
from howdah.restore import state
from howdah.restore.state import State
from howdah.restore.target import Target
from howdah.status import ask, judge
from howdah.status import metrics as status_metrics
from howdah.status.model import (
    ApplicationStatus,
    ArchiveStatus,
    BackupStatus,
    DrillStatus,
    PoolStatus,
    Problem,
    ServerStatus,
    Status,
)

SERVER = ServerStatus("15.14", "2026-01-01T00:00:00Z", 5, 100, 10_000_000, 0)
ARCHIVE = ArchiveStatus(9, 0, "2026-01-01T00:00:00Z", False)
BACKUP = BackupStatus("20260101-000000F", "full", 3600, 3)
POOL = PoolStatus("dadm_db", "dadm_user", 3, 0, 2)
APPLICATION = ApplicationStatus(name="dadm", database="dadm_db", verdict="verified", finished_at="2026-01-01T00:00:00Z")
WELL = Status("howdah-test", "test", SERVER, (POOL,), ARCHIVE, BACKUP, (APPLICATION,))


def judged(page: Status, *unanswered: str) -> list[str]:
    return [str(found) for found in judge.judged(page, [Problem(what) for what in unanswered]).problems]


def test_nothing_is_said_when_all_is_well():
    assert judged(WELL) == []


def test_the_rest_of_the_page_stays_as_it_is():
    assert replace(judge.judged(WELL, [Problem("The pooler does not answer.")]), problems=()) == WELL


@pytest.mark.parametrize("failures", [1, 17])
def test_damaged_pages(failures):
    page = replace(WELL, server=replace(SERVER, checksum_failures=failures))
    assert judged(page) == [f"{failures} data pages fail their checksum. Find them with pg_amcheck, then restore."]


def test_failing_archiving():
    page = replace(WELL, archive=replace(ARCHIVE, failing=True, failed=4))
    assert len(judged(page)) == 1
    assert judged(page)[0].startswith("WAL archiving fails")


def test_archiving_that_failed_once_and_works_again_is_no_problem():
    assert judged(replace(WELL, archive=replace(ARCHIVE, failed=4))) == []


@pytest.mark.parametrize(("seconds", "said"), [(600, False), (601, True)])
def test_a_segment_that_waits_for_long(seconds, said):
    page = replace(WELL, archive=replace(ARCHIVE, waiting=1, waiting_seconds=seconds))
    assert [words.startswith("WAL waits for the archive since 10 minutes") for words in judged(page)] == [True] * said


@pytest.mark.parametrize(("size", "said"), [(2_000, False), (2_001, True)])
def test_wal_beyond_twice_its_limit(size, said):
    page = replace(WELL, archive=replace(ARCHIVE, wal_size=size, wal_limit=1_000))
    assert [words.startswith("pg_wal holds 2 times max_wal_size") for words in judged(page)] == [True] * said


def test_a_second_repository_has_an_age_of_its_own():
    old = "The last backup in the second repository is 26 hours old. howdah backup --instance test"
    assert judged(replace(WELL, second=replace(BACKUP, age=26 * 3600))) == [old]


def test_a_second_repository_without_a_backup_is_a_problem_where_it_is_declared():
    none = "There is no good backup in the second repository. howdah backup --instance test"
    assert judged(replace(WELL, second_declared=True)) == [none]
    assert judged(replace(WELL, second_declared=True, second=BACKUP)) == []
    assert judged(replace(WELL, second_declared=True), "It does not answer.") == ["It does not answer."]


def test_a_key_that_nobody_has_a_copy_of():
    assert [found.what for found in judge.judged(WELL, [], "Nobody has the key.").problems] == ["Nobody has the key."]


def test_no_backup():
    assert judged(replace(WELL, backup=None)) == ["There is no good backup. howdah backup --instance test"]


@given(st.integers(0, 30 * 24 * 3600))
@example(25 * 3600)
@example(25 * 3600 + 1)
def test_a_backup_is_too_old_after_25_hours(age):
    said = judged(replace(WELL, backup=replace(BACKUP, age=age)))
    old = f"The last backup is {age // 3600} hours old. howdah backup --instance test"
    assert said == ([old] if age > 25 * 3600 else [])


DRILL = DrillStatus("proven", "All came back.", 3600, 3600, 12.0)


@given(st.integers(0, 30 * 24 * 3600))
@example(50 * 3600)
@example(50 * 3600 + 1)
def test_a_proof_is_too_old_after_two_nights(age):
    said = judged(replace(WELL, drill=replace(DRILL, proven_age=age)))
    old = f"No backup was proven for {age // 3600} hours. howdah drill --instance test"
    assert said == ([old] if age > 50 * 3600 else [])


def test_a_drill_that_failed_is_said_in_its_own_words():
    failed = replace(DRILL, verdict="failed", sentence="The archive has a gap.", next_step="Take a backup.")
    assert judged(replace(WELL, drill=failed)) == ["The last drill failed: The archive has a gap. Take a backup."]


@pytest.mark.parametrize("drill", [None, replace(DRILL, verdict="restored", proven_age=None)])
def test_a_backup_that_was_never_proven_is_said_when_it_is_older_than_a_proof_may_be(drill):
    assert judged(replace(WELL, drill=drill)) == []
    old = replace(BACKUP, oldest_age=50 * 3600 + 1)
    assert judged(replace(WELL, drill=drill, backup=old)) == ["No backup was ever proven. howdah drill --instance test"]


def test_each_repository_needs_a_proof_of_its_own():
    two = replace(WELL, drill=DRILL, second_declared=True, second=BACKUP, second_drill=DRILL)
    assert judged(two) == []
    again = "howdah drill --instance test --repo 2"
    old = replace(two, second_drill=replace(DRILL, proven_age=60 * 3600))
    assert judged(old) == [f"No backup of the second repository was proven for 60 hours. {again}"]
    never = replace(two, second_drill=None, second=replace(BACKUP, oldest_age=60 * 3600))
    assert judged(never) == [f"No backup of the second repository was ever proven. {again}"]
    failed = replace(two, second_drill=replace(DRILL, verdict="failed", sentence="It is gone."))
    assert judged(failed) == [f"The last drill of the second repository failed: It is gone. {again}"]


def test_the_last_drill_and_the_last_proof_are_read_from_the_history(instance):
    now = datetime(2026, 1, 3, tzinfo=UTC)
    assert ask._drill(instance, now) is None
    for day, verdict in ((1, "proven"), (2, "failed")):
        began = datetime(2026, 1, day, tzinfo=UTC).isoformat()
        drill = Drill(identity="d", instance="i", environment="e", howdah_version="0", started_at=began)
        history.append(
            instance, drill.model_copy(update={"finished_at": began, "verdict": verdict, "sentence": verdict})
        )
    assert ask._drill(instance, now) == DrillStatus("failed", "failed", 86_400, 2 * 86_400, None)


@given(st.lists(st.integers(0, 3), max_size=4))
def test_waiting_clients_are_said_for_each_pool_that_has_some(waiting):
    pools = tuple(replace(POOL, database=f"db{number}", waiting=count) for number, count in enumerate(waiting))
    assert judged(replace(WELL, pools=pools)) == [
        f"{count} clients wait for a connection to db{number}."
        " See which statements take long: SELECT * FROM pg_stat_activity."
        for number, count in enumerate(waiting)
        if count
    ]


@pytest.mark.parametrize(
    ("verdict", "problem"),
    [
        ("verified", False),
        ("never", False),
        ("quarantined", True),
        ("different", True),
        ("unfinished", True),
    ],
)
def test_a_migration_that_did_not_end_verified(verdict, problem):
    said = judged(replace(WELL, applications=(replace(APPLICATION, verdict=verdict),)))
    problem_of = f"dadm: the last migration ended {verdict}. See its report, then migrate again."
    assert said == ([problem_of] if problem else [])


def test_a_server_that_does_not_answer_is_one_problem_and_not_five():
    silent = replace(WELL, server=None, archive=None, backup=None, applications=())
    assert judged(silent, "The server does not answer: refused.") == ["The server does not answer: refused."]


def test_what_does_not_answer_is_said_first_and_data_before_delay():
    page = replace(
        WELL,
        server=replace(SERVER, checksum_failures=1),
        backup=replace(BACKUP, age=10**6),
        pools=(replace(POOL, waiting=2),),
    )
    said = judged(page, "The repository is not well.")
    assert [words.split()[0:2] for words in said] == [
        ["The", "repository"],
        ["1", "data"],
        ["The", "last"],
        ["2", "clients"],
    ]


def test_json_holds_the_whole_page():
    page = judge.judged(replace(WELL, backup=None), [])
    read = json.loads(json.dumps(page.to_dict()))
    assert read["server"]["version"] == "15.14"
    assert read["backup"] is None
    assert read["applications"][0]["verdict"] == "verified"
    assert read["problems"] == [{"what": "There is no good backup.", "next_step": "howdah backup --instance test"}]


def test_metrics_of_a_silent_server_say_so_and_nothing_else(instance):
    with pytest.raises(HowdahError, match="does not answer"):
        status_metrics.write(instance)
    found = metrics.read(status_metrics.path(instance))
    assert found.pop("howdah_status_last_run_timestamp_seconds") > 0
    assert found == {"howdah_up": 0.0, "howdah_restore_unfinished": 0.0}


def test_a_restore_that_nobody_finishes_is_said_first_with_the_command_that_does(instance):
    left = State(
        identity="r", target=Target(kind="lsn", value="0/5000028"), label="", repository=2, in_place=True,
        step="switching", was_running=True, was_answering=True, at=0, facts={},
    )  # fmt: skip
    now = datetime.now(UTC) + timedelta(minutes=7, seconds=5)
    assert ask._restore(instance, now) is None
    state.write(instance, left)
    with one_at_a_time(instance, "restore"):
        assert ask._restore(instance, now) is None, "it is at work"
    page = replace(WELL, server=None, archive=None, backup=None, restore=ask._restore(instance, now))
    said = judge.judged(page, [Problem("The server does not answer.")]).problems[1]
    assert said.what.startswith("A restore to LSN 0/5000028 was interrupted 7 minutes ago: data was changing places")
    assert said.next_step == ("howdah restore --instance test --to-lsn '0/5000028' --repo 2 --in-place --confirm test")
    with pytest.raises(HowdahError, match="does not answer"):
        status_metrics.write(instance)
    assert metrics.read(status_metrics.path(instance))["howdah_restore_unfinished"] == 1
    state.path(instance).write_text("{}")
    of_old = ask._restore(instance, now)
    assert (of_old.target, of_old.step) == ("", "")
    state.clear(instance)
    assert ask._restore(instance, now) is None


def test_since_when_archiving_fails_does_not_move_while_no_segment_can_tell(instance, monkeypatch):
    """With archive_mode=off nothing waits, and the alert needs an age that grows."""
    clock = iter((1_000.0, 1_120.0, 1_240.0, 1_360.0, 1_480.0))
    monkeypatch.setattr(status_metrics.psycopg, "connect", lambda *_, **__: nullcontext())
    monkeypatch.setattr(status_metrics.time, "time", lambda: next(clock))

    def since(**changed: object) -> float:
        monkeypatch.setattr(status_metrics.wal, "ask", lambda _: replace(ARCHIVE, **changed))
        status_metrics.write(instance)
        return metrics.read(status_metrics.path(instance))["howdah_archive_failing_since_timestamp_seconds"]

    assert [since(failing=True), since(failing=True)] == [1_000.0, 1_000.0]
    assert since(failing=True, waiting=1, waiting_seconds=40) == 1_200.0, "a segment that waits tells"
    assert since() == 0.0
    assert since(failing=True) == 1_480.0
