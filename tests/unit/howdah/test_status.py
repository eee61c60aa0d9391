"""Each problem is on the page exactly when its figure says so."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from howdah import status
from howdah.drill import history
from howdah.drill.model import Drill
from howdah.status import (
    ApplicationStatus,
    ArchiveStatus,
    BackupStatus,
    DrillStatus,
    PoolStatus,
    ServerStatus,
    Status,
    as_json,
)

SERVER = ServerStatus("15.14", "2026-01-01T00:00:00Z", 5, 100, 10_000_000, 0)
ARCHIVE = ArchiveStatus(9, 0, "2026-01-01T00:00:00Z", False)
BACKUP = BackupStatus("20260101-000000F", "full", 3600, 3)
POOL = PoolStatus("dadm_db", "dadm_user", 3, 0, 2)
APPLICATION = ApplicationStatus(name="dadm", database="dadm_db", verdict="verified", finished_at="2026-01-01T00:00:00Z")
WELL = Status("howdah-test", "test", SERVER, (POOL,), ARCHIVE, BACKUP, (APPLICATION,))


def judged(page: Status, *unanswered: str) -> list[str]:
    return list(status._judge(page, list(unanswered)).problems)


def test_nothing_is_said_when_all_is_well():
    assert judged(WELL) == []


def test_the_rest_of_the_page_stays_as_it_is():
    assert replace(status._judge(WELL, ["The pooler does not answer."]), problems=()) == WELL


@pytest.mark.parametrize("failures", [1, 17])
def test_damaged_pages(failures):
    page = replace(WELL, server=replace(SERVER, checksum_failures=failures))
    assert judged(page) == [f"{failures} data pages fail their checksum: restore from a backup."]


def test_failing_archiving():
    page = replace(WELL, archive=replace(ARCHIVE, failing=True, failed=4))
    assert len(judged(page)) == 1
    assert judged(page)[0].startswith("WAL archiving fails")


def test_archiving_that_failed_once_and_works_again_is_no_problem():
    assert judged(replace(WELL, archive=replace(ARCHIVE, failed=4))) == []


def test_no_backup():
    assert judged(replace(WELL, backup=None)) == ["There is no good backup. Take one: howdah backup."]


@given(st.integers(0, 30 * 24 * 3600))
@example(25 * 3600)
@example(25 * 3600 + 1)
def test_a_backup_is_too_old_after_25_hours(age):
    said = judged(replace(WELL, backup=replace(BACKUP, age=age)))
    old = f"The last backup is {age // 3600} hours old. Take one: howdah backup."
    assert said == ([old] if age > 25 * 3600 else [])


DRILL = DrillStatus("proven", "All came back.", 3600, 3600, 12.0)


@given(st.integers(0, 30 * 24 * 3600))
@example(50 * 3600)
@example(50 * 3600 + 1)
def test_a_proof_is_too_old_after_two_nights(age):
    said = judged(replace(WELL, drill=replace(DRILL, proven_age=age)))
    old = f"No backup was proven for {age // 3600} hours. Prove one: howdah drill."
    assert said == ([old] if age > 50 * 3600 else [])


def test_a_drill_that_failed_is_said_in_its_own_words():
    failed = replace(DRILL, verdict="failed", sentence="The archive has a gap.")
    assert judged(replace(WELL, drill=failed)) == ["The last drill failed: The archive has a gap."]


def test_the_last_drill_and_the_last_proof_are_read_from_the_history(instance):
    now = datetime(2026, 1, 3, tzinfo=UTC)
    assert status._drill(instance, now) is None
    for day, verdict in ((1, "proven"), (2, "failed")):
        began = datetime(2026, 1, day, tzinfo=UTC).isoformat()
        drill = Drill(identity="d", instance="i", environment="e", howdah_version="0", started_at=began)
        history.append(
            instance, drill.model_copy(update={"finished_at": began, "verdict": verdict, "sentence": verdict})
        )
    assert status._drill(instance, now) == DrillStatus("failed", "failed", 86_400, 2 * 86_400, None)


@given(st.lists(st.integers(0, 3), max_size=4))
def test_waiting_clients_are_said_for_each_pool_that_has_some(waiting):
    pools = tuple(replace(POOL, database=f"db{number}", waiting=count) for number, count in enumerate(waiting))
    assert judged(replace(WELL, pools=pools)) == [
        f"{count} clients wait for a connection to db{number}." for number, count in enumerate(waiting) if count
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
    assert said == ([f"dadm: the last migration ended {verdict}."] if problem else [])


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
    page = status._judge(replace(WELL, backup=None), [])
    read = json.loads(as_json(page))
    assert read["server"]["version"] == "15.14"
    assert read["backup"] is None
    assert read["applications"][0]["verdict"] == "verified"
    assert read["problems"] == list(page.problems)
