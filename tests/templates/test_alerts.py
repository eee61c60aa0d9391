"""Alert rules: promtool takes them, and each fires when it should, not before, and when nobody knows."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.packages import program
from tests.templates.conftest import ROOT, environments

TEMPLATE = "templates/alerts.yml.j2"
# None of them is the default: thresholds come from the variables.
SAID = {
    "monitoring_instance": "howdah-some",
    "monitoring_environment": "some",
    "monitoring_backup_max_age_hours": 11,
    "monitoring_drill_max_age_hours": 31,
    "monitoring_max_rto_seconds": 700,
    "monitoring_max_rpo_seconds": 70,
    "monitoring_wal_max_waiting_segments": 7,
    "monitoring_wal_max_waiting_seconds": 300,
    "monitoring_archive_max_failing_seconds": 200,
    "monitoring_pg_wal_max_percent": 150,
    "monitoring_archive_check_max_age_hours": 2,
    "monitoring_status_max_age_seconds": 240,
    "monitoring_patience": "3m",
    "monitoring_repositories": [1, 2],
}
# What Prometheus sees at minute 15 of its time, of which the metrics are seconds.
NOW = 900
FRESH = "0+60x20"
OURS = {"environment": "some", "howdah_instance": "howdah-some", "instance": "db1:9100", "job": "node"}
OTHERS = {**OURS, "environment": "other", "howdah_instance": "howdah-other"}
HEALTHY: dict[str, str] = {
    "howdah_status_last_run_timestamp_seconds": FRESH,
    "howdah_up": "1x20",
    "howdah_restore_unfinished": "0x20",
    "howdah_archive_failing_since_timestamp_seconds": "0x20",
    "howdah_wal_waiting_segments": "0x20",
    "howdah_wal_waiting_seconds": "0x20",
    "howdah_pg_wal_bytes": "80x20",
    "howdah_pg_wal_limit_bytes": "100x20",
    "howdah_archive_checked_timestamp_seconds": FRESH,
    "howdah_archive_missing_segments": "0x20",
    "howdah_archive_passed_missing_segments": "0x20",
    "howdah_backup_last_run_timestamp_seconds": FRESH,
    "howdah_backup_last_run_success": "1x20",
    "howdah_backup_last_success_timestamp_seconds": FRESH,
}
# These are there for each repository.
for number in (1, 2):
    HEALTHY |= {
        f'{metric}{{repository="{number}"}}': values
        for metric, values in {
            "howdah_backup_repository_last_success_timestamp_seconds": FRESH,
            "howdah_drill_last_run_timestamp_seconds": FRESH,
            "howdah_drill_last_run_success": "1x20",
            "howdah_drill_last_proven_timestamp_seconds": FRESH,
            "howdah_drill_rto_seconds": "12x20",
            "howdah_drill_rpo_seconds": "0.2x20",
        }.items()
    }


def ago(seconds: int) -> str:
    """A moment that lies this far back at the time of the question, and three minutes less when it began to hold."""
    return f"{NOW - 180 - seconds}x20"


def of(number: int, metric: str, values: str) -> dict[str, str]:
    """A series of one repository."""
    return {f'{metric}{{repository="{number}"}}': values}


REPOSITORY_SUCCESS = "howdah_backup_repository_last_success_timestamp_seconds"
PROVEN = "howdah_drill_last_proven_timestamp_seconds"
# Alert → series that make it fire, and series just this side of it.
CASES: dict[str, tuple[list[dict[str, str]], list[dict[str, str]]]] = {
    "HowdahServerDown": ([{"howdah_up": "0x20"}], []),
    "HowdahRestoreUnfinished": ([{"howdah_restore_unfinished": "1x20"}], []),
    "HowdahArchiveFailing": (
        [{"howdah_archive_failing_since_timestamp_seconds": ago(230)}],
        [{"howdah_archive_failing_since_timestamp_seconds": f"{NOW - 190}x20"}],
    ),
    "HowdahWalBacklog": (
        [{"howdah_wal_waiting_segments": "8x20"}, {"howdah_wal_waiting_seconds": "301x20"}],
        [{"howdah_wal_waiting_segments": "7x20", "howdah_wal_waiting_seconds": "300x20"}],
    ),
    "HowdahPgWalTooLarge": ([{"howdah_pg_wal_bytes": "151x20"}], [{"howdah_pg_wal_bytes": "150x20"}]),
    "HowdahArchiveGap": (
        [{"howdah_archive_missing_segments": "1x20"}],
        [{"howdah_archive_passed_missing_segments": "1x20"}],
    ),
    "HowdahArchiveGapPassed": ([{"howdah_archive_passed_missing_segments": "1x20"}], []),
    "HowdahBackupTooOld": (
        [
            {"howdah_backup_last_success_timestamp_seconds": ago(11 * 3600 + 30)},
            {"howdah_backup_last_success_timestamp_seconds": "-999999x20"},
        ],
        [{"howdah_backup_last_success_timestamp_seconds": f"{NOW - 11 * 3600}x20"}],
    ),
    "HowdahBackupFailed": ([{"howdah_backup_last_run_success": "0x20"}], []),
    "HowdahRepositoryBackupTooOld": (
        [of(2, REPOSITORY_SUCCESS, ago(11 * 3600 + 30))],
        [of(2, REPOSITORY_SUCCESS, f"{NOW - 11 * 3600}x20")],
    ),
    "HowdahDrillTooOld": (
        [of(number, PROVEN, ago(31 * 3600 + 30)) for number in (1, 2)],
        [of(2, PROVEN, f"{NOW - 31 * 3600}x20")],
    ),
    "HowdahDrillFailed": ([of(number, "howdah_drill_last_run_success", "0x20") for number in (1, 2)], []),
    "HowdahRtoExceeded": (
        [of(2, "howdah_drill_rto_seconds", "701x20")],
        [of(2, "howdah_drill_rto_seconds", "700x20")],
    ),
    "HowdahRpoExceeded": (
        [of(2, "howdah_drill_rpo_seconds", "70.5x20")],
        [of(2, "howdah_drill_rpo_seconds", "70x20")],
    ),
}
STALE = {
    "howdah_status_last_run_timestamp_seconds": 240,
    "howdah_archive_checked_timestamp_seconds": 2 * 3600,
    "howdah_backup_last_run_timestamp_seconds": 11 * 3600,
    "howdah_drill_last_run_timestamp_seconds": 31 * 3600,
}


@pytest.fixture(scope="session")
def promtool() -> str:
    return program("promtool", "prometheus")


@pytest.fixture
def rules(render: Callable[..., str], tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Alert → its rule; the file lies in the test's folder."""
    defaults = yaml.safe_load((ROOT / "roles" / "monitoring" / "defaults" / "main.yml").read_text())
    text = render(TEMPLATE, **{**defaults, **SAID})
    (tmp_path / "rules.yml").write_text(text)
    return {rule["alert"]: rule for rule in yaml.safe_load(text)["groups"][0]["rules"]}


