"""Rows that do not fit: whole, with the reason, and never lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from howdah import direct
from howdah.errors import QuarantinedRows
from howdah.pipeline import Request, migrate, verify
from howdah.vector import batches


def reasons(database):
    return dict(database.query("SELECT locator, code FROM howdah.quarantine ORDER BY locator"))


def test_each_misfit_goes_with_its_reason_and_the_rest_moves(database, make_source):
    good = [(n, n, f"name {n}", b"\x01", "2024-05-06 07:08:09", 1) for n in range(1, 21)]
    bad = [
        (100, "abc", "text in an integer", b"", "2024-05-06", 1),
        (101, 1, b"blob in text", b"", "2024-05-06", 1),
        (102, 1, "nul \x00 inside", b"", "2024-05-06", 1),
        (103, 1, "x", "text in a blob", "2024-05-06", 1),
        (104, 1, "x", b"", "2024-02-30", 1),
        (105, 1, "x", b"", "2024-05-06", 7),
    ]
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, s TEXT, b BLOB, at DATETIME, ok BOOLEAN)",
        t=good + bad,
    )
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("INSERT INTO t VALUES (106, 1, CAST(x'ff41' AS TEXT), x'', '2024-05-06', 1)")
        connection.commit()
    report = migrate(Request((source,), database.dsn))
    assert (report.verdict, report.exit_code) == ("quarantined", 3)
    assert reasons(database) == {
        100: "not_integer",
        101: "storage_class",
        102: "nul_in_text",
        103: "storage_class",
        104: "not_temporal",
        105: "not_boolean",
        106: "invalid_utf8",
    }
    table = report.tables[0]
    assert (table.source_rows, table.loaded_rows, table.quarantined_rows) == (27, 20, 7)
    assert verify(Request((source,), database.dsn)).exit_code == 3


def test_the_row_is_kept_whole_with_its_storage_classes(database, make_source):
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, r REAL, s TEXT, b BLOB)",
        t=[(1, 1, 1.0, "a", b""), (2, 2, 2.0, "b", b""), (3, "no", 0.1, "nul\x00", b"\x00\xff")],
    )
    migrate(Request((source,), database.dsn))
    ((key, row),) = database.query("SELECT source_key, row_data FROM howdah.quarantine")
    assert key == {"id": 3}
    assert row == {
        "id": 3,
        "n": "no",
        "r": {"real": "0.1"},
        "s": {"text_hex": "6e756c00"},
        "b": {"blob": "00ff"},
    }


def test_orphans_go_to_quarantine_and_take_their_children_along(database, make_source):
    source = make_source(
        """CREATE TABLE a (id INTEGER PRIMARY KEY, parent INT REFERENCES a(id));
           CREATE TABLE b (id INTEGER PRIMARY KEY, a INT REFERENCES a(id));""",
        a=[(1, None), (2, 1), (3, 77), (4, 3)],
        b=[(10, 1), (11, 4), (12, 99), (13, None)],
    )
    report = migrate(Request((source,), database.dsn))
    assert report.exit_code == 3
    assert database.query("SELECT id FROM a ORDER BY id") == [(1,), (2,)]
    assert database.query("SELECT id FROM b ORDER BY id") == [(10,), (13,)]
    assert set(reasons(database).values()) == {"orphan"}
    assert migrate(Request((source,), database.dsn)).changed is False


def test_a_corrected_row_leaves_quarantine(database, make_source, change):
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)", t=[(1, 1), (2, "x"), (3, 3)])
    request = Request((source,), database.dsn)
    assert migrate(request).exit_code == 3
    assert migrate(request).changed is False
    change(source, "UPDATE t SET n = 2 WHERE id = 2")
    report = migrate(request)
    assert (report.exit_code, report.changed) == (0, True)
    assert reasons(database) == {}
    assert database.value("SELECT sum(n) FROM t") == 6


def test_a_row_that_turns_bad_leaves_the_target(database, make_source, change):
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)", t=[(1, 1), (2, 2), (3, 3)])
    request = Request((source,), database.dsn)
    migrate(request)
    change(source, "UPDATE t SET n = 'bad' WHERE id = 2")
    assert migrate(request).exit_code == 3
    assert database.query("SELECT id FROM t ORDER BY 1") == [(1,), (3,)]
    assert verify(request).exit_code == 3


def test_the_limit_stops_before_the_table_changes(database, make_source):
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)", t=[(n, n if n % 3 else "x") for n in range(30)]
    )
    with pytest.raises(QuarantinedRows, match="More than 9"):
        migrate(Request((source,), database.dsn, max_quarantined=9))
    assert database.value("SELECT count(*) FROM t") == 0
    assert database.value("SELECT count(*) FROM howdah.quarantine") == 0
    assert migrate(Request((source,), database.dsn, max_quarantined=10)).exit_code == 3


@pytest.mark.parametrize("many", [1_000, 20_000])
@pytest.mark.parametrize("rows_of_a_part", [batches.UNIT_ROWS, 1_000])
def test_what_only_the_server_refuses_is_found_among_thousands(
    database, make_source, monkeypatch, rows_of_a_part, many
):
    monkeypatch.setattr(batches, "UNIT_ROWS", rows_of_a_part)
    # From so many on they are sent frozen first, where no row can be refused by itself.
    monkeypatch.setattr(direct, "_MANY", many)
    # jsonb takes numbers of at most 131,072 digits before the point: no client-side check knows that.
    rows = [(n, '{"a": 1}') for n in range(12_000)]
    rows[7_777] = (7_777, '{"a": 1e200000}')
    rows[11_999] = (11_999, '{"a": 1e-50000}')
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, doc JSON)", t=rows)
    report = migrate(Request((source,), database.dsn))
    assert (report.tables[0].loaded_rows, report.tables[0].quarantined_rows) == (11_998, 2)
    assert set(reasons(database).items()) == {(7_777, "server_refused"), (11_999, "server_refused")}


def test_numbers_that_were_once_uuids_are_not_guessed(database, make_source):
    good = [(f"a0eebc99-9c0b-4ef8-bb6d-6bb9bd38{n:04x}",) for n in range(5)]
    source = make_source("CREATE TABLE t (id UUID PRIMARY KEY)", t=[*good, ("01234",)])
    assert migrate(Request((source,), database.dsn)).exit_code == 3
    assert set(reasons(database).values()) == {"storage_class"}


def test_quarantined_rows_of_tables_without_rowid_are_found_again(database, make_source):
    source = make_source(
        "CREATE TABLE t (k TEXT, j INT, n INTEGER, PRIMARY KEY (k, j)) WITHOUT ROWID",
        t=[("b", 1, 1), ("a", 2, "bad"), ("a", 1, 3), ("c", 0, 3)],
    )
    request = Request((source,), database.dsn)
    assert migrate(request).exit_code == 3
    assert database.query("SELECT source_key, locator FROM howdah.quarantine") == [({"k": "a", "j": 2}, 2)]
    assert verify(request).exit_code == 3
