"""Random databases, schema and content, dirty values included: every row is accounted for, whatever it holds."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from howdah.pipeline import Request, migrate, verify
from tests import strategies


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # Each try is a migration: to shrink an example would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(tables=st.lists(strategies.tables(), min_size=1, max_size=3))
def test_every_row_is_loaded_or_waits_and_a_second_run_changes_nothing(database, tmp_path, numbers, tables):
    source, schema = tmp_path / "source.db", f"s{next(numbers)}"
    written = write(source, tables)
    request = Request((source,), database.dsn, schema=schema)
    report = migrate(request)
    assert report.verdict in ("verified", "quarantined"), report.differences
    assert {table.table: table.source_rows for table in report.tables} == written
    places = {table.table: f'{schema}."{table.target.removeprefix(schema + ".")}"' for table in report.tables}
    for table in report.tables:
        held = database.value(f"SELECT count(*) FROM {places[table.table]}")
        waiting = "SELECT count(*) FROM howdah.quarantine WHERE application = %s AND table_name = %s"
        kept = database.value(waiting, f"schema {schema}", table.table)
        assert (held, kept) == (table.loaded_rows, table.quarantined_rows)
        assert held + kept == table.source_rows
    checked = verify(request)
    assert (checked.verdict, checked.difference_count) == (report.verdict, 0)
    before = versions(database, places.values())
    again = migrate(request)
    assert (again.changed, again.verdict) == (False, report.verdict)
    assert versions(database, places.values()) == before


def versions(database, places):
    """Return where every row lies and which transaction wrote it: writing a row anew shows, even with equal values."""
    found = [database.query(f"SELECT ctid::text, xmin::text FROM {place}") for place in [*places, "howdah.quarantine"]]
    return [sorted(rows) for rows in found]


@pytest.fixture(scope="module")
def numbers():
    return itertools.count()


def write(path, tables):
    """Write a database with dirt that SQLite does not refuse; return how many rows each table has."""
    path.unlink(missing_ok=True)
    names = [f"T{number}" for number in range(len(tables))]
    written = {}
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for number, (name, table) in enumerate(zip(names, tables, strict=True)):
            for statement in table.create(name, names[(number + 1) % len(names)]):
                connection.execute(statement)
            connection.executemany(table.insert(name), table.rows)
            (written[name],) = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
        connection.commit()
    return written