def needs(rule: Mapping[str, Any]) -> set[str]:
    """The series of a rule, as HEALTHY names them."""
    named = set(re.findall(r"howdah_\w+(?={)", rule["expr"]))
    return {series for series in HEALTHY if series.partition("{")[0] in named}


def repository(series: str) -> dict[str, str]:
    """The label that a series of one repository has."""
    return dict(re.findall(r'{(repository)="(\d)"}', series))


def moment(name: str, rule: Mapping[str, Any], changed: Mapping[str, str], labels: Mapping[str, str] | None) -> Any:
    """One test of promtool's: series, and the alert with its labels at NOW; without labels it does not fire."""
    series = [
        {"series": f"{metric.partition('{')[0]}{json_labels({**labels_of, **repository(metric)})}", "values": values}
        for labels_of, held in ((OURS, {**HEALTHY, **changed}), (OTHERS, HEALTHY))
        for metric, values in held.items()
        if values
    ]
    about = labels or {}
    annotations = {
        name: text.replace("{{ $labels.repository }}", about.get("repository", ""))
        for name, text in rule["annotations"].items()
    }
    fired = [{"exp_labels": {**about, **rule["labels"]}, "exp_annotations": annotations}] if labels else []
    return {
        "name": name,
        "interval": "1m",
        "input_series": series,
        "alert_rule_test": [{"eval_time": "15m", "alertname": rule["alert"], "exp_alerts": fired}],
    }


