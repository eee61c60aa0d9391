"""``howdah drill``: what it prints, its exit code, and when it has nothing to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from howdah.cli import main
from howdah.drill import history, run
from howdah.drill.model import Drill, DrillFinding
from howdah.drill.verdict import Course, judged


@pytest.fixture
def drills(instance, monkeypatch):
    """Return a function that types the verb; what drills find is put into its list ``answers``."""
    monkeypatch.setattr("howdah.instance.load", lambda _: instance)
    answers: list[Drill] = []

    def drill(where, **asked):
        history.append(where, answers[-1])
        return answers[-1]

    monkeypatch.setattr(run, "run", drill)

    def typed(*arguments):
        return CliRunner().invoke(main, ["drill", *arguments])

    typed.answers = answers
    return typed


def found(hours_ago: float = 0, **changed) -> Drill:
    began = (datetime.now(UTC) - timedelta(hours=hours_ago)).isoformat()
    return Drill(
        identity="drill-1", instance="howdah-test", environment="test", howdah_version="0", started_at=began,
        finished_at=began, verdict="proven", exit_code=0, sentence="Backup b brings back 10 rows.",
        phases={"prepare": 1.0, "restore": 2.0, "replay": 1.0, "verify": 2.0}, backup="b", backup_kind="full",
        rows=10, tables=2,
    ).model_copy(update=changed)  # fmt: skip


def test_a_proof_ends_with_0_and_says_what_was_compared(drills):
    drills.answers.append(found())
    done = drills()
    assert done.exit_code == 0, done.output
    assert "proven" in done.output
    assert "10 rows in 2 tables" in done.output


def test_where_in_the_program_a_drill_failed_is_shown_to_who_asks_for_it(drills, instance):
    with pytest.raises(ValueError, match="invalid literal") as bug:
        int("a bug")
    history.append(instance, judged(found(), Course(began=0.0), bug.value))
    plain = drills("--last").output
    asked = CliRunner().invoke(main, ["--debug", "drill", "--last"]).output
    assert "unexpected ValueError: invalid literal" in plain
    assert ("Traceback" in plain, "Traceback" in asked, Path(__file__).name in asked) == (False, True, True)


def test_the_last_drill_is_shown_again_and_nothing_is_restored(drills, instance):
    never = drills("--last")
    assert (never.exit_code, "was never drilled" in never.output) == (2, True)
    history.append(instance, found(verdict="failed", failure="login", exit_code=12, sentence="Nobody can log in."))
    again = drills("--last")
    assert (again.exit_code, "Nobody can log in." in again.output) == (12, True)
    assert "docs/runbooks/drill.md, exit code 12" in again.output
    assert len(history.read(instance)) == 1
    assert json.loads(drills("--last", "--json").output)["failure"] == "login"


def test_a_failure_ends_with_its_code_and_the_next_step(drills):
    pages = tuple(DrillFinding(check="checksums", message=f"Page {number} is damaged.") for number in range(30))
    failed = {
        "verdict": "failed", "failure": "damaged", "exit_code": 11, "next_step": "Check the server.", "findings": pages,
    }  # fmt: skip
    drills.answers.append(found(**failed))
    done = drills()
    assert done.exit_code == 11
    assert "! checksums: Page 19 is damaged." in done.output
    assert "and 10 more" in done.output
    assert "next: Check the server." in done.output


def test_json_is_the_line_of_the_history(drills, instance):
    drills.answers.append(found())
    assert json.loads(drills("--json").output) == history.read(instance)[-1].model_dump(mode="json")


@pytest.mark.parametrize(("hours_ago", "drilled"), [(25.9, False), (26.1, True)])
def test_a_missed_drill_is_made_up_for(drills, instance, hours_ago, drilled):
    history.append(instance, found(hours_ago))
    drills.answers.append(found())
    done = drills("--if-older", "26")
    assert done.exit_code == 0
    assert len(history.read(instance)) == 1 + drilled


def test_a_drill_counts_for_the_repository_that_it_was_of(drills, instance, monkeypatch):
    place = instance.model_copy(
        update={"repository": instance.repository.model_copy(update={"second": "s3://backups/howdah"})}
    )
    monkeypatch.setattr("howdah.instance.load", lambda _: place)
    first = found(repository=str(place.repository.path))
    history.append(place, first)
    drills.answers.append(found(repository="s3://backups/howdah", sentence="The second one is well."))
    assert "of " + first.repository in drills("--repo", "1", "--if-older", "26").output
    assert drills("--repo", "2", "--last").exit_code == 2
    assert "proven" in drills("--repo", "2", "--if-older", "26").output
    assert [drill.repository for drill in history.read(place)] == [first.repository, "s3://backups/howdah"]
    assert "The second one is well." in drills("--last").output
    assert "10 rows." in drills("--last", "--repo", "1").output


def test_the_first_drill_is_never_made_up_for_already(drills, instance):
    drills.answers.append(found())
    drills("--if-older", "26")
    assert len(history.read(instance)) == 1


@pytest.mark.parametrize("time", ["yesterday", "2026-01-01 10:00"])
def test_a_time_is_written_with_its_zone(drills, time):
    done = drills("--pitr", time)
    assert done.exit_code == 2
    assert "2026-11-22T14:03:00+00:00" in done.output


def test_a_page_is_written_when_it_is_asked_for(drills, tmp_path):
    drills.answers.append(found())
    drills("--report", str(tmp_path / "pages" / "drill.html"))
    assert "Backup b brings back 10 rows." in (tmp_path / "pages" / "drill.html").read_text()
