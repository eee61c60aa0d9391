"""Whatever goes wrong in a drill makes it a failed one, with an exit code that says what."""

from __future__ import annotations

import pytest

from howdah import errors
from howdah.drill import history
from howdah.drill.model import Drill, DrillFinding
from howdah.drill.verdict import Course, interrupted, judged, limits
from howdah.stopping import Stopped

BLANK = Drill(identity="d", instance="i", environment="e", howdah_version="0", started_at="2026-01-01T00:00:00+00:00")


def course(*checks: str) -> Course:
    made = Course(began=0.0)
    for phase in ("prepare", "restore", "replay", "verify"):
        with made.clock.stage(phase):
            pass
    made.findings = [DrillFinding(check=check, message=f"{check} found something.") for check in checks]
    made.facts = {"backup": "b", "rows": 10, "tables": 1, "point": "p"}
    return made


@pytest.mark.parametrize(
    ("checks", "failure", "code"),
    [
        (["comparison"], "different", 4),
        (["login"], "login", 12),
        (["amcheck"], "damaged", 11),
        (["comparison", "login", "checksums"], "damaged", 11),
        (["login", "comparison"], "different", 4),
        (["limit"], "limit", 13),
    ],
)
def test_the_worst_kind_of_finding_decides(checks, failure, code):
    drill = judged(BLANK, course(*checks), None)
    assert (drill.verdict, drill.failure, drill.exit_code) == ("failed", failure, code)
    assert drill.next_step
    assert len(drill.findings) == len(checks)


@pytest.mark.parametrize(
    ("error", "failure", "code"),
    [
        (errors.RepositoryUnreadable("what"), "repository", 8),
        (errors.ArchiveIncomplete("what"), "archive", 9),
        (errors.RestoreFailed("what"), "restore", 10),
        (errors.ConfigurationError("what"), "unexpected", 2),
        (ZeroDivisionError("what"), "unexpected", 1),
        (Stopped("SIGTERM"), "interrupted", 1),
    ],
)
def test_an_error_is_a_failed_drill(error, failure, code):
    drill = judged(BLANK, course(), error)
    assert (drill.verdict, drill.failure, drill.exit_code) == ("failed", failure, code)
    assert drill.findings[-1].message == drill.sentence
    assert drill.next_step or isinstance(error, errors.HowdahError)


def test_nothing_found_is_a_proof_only_with_a_manifest():
    found = course()
    assert judged(BLANK, found, None).verdict == "proven"
    found.proven = False
    assert judged(BLANK, found, None).verdict == "restored"


def test_the_history_grows_and_forgets_the_oldest(instance, monkeypatch):
    monkeypatch.setattr(history, "KEPT", 3)
    for number in range(5):
        drill = judged(BLANK.model_copy(update={"identity": f"d{number}"}), course(), None)
        history.append(instance, drill)
    assert [drill.identity for drill in history.read(instance)] == ["d2", "d3", "d4"]


def test_a_failed_drill_leaves_the_last_proof_in_the_metrics(instance):
    history.append(instance, judged(BLANK, course(), None))
    before = (instance.metrics_dir / "howdah_drill.prom").read_text()
    history.append(instance, interrupted(BLANK))
    after = (instance.metrics_dir / "howdah_drill.prom").read_text()
    assert "howdah_drill_last_run_success{" in after
    proof = [line for line in before.splitlines() if line.startswith("howdah_drill_last_proven_timestamp")]
    assert proof == [line for line in after.splitlines() if line.startswith("howdah_drill_last_proven_timestamp")]
    assert [line[-2:] for line in after.splitlines() if line.startswith("howdah_drill_last_run_success{")] == [" 0"]


def test_each_repository_has_the_metrics_of_its_own_drills(instance):
    place = instance.model_copy(update={"repository": instance.repository.model_copy(update={"second": "/srv/second"})})
    history.append(place, judged(BLANK.model_copy(update={"repository": "/srv/second"}), course(), None))
    assert not (instance.metrics_dir / "howdah_drill.prom").exists()
    text = (instance.metrics_dir / "howdah_drill_2.prom").read_text()
    assert 'howdah_drill_last_run_success{environment="test",howdah_instance="howdah-test",repository="2"} 1' in text
    failed = BLANK.model_copy(update={"repository": str(instance.repository.path)})
    history.append(place, interrupted(failed))
    assert 'repository="1"} 0' in (instance.metrics_dir / "howdah_drill.prom").read_text()
    assert (instance.metrics_dir / "howdah_drill_2.prom").read_text() == text
    history.append(instance, judged(failed, course(), None))
    assert not (instance.metrics_dir / "howdah_drill_2.prom").exists(), "it is declared no more"


def test_a_drill_that_began_and_never_ended_is_told_of_once_and_proves_nothing(instance):
    first, second = (BLANK.model_copy(update={"identity": name}) for name in ("first", "second"))
    history.append(instance, judged(BLANK, course(), None))
    history.begin(instance, first)
    history.begin(instance, second)
    history.append(instance, judged(second, course(), None))
    history.begin(instance, BLANK)
    told = history.read(instance)
    assert [drill.identity for drill in told] == ["d", "first", "second"]
    assert (told[1].verdict, told[1].failure, told[1].started_at) == ("failed", "interrupted", BLANK.started_at)
    assert told[1].finished_at > BLANK.started_at


def test_a_drill_that_is_killed_with_its_line_written_has_one(instance):
    history.begin(instance, BLANK)
    note = history.path(instance).with_name("begun.json")
    left = note.read_text()
    history.append(instance, judged(BLANK, course(), None))
    assert not note.exists()
    note.write_text(left)
    history.begin(instance, BLANK.model_copy(update={"identity": "next"}))
    assert [drill.verdict for drill in history.read(instance)] == ["proven"]


def test_a_note_of_other_hands_is_refused_once(instance):
    history.begin(instance, BLANK)
    history.path(instance).with_name("begun.json").write_text("{}")
    with pytest.raises(errors.HowdahError, match="no note of a drill"):
        history.begin(instance, BLANK)
    history.append(instance, judged(BLANK, course(), errors.HowdahError("what")))
    history.begin(instance, BLANK)


def test_a_history_of_other_hands_is_refused(instance):
    history.path(instance).parent.mkdir(parents=True)
    history.path(instance).write_text("{}\n")
    with pytest.raises(errors.HowdahError, match="no history of drills"):
        history.read(instance)


def test_limits_are_of_restore_and_replay_and_of_the_newest_heartbeat():
    found = course()
    found.clock.stages |= {"restore": 20.0, "replay": 11.0, "verify": 100.0}
    assert limits(found, 31.5, 0) == []
    assert [item.message for item in limits(found, 30, 0)] == ["Restore and replay took 31.0 s; 30 s are asked for."]
    assert "no heartbeat at all" in limits(found, 0, 10)[0].message
    found.facts["rpo_seconds"] = 9.0
    assert limits(found, 0, 10) == []
    assert limits(found, 0, 8)[0].check == "limit"
