"""``howdah status``: what a stranger reads, well and ill; and what cron's call prints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from howdah.cli import main
from howdah.status import ask, judge
from howdah.status.model import Problem
from tests.unit.howdah.test_status import ARCHIVE, BACKUP, DRILL, WELL


@pytest.fixture
def typed(instance, monkeypatch):
    """Return a function: a page, to what is printed of it."""
    repository = instance.repository.model_copy(update={"path": Path("/srv/backup")})
    monkeypatch.setattr("howdah.instance.load", lambda _: instance.model_copy(update={"repository": repository}))

    def status(page):
        monkeypatch.setattr(ask, "gather", lambda _: page)
        done = CliRunner().invoke(main, ["status"])
        assert done.exit_code == 0, done.output
        return [" ".join(line.split()) for line in done.output.splitlines() if line.strip()]

    return status


def test_a_healthy_page_says_all_at_a_glance(typed):
    page = replace(
        WELL,
        archive=replace(ARCHIVE, wal_size=67_109_235, wal_limit=536_870_912),
        backup=replace(BACKUP, stored=7_700_000, free=70_400_000_000),
        drill=replace(DRILL, rpo_seconds=0.21),
    )
    assert typed(page) == [
        "howdah-test all is well",
        "server PostgreSQL 15.14 at 127.0.0.1:15432, 5 of 100 connections, 10.0 MB",
        "pooler 127.0.0.1:16432, 3 clients on 2 connections",
        "archive works, nothing waits; the last segment went at 2026-01-01T00:00:00Z",
        "pg_wal 67.1 MB of 536.9 MB",
        "backup full 20260101-000000F, 60 min ago",
        "repository 3 backups, 7.7 MB in /srv/backup, 70.4 GB free",
        "drill proven 60 min ago: RPO 0.2 s, RTO 12.0 s",
        "dadm verified: 0 rows, 2026-01-01T00:00:00Z",
    ]


def test_each_repository_has_its_own_lines(instance, monkeypatch):
    repository = instance.repository.model_copy(update={"path": Path("/srv/backup"), "second": "s3://backups/howdah"})
    place = instance.model_copy(update={"repository": repository})
    page = replace(WELL, second=replace(BACKUP, label="20260102-000000F", age=7200), second_declared=True)
    monkeypatch.setattr("howdah.instance.load", lambda _: place)
    monkeypatch.setattr(ask, "gather", lambda _: page)
    said = [" ".join(line.split()) for line in CliRunner().invoke(main, ["status"]).output.splitlines()]
    assert "backup full 20260101-000000F, 60 min ago" in said
    assert "backup 2 full 20260102-000000F, 2 h ago" in said
    assert "repository 2 3 backups, 0 B in s3://backups/howdah" in said


def test_what_is_wrong_has_its_next_step_below_it(typed):
    said = typed(judge.judged(replace(WELL, backup=replace(BACKUP, age=10**6)), []))
    assert said[0] == "howdah-test 1 to look at"
    assert said[-2:] == ["! The last backup is 277 hours old.", "next: howdah backup --instance test"]


def test_what_does_not_answer_is_not_called_empty(typed):
    silent = replace(WELL, server=None, pools=None, archive=None, backup=None, applications=())
    said = typed(judge.judged(silent, [Problem("The server does not answer.")]))
    assert "does not answer at" in said[1]
    assert "pooler 127.0.0.1:16432, does not answer" in said
    assert "backup unknown: the server must run to ask the repository" in said
    assert "drill none yet; prove the last backup with howdah drill" in said


def test_crons_call_fails_with_a_sentence_when_the_server_is_silent(instance, monkeypatch):
    monkeypatch.setattr("howdah.instance.load", lambda _: instance)
    done = CliRunner().invoke(main, ["status", "--metrics"])
    assert done.exit_code == 1
    assert f"The server does not answer at {instance.server.socket_dir}: No such file or directory." in done.output
