"""The command line as a person or a script meets it."""

from __future__ import annotations

import json

import pytest

from howdah.pipeline import Request
from howdah.pipeline import migrate as run_migrate


@pytest.fixture
def source(make_source):
    return make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)", t=[(1, 1), (2, 2)])


def test_migrate_prints_the_verdict_and_the_next_command(howdah, source, tmp_path):
    report = tmp_path / "out" / "report.json"
    result = howdah("migrate", source, "--report", report)
    assert result.exit_code == 0
    assert "VERIFIED  2 rows in 1 table, every one verified." in result.stdout
    assert f"report: {report}" in result.stdout
    assert "next: howdah verify" in result.stdout


def test_the_report_has_the_frame_that_scripts_rely_on(howdah, source, tmp_path):
    report = tmp_path / "report.json"
    howdah("migrate", source, "--report", report)
    found = json.loads(report.read_text())
    assert {
        "verdict",
        "run_id",
        "sources",
        "tables",
        "findings",
        "changed",
        "seconds",
        "howdah_version",
        "target",
    } <= set(found)
    assert set(found["target"]) == {"database", "server_version", "schema"}
    assert {"snapshot", "profile", "plan", "create", "load", "indexes", "verify"} <= set(found["stages"])
    assert 0 < sum(found["stages"].values()) <= found["seconds"] + 0.01
    table = found["tables"][0]
    assert {
        "source",
        "table",
        "target",
        "source_rows",
        "loaded_rows",
        "quarantined_rows",
        "skipped",
        "seconds",
        "columns",
    } <= set(table)
    assert table["columns"] == [
        {"source": "id", "target": "id", "type": "bigint", "lossless": True},
        {"source": "n", "target": "n", "type": "bigint", "lossless": True},
    ]


def test_json_on_stdout_is_json_and_nothing_else(howdah, source):
    assert json.loads(howdah("migrate", source, "--json").stdout)["changed"] is True
    assert json.loads(howdah("migrate", source, "--json").stdout)["changed"] is False
    assert json.loads(howdah("plan", source, "--json").stdout)["pending"] is False
    assert json.loads(howdah("discover", source, "--json").stdout)["files"][0]["tables"] == [{"table": "t", "rows": 2}]


def test_quarantine_ends_with_3_and_tells_where_to_look(howdah, make_source):
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)", t=[(1, 1), (2, 2), (3, "x")])
    result = howdah("migrate", source)
    assert result.exit_code == 3
    assert "QUARANTINED  2 rows in 1 table verified; 1 row waits in quarantine." in result.stdout
    assert "next: howdah quarantine list\n" in result.stdout


def test_a_difference_ends_with_4(howdah, source, database):
    howdah("migrate", source)
    database.query("UPDATE t SET n = 9 WHERE id = 1")
    result = howdah("verify", source)
    assert result.exit_code == 4
    assert "DIFFERENT  1 row differs" in result.stdout


@pytest.mark.parametrize(
    ("verb", "option", "name"),
    [("migrate", "--html", "report"), ("migrate", "--report", "report.html"), ("verify", "--report", "report.HTM")],
)
def test_the_html_report_is_one_file_that_needs_nothing_else(howdah, source, tmp_path, verb, option, name):
    page = tmp_path / name
    if verb == "verify":
        howdah("migrate", source)
    assert howdah(verb, source, option, page).exit_code == 0
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "every one verified" in text
    assert "<script src" not in text
    assert "http" not in text.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["migrate", "nowhere.db"], 6, "does not exist"),
        (["migrate", "."], 6, "no SQLite database"),
        (["discover", "nowhere"], 6, "does not exist"),
        (["migrate", "SOURCE", "--to", "host=x password=secret"], 2, "holds a password"),
        (["migrate", "SOURCE", "--to", "postgresql://me:secret@localhost/x"], 2, "holds a password"),
        (["migrate", "SOURCE", "--to", "host=/nowhere dbname=x"], 7, "does not let us in"),
        (["migrate", "SOURCE", "--application", "nowhere"], 2, "is missing"),
        (["migrate", "SOURCE", "--schema", "howdah"], 2, "reserved"),
        (["migrate", "SOURCE", "--jobs", "0"], 2, "jobs"),
        (["migrate"], 2, "Missing argument"),
    ],
)
def test_bad_input_gets_one_sentence_and_its_exit_code(
    howdah, source, database, tmp_path, monkeypatch, arguments, code, words
):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    result = howdah(*[source if argument == "SOURCE" else argument for argument in arguments])
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert "secret" not in result.output
    assert "Traceback" not in result.output
    assert database.value("SELECT to_regnamespace('howdah')") is None


def test_no_target_is_usage(howdah, source, monkeypatch):
    monkeypatch.delenv("HOWDAH_DSN")
    result = howdah("migrate", source)
    assert (result.exit_code, "No target" in result.stderr) == (2, True)


def test_libpq_variables_are_enough(howdah, source, database, monkeypatch):
    from psycopg import conninfo

    monkeypatch.delenv("HOWDAH_DSN")
    for key, value in conninfo.conninfo_to_dict(database.dsn).items():
        name = {
            "dbname": "PGDATABASE",
            "host": "PGHOST",
            "port": "PGPORT",
            "user": "PGUSER",
            "password": "PGPASSWORD",
        }[key]
        monkeypatch.setenv(name, str(value))
    assert howdah("migrate", source).exit_code == 0


def test_an_unexpected_failure_is_one_sentence_too(howdah, source, monkeypatch):
    def broken(*_):
        raise RuntimeError("a bug\nwith details")

    monkeypatch.setattr("howdah.pipeline.migrate", broken)
    result = howdah("migrate", source)
    assert (result.exit_code, result.stderr.splitlines()[0]) == (1, "howdah: unexpected RuntimeError: a bug")


def test_a_second_python_run_agrees_with_the_command_line(howdah, source, database):
    howdah("migrate", source)
    assert run_migrate(Request((source,), database.dsn)).changed is False
