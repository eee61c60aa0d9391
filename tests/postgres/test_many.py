"""Many small tables and many small sources: few connections, and few statements for each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import psycopg
import pytest

from howdah.pipeline import Request, migrate, verify
from tests.bench import generate

APPLICATION = Path(generate.__file__).parent / "application"
FILES = 12


@pytest.fixture
def sent(monkeypatch):
    """Count statements by their first words, and connections as ``connect``."""
    counted: Counter[str] = Counter()
    execute, copy, connect = psycopg.Cursor.execute, psycopg.Cursor.copy, psycopg.connect

    def counts(function):
        def call(self, query, *arguments, **options):
            counted[" ".join(str(query).split())] += 1
            return function(self, query, *arguments, **options)

        return call

    def connects(*arguments, **options):
        counted["connect"] += 1
        return connect(*arguments, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", counts(execute))
    monkeypatch.setattr(psycopg.Cursor, "copy", counts(copy))
    monkeypatch.setattr(psycopg, "connect", connects)
    return counted


@pytest.fixture
def files(tmp_path, database):
    """Return a request for small files that fill the same three tables."""
    for number in range(FILES):
        size = generate.Size(2, 10, 10)
        generate.write(tmp_path / f"{number:03}.db", size, number, 1 + 2 * number * size.metrics)
    return Request((tmp_path,), database.dsn, application=APPLICATION)


def test_a_table_that_many_sources_fill_is_read_back_once(files, sent):
    assert migrate(files).verdict == "verified"
    assert sum(count for query, count in sent.items() if "TO STDOUT" in query and "metric_id" in query) <= FILES
    sent.clear()
    assert verify(files).verdict == "verified"
    assert sum(count for query, count in sent.items() if "TO STDOUT" in query) == 3


@pytest.mark.parametrize(
    ("mutation", "kind"),
    [
        ("UPDATE metrics SET value = value + 1 WHERE id = (SELECT min(id) FROM metrics)", "different"),
        ("DELETE FROM metrics WHERE id = (SELECT max(id) FROM metrics)", "missing"),
        ("UPDATE metrics SET id = id + 1000000 WHERE id = (SELECT min(id) FROM metrics)", "missing"),
    ],
)
def test_a_difference_in_one_of_many_sources_is_found_and_named(database, files, mutation, kind):
    assert migrate(files).verdict == "verified"
    database.query(mutation)
    report = verify(files)
    assert report.verdict == "different"
    assert [(found.kind, found.table) for found in report.differences] == [(kind, "metrics")]


def test_rows_of_others_among_those_of_many_sources_raise_no_alarm(database, files):
    assert migrate(files).verdict == "verified"
    database.query("INSERT INTO metrics SELECT (jsonb_populate_record(m, '{\"id\": 999999}')).* FROM metrics m LIMIT 1")
    report = verify(files)
    assert report.verdict == "verified"
