"""``howdah restore``: what it refuses before it looks at anything, and what it prints."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from howdah.cli import main
from howdah.errors import ConfigurationError
from howdah.restore import history, only, run, side
from howdah.restore.model import Restore
from howdah.restore.only import Part


@pytest.fixture
def typed(instance, monkeypatch):
    """Return a function that types the verb."""
    monkeypatch.setattr("howdah.instance.load", lambda _: instance)

    def verb(*arguments):
        return CliRunner().invoke(main, ["restore", *arguments])

    return verb


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "latest"], "add --confirm test."),
        (["--to", "latest", "--confirm", "production"], "add --confirm test."),
        (["--to-time", "2026-01-01T00:00:00Z"], "bring it back to 2026-01-01 00:00:00.000000+00:00"),
        (["--confirm", "test"], "Where shall the restore go?"),
        (["--to", "latest", "--to-lsn", "0/1", "--confirm", "test"], "several were given"),
        (["--to-time", "2999-01-01T00:00:00Z", "--confirm", "test"], "not in the past"),
        (["--to-time", "2020-01-01 00:00", "--confirm", "test"], "has no time zone"),
        (["--to-lsn", "12", "--confirm", "test"], "no LSN"),
        (["--to", "latest", "--timeline", "new", "--confirm", "test"], "no timeline"),
        (["--to", "latest", "--repo", "2", "--confirm", "test"], "no repository 2"),
        (["--only", "shop_db"], "--into"),
        (["--into", "old", "--to", "latest"], "--only"),
        (["--only", "a.b.c.d", "--into", "old"], "names no part"),
    ],
)
def test_what_is_not_confirmed_or_not_clear_is_refused_and_changes_nothing(typed, instance, arguments, said):
    done = typed(*arguments)
    assert (done.exit_code, said in done.output) == (2, True), done.output
    assert history.read(instance) == []


FOUND = Restore(
    identity="restore-1", instance="howdah-test", environment="test", howdah_version="0", started_at="2026-01-01",
    verdict="restored", exit_code=0, sentence="It is back.", next_step="Look.", target="LSN 0/1", backup="b",
    backup_kind="full", reached_lsn="0/2", timeline_before=1, timeline_after=2, safety_backup="s", fresh_backup="f",
    phases={"prepare": 1.0, "restore": 2.0}, findings=("Nothing was lost.",),
)  # fmt: skip


def test_a_restore_tells_what_it_did_and_what_to_do_next(typed, monkeypatch):
    monkeypatch.setattr(run, "run", lambda *_, **__: FOUND)
    done = typed("--to-lsn", "0/1", "--confirm", "test")
    assert done.exit_code == 0
    for part in ("restored", "LSN 0/2", "1 before, 2 now", "backup s", "restore 2.0 s", "! Nothing was lost.", "Look."):
        assert part in done.output
    assert json.loads(typed("--to-lsn", "0/1", "--json").output) == FOUND.model_dump(mode="json")


def test_a_failure_ends_with_its_code(typed, monkeypatch):
    failed = FOUND.model_copy(update={"verdict": "failed", "exit_code": 9})
    monkeypatch.setattr(run, "run", lambda *_, **__: failed)
    assert typed("--to", "latest", "--confirm", "test").exit_code == 9


def test_a_part_is_the_newest_unless_said_otherwise(typed, monkeypatch):
    part = Part(
        identity="only-1", instance="howdah-test", environment="test", database="shop_db", target="x", backup="b",
        reached_lsn="0/2", schemas={"public": "old"}, tables={"old.orders": 3000}, left_out=("A key was left out.",),
        phases={"carry": 1.0}, sentence="3,000 rows are back.", next_step="Take them.",
    )  # fmt: skip
    asked = []

    def answer(_, what, into, target, **__):
        asked.append((what, into, target.kind))
        return part

    monkeypatch.setattr(only, "run", answer)
    done = typed("--only", "shop_db.public", "--into", "old")
    assert done.exit_code == 0, done.output
    assert asked == [(side.Selection("shop_db", "public"), "old", "latest")]
    for said in ("old.orders", "3,000", "! A key was left out.", "Take them."):
        assert said in done.output


@pytest.mark.parametrize("text", ["", "a.", ".a", "a..b", "a.b.c.d", 'a."b', "a b.c.d.e"])
def test_what_names_no_part(text):
    with pytest.raises(ConfigurationError):
        side.parse(text)