def json_labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items()) + "}"


def check(promtool: str, folder: Path, tests: list[Any]) -> None:
    """Let promtool run tests of the rules in a folder."""
    file = folder / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run([promtool, "test", "rules", str(file)], text=True, capture_output=True, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("rules")
def test_promtool_takes_the_rules(promtool, tmp_path):
    done = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", str(tmp_path / "rules.yml")],
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CASES)} rules found" in done.stdout


def test_every_alert_has_its_cases(rules):
    assert set(rules) == set(CASES)


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_when_it_should_and_not_before(promtool, rules, tmp_path, alert):
    bad, good = CASES[alert]
    rule = rules[alert]
    tests = [moment(f"fires: {changed}", rule, changed, {**OURS, **repository(next(iter(changed)))}) for changed in bad]
    tests += [moment(f"is silent: {changed}", rule, changed, None) for changed in ({}, *good)]
    check(promtool, tmp_path, tests)


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_when_a_metric_is_missing_or_old(promtool, rules, tmp_path, alert):
    rule = rules[alert]
    absent = {"howdah_instance": "howdah-some"}
    stamps = {series: STALE[series.partition("{")[0]] for series in needs(rule) if series.partition("{")[0] in STALE}
    assert stamps, "it does not look at the age of its file"
    tests = [
        moment(f"{metric} is missing", rule, {metric: ""}, {**absent, **repository(metric)}) for metric in needs(rule)
    ]
    tests += [
        moment(f"{stamp} is old", rule, {stamp: ago(age + 30)}, {**OURS, **repository(stamp)})
        for stamp, age in stamps.items()
    ]
    check(promtool, tmp_path, tests)


def test_nothing_fires_before_it_held_for_some_time(promtool, rules, tmp_path):
    soon = {"howdah_up": "1x12 0x9"}
    check(promtool, tmp_path, [moment("two minutes", rules["HowdahServerDown"], soon, None)])


def test_each_metric_in_the_rules_is_one_that_the_engine_writes(rules):
    written = set()
    for file in ("backup_metrics.py", "continuity.py", "drill/history.py", "status/metrics.py"):
        written |= set(re.findall(r'"(howdah_\w+)"', (ROOT / "src" / "howdah" / file).read_text()))
    assert {metric for rule in rules.values() for metric in needs(rule)} == set(HEALTHY)
    assert {metric.partition("{")[0] for metric in HEALTHY} <= written


def test_one_repository_has_no_rule_beside_that_of_the_job(render):
    defaults = yaml.safe_load((ROOT / "roles" / "monitoring" / "defaults" / "main.yml").read_text())
    assert "HowdahRepositoryBackupTooOld" not in render(TEMPLATE, **defaults)


@pytest.mark.parametrize("declared", [{}, {"path": "/srv/second"}, {"bucket": "backups", "endpoint": "s3"}])
def test_the_rules_are_about_each_repository_that_is_declared(wired, declared):
    numbers = wired("production", "monitoring_repositories", howdah_second_repository=declared)
    assert numbers == ([1, 2] if declared else [1])


@pytest.mark.parametrize("environment", environments())
def test_the_rules_of_an_environment_are_about_its_instance(wired, environment):
    assert wired(environment, "monitoring_instance") == f"howdah-{environment}"
    assert wired(environment, "monitoring_environment") == environment
