"""A damaged source in a whole migration: what can be read moves, what is lost decides verdict and exit code."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from click.testing import CliRunner

from howdah.cli import main
from howdah.errors import SourceError
from howdah.pipeline import Request, migrate, plan, verify


def test_without_salvage_a_damaged_source_is_refused_and_nothing_changes(database, damaged):
    with pytest.raises(SourceError, match="--salvage") as caught:
        migrate(Request((damaged,), database.dsn))
    assert caught.value.exit_code == 6
    assert database.value("SELECT to_regnamespace('howdah')") is None


def test_damage_where_no_row_is_is_found_before_anything_is_written(database, damaged_index):
    request = Request((damaged_index,), database.dsn)
    for verb in (plan, migrate):
        with pytest.raises(SourceError, match="is damaged"):
            verb(request)
    assert database.value("SELECT to_regnamespace('howdah')") is None
    assert database.value("SELECT to_regclass('t')") is None


def test_a_row_that_cannot_be_read_is_found_before_anything_is_written_or_is_salvaged_around(database, damaged_row):
    request = Request((damaged_row,), database.dsn)
    for verb in (plan, migrate, lambda asked: plan(replace(asked, sample=10))):
        with pytest.raises(SourceError, match="is damaged") as caught:
            verb(request)
        assert "--salvage" in caught.value.next_step
    assert database.value("SELECT to_regnamespace('howdah')") is None
    report = migrate(replace(request, salvage=True))
    assert report.verdict == "salvaged"
    assert 79_000 < database.value("SELECT count(*) FROM t") < 80_000


def test_verification_of_a_source_that_was_damaged_since_says_so(database, damaged_index):
    whole = damaged_index.with_name("whole.db")
    with closing(sqlite3.connect(damaged_index)) as damaged, closing(sqlite3.connect(whole)) as copy:
        copy.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX i ON t (v)")
        copy.executemany("INSERT INTO t VALUES (?, ?)", damaged.execute("SELECT * FROM t NOT INDEXED"))
        copy.commit()
    broken = damaged_index.read_bytes()
    damaged_index.write_bytes(whole.read_bytes())
    migrate(Request((damaged_index,), database.dsn))
    damaged_index.write_bytes(broken)
    with pytest.raises(SourceError, match="is damaged"):
        verify(Request((damaged_index,), database.dsn))


def test_what_can_be_read_moves_and_what_is_lost_is_counted(database, damaged):
    request = Request((damaged,), database.dsn, salvage=True)
    report = migrate(request)
    lost = 1000 - database.value("SELECT count(*) FROM notes")
    assert 0 < lost < 30
    assert (report.verdict, report.exit_code) == ("salvaged", 3)
    found = {finding.code: finding for finding in report.findings}
    assert found["salvaged"].rows == found["rows_lost"].rows == lost
    assert (found["rows_lost"].source, found["rows_lost"].table) == ("shop.db", "notes")
    assert f"{lost:,} are known to be lost" in report.sentence
    assert f"rows were read, {lost} are lost in 1 table." in found["salvaged"].message
    assert database.value("SELECT count(*) FROM fine") == 100
    assert database.value("SELECT count(*) FROM notes WHERE id = 500") == 0


def test_a_second_run_changes_nothing_and_says_the_same(database, damaged):
    request = Request((damaged,), database.dsn, salvage=True)
    first = migrate(request)
    assert plan(request).pending is False
    again = migrate(request)
    assert (again.changed, again.verdict, again.exit_code) == (False, "salvaged", 3)
    assert again.sources == first.sources
    assert {f for f in again.findings if f.source} == {f for f in first.findings if f.source}
    checked = verify(request)
    assert (checked.verdict, checked.exit_code, checked.difference_count) == ("salvaged", 3, 0)


def test_a_repaired_source_brings_the_lost_rows_back(database, damaged, make_source):
    migrate(Request((damaged,), database.dsn, salvage=True))
    damaged.unlink()
    make_source(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, code TEXT UNIQUE, body TEXT); CREATE TABLE fine (id INTEGER)",
        notes=[(n, f"code-{n:05}", f"note-{n:05}-" + "x" * 200) for n in range(1, 1001)],
        fine=[(n,) for n in range(100)],
    )
    report = migrate(Request((damaged,), database.dsn))
    assert (report.verdict, report.exit_code) == ("verified", 0)
    assert database.value("SELECT count(*) FROM notes") == 1000


def test_a_difference_outranks_the_loss(database, damaged):
    request = Request((damaged,), database.dsn, salvage=True)
    migrate(request)
    database.query("UPDATE notes SET body = 'other' WHERE id = 1")
    report = verify(request)
    assert (report.verdict, report.exit_code) == ("different", 4)


def test_the_command_line_tells_all_of_it(database, damaged, tmp_path, monkeypatch):
    monkeypatch.setenv("HOWDAH_DSN", database.dsn)
    refused = CliRunner().invoke(main, ["migrate", str(damaged)])
    assert (refused.exit_code, "--salvage" in refused.stderr) == (6, True)
    looked = CliRunner().invoke(main, ["plan", str(damaged), "--salvage", "--json"])
    assert looked.exit_code == 0
    assert "rows_lost" in {finding["code"] for finding in json.loads(looked.stdout)["findings"]}
    page = tmp_path / "report.html"
    done = CliRunner().invoke(main, ["migrate", str(damaged), "--salvage", "--html", str(page)])
    assert (done.exit_code, "SALVAGED" in done.stdout) == (3, True)
    assert "counted by index sqlite_autoindex_notes_1" in done.stdout.replace("\n", " ")
    assert done.stdout.rstrip().endswith("--salvage")
    assert 'class="verdict salvaged"' in page.read_text()
    assert CliRunner().invoke(main, ["verify", str(damaged), "--salvage"]).exit_code == 3
