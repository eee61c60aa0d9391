"""After `make up`: every row of the SQLite files is in PostgreSQL, and a second run finds nothing to do."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from again import containers, play, recap

ENVIRONMENT = "molecule-migrate"
NAME = f"howdah-{ENVIRONMENT}"
SOURCES = Path("/var/lib/howdah") / ENVIRONMENT / "sample" / "dadm"
REPORTS = Path("/var/lib/howdah") / ENVIRONMENT / "reports"


def ask(statement: str) -> str:
    done = subprocess.run(
        ["docker", "exec", f"{NAME}-postgres", "psql", "-XAtc", statement, "dadm_db"],
        text=True, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def source_rows() -> dict[str, int]:
    """Count the rows of every table of the SQLite files."""
    found = {}
    for path in SOURCES.rglob("*.db"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            names = connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
            for (name,) in names.fetchall():
                found[name] = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
    return found


def test_every_row_arrived() -> None:
    rows = source_rows()
    assert len(rows) == 9
    assert sum(rows.values()) >= 1000
    assert {name: int(ask(f"SELECT count(*) FROM {name}")) for name in rows} == rows


def test_reports_say_so() -> None:
    report = json.loads((REPORTS / "dadm.json").read_text())
    assert report["verdict"] == "verified"
    assert {table["table"]: table["source_rows"] for table in report["tables"]} == source_rows()
    assert all(table["loaded_rows"] == table["source_rows"] for table in report["tables"])
    assert "<html" in (REPORTS / "dadm.html").read_text()


def test_every_row_belongs_to_the_default_tenant() -> None:
    for table in source_rows():
        assert ask(f"SELECT DISTINCT tenant_id FROM {table}") == "00000000-0000-0000-0000-000000000002"


def test_the_owner_owns_the_tables_and_the_service_can_read_and_write_rows_only() -> None:
    assert ask("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == "dadm_owner"
    rights = """
        SELECT string_agg(right_, ',' ORDER BY right_)
        FROM unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS right_
        WHERE has_table_privilege('dadm_user', 'prompts', right_)
    """
    assert ask(rights) == "DELETE,INSERT,SELECT,UPDATE"
    assert ask("SELECT has_schema_privilege('dadm_user', 'howdah', 'USAGE')") == "f"


def test_check_mode_is_silent() -> None:
    before = containers(ENVIRONMENT)
    done = play("playbooks/up.yml", "--check", "--diff")
    assert done.returncode == 0, done.stdout + done.stderr
    assert recap(done.stdout)["changed"] == 0, done.stdout
    assert containers(ENVIRONMENT) == before


def test_the_plan_changes_nothing() -> None:
    done = play("playbooks/plan.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert recap(done.stdout)["changed"] == 0


@pytest.fixture
def saved_sources(tmp_path: Path) -> Iterator[None]:
    shutil.copytree(SOURCES, tmp_path / "saved")
    yield
    shutil.rmtree(SOURCES)
    shutil.copytree(tmp_path / "saved", SOURCES)


def test_a_changed_source_moves_only_what_changed(saved_sources: None) -> None:
    with closing(sqlite3.connect(SOURCES / "data" / "prompts.db")) as connection:
        connection.execute("UPDATE prompts SET text = text || ' (edited)' WHERE rowid = 1")
        connection.commit()
    check = play("playbooks/migrate.yml", "--check")
    assert recap(check.stdout)["changed"] == 1, check.stdout
    done = play("playbooks/migrate.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert recap(done.stdout)["changed"] == 1
    report = json.loads((REPORTS / "dadm.json").read_text())
    moved = {table["table"]: (table["inserted"], table["updated"], table["deleted"]) for table in report["tables"]}
    assert moved.pop("prompts") == (0, 1, 0)
    assert set(moved.values()) == {(0, 0, 0)}
    assert ask("SELECT count(*) FROM prompts WHERE text LIKE '%(edited)'") == "1"


def test_a_source_that_is_no_sqlite_file_is_refused_and_nothing_changes(saved_sources: None) -> None:
    before = ask("SELECT count(*) FROM prompts")
    (SOURCES / "data" / "prompts.db").write_bytes(b"not a database, but long enough to look at" * 100)
    done = play("playbooks/migrate.yml")
    assert done.returncode != 0
    assert "prompts.db" in done.stdout
    assert ask("SELECT count(*) FROM prompts") == before


def test_a_missing_source_folder_is_refused() -> None:
    done = play(
        "playbooks/migrate.yml",
        "-e",
        '{"howdah_applications": [{"name": "dadm", "sources": "/srv/nowhere"}]}',
    )
    assert done.returncode != 0
    assert "The sources of dadm should be in /srv/nowhere, but there is no such folder" in " ".join(done.stdout.split())


def test_an_application_that_lives_on_postgresql_is_not_overwritten() -> None:
    done = play("playbooks/migrate.yml", "-e", "migration_allow_live=false")
    assert done.returncode != 0
    assert "dadm lives on PostgreSQL already" in " ".join(done.stdout.split())
