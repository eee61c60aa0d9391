"""The verifier is itself on trial: whatever is changed behind its back must be found."""

from __future__ import annotations

import pytest
from psycopg import conninfo

from howdah.pipeline import Request, migrate, verify

WIDE = """CREATE TABLE t (id INTEGER PRIMARY KEY, i INTEGER, j INTEGER, r, s TEXT, b BLOB, at TIMESTAMP,
  ok BOOLEAN,
                          u UUID, doc JSON, n NUMERIC(12,3))"""
ROWS = [
    (
        n,
        n * 3,
        n * 5,
        n / 7,
        f"text {n}",
        bytes([n, 255 - n]),
        f"2024-03-{n % 28 + 1:02} 10:20:30.{n:06}",
        n % 2,
        f"a0eebc99-9c0b-4ef8-bb6d-6bb9bd38{n:04x}",
        f'{{"n": {n}, "list": [1, {{"deep": true}}]}}',
        n / 8,
    )
    for n in range(1, 51)
]


@pytest.fixture
def request_(database, make_source):
    rows = [*ROWS, (51, 0, 0, 0.0, "", b"", "2024-01-01", 0, None, "[]", 0)]
    request = Request((make_source(WIDE, t=rows),), database.dsn)
    assert migrate(request).verdict == "verified"
    return request


@pytest.mark.parametrize(
    ("mutation", "column"),
    [
        ("UPDATE t SET i = i # 1 WHERE id = 7", "i"),
        ("UPDATE t SET b = set_bit(b, 3, 1 - get_bit(b, 3)) WHERE id = 7", "b"),
        ("UPDATE t SET s = s || ' ' WHERE id = 7", "s"),
        ("UPDATE t SET s = NULL WHERE id = 51", "s"),
        ("UPDATE t SET s = 'Text 7' WHERE id = 7", "s"),
        ("UPDATE t SET r = '-0' WHERE id = 51", "r"),
        ("UPDATE t SET r = r + 1e-16 WHERE id = 1", "r"),
        ("UPDATE t SET at = at + interval '1 microsecond' WHERE id = 7", "at"),
        ("UPDATE t SET ok = NOT ok WHERE id = 7", "ok"),
        ("UPDATE t SET u = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380006' WHERE id = 7", "u"),
        ("""UPDATE t SET doc = jsonb_set(doc, '{list,1,deep}', '"true"') WHERE id = 7""", "doc"),
        ("UPDATE t SET doc = doc || '{\"x\": null}' WHERE id = 7", "doc"),
        ("UPDATE t SET n = n + 0.001 WHERE id = 7", "n"),
    ],
)
def test_a_changed_value_is_found_and_named(database, request_, mutation, column):
    database.query(mutation)
    report = verify(request_)
    assert (report.verdict, report.exit_code, report.difference_count) == ("different", 4, 1)
    assert report.differences[0].kind == "different"
    assert report.differences[0].columns == (column,)


def test_swapped_columns_are_found(database, request_):
    database.query("UPDATE t SET i = j, j = i")
    report = verify(request_)
    assert report.difference_count == 50  # in row 51 both are 0
    assert report.differences[0].columns == ("i", "j")


def test_rows_that_swapped_their_values_are_found(database, request_):
    database.query("UPDATE t SET s = CASE id WHEN 3 THEN 'text 4' ELSE 'text 3' END WHERE id IN (3, 4)")
    assert verify(request_).difference_count == 2


def test_a_lost_row_is_found(database, request_):
    database.query("DELETE FROM t WHERE id = 9")
    report = verify(request_)
    assert [(d.kind, d.key) for d in report.differences] == [("missing", '{"id": 9}')]


def test_a_row_moved_to_another_key_is_found(database, request_):
    database.query("UPDATE t SET id = 900 WHERE id = 9")
    assert [d.kind for d in verify(request_).differences] == ["missing"]


def test_a_doubled_and_a_lost_row_of_a_table_without_a_key_are_found(database, make_source):
    request = Request(
        (make_source("CREATE TABLE log (a INT, b TEXT)", log=[(1, "x"), (2, "y"), (2, "y")]),), database.dsn
    )
    migrate(request)
    database.query("INSERT INTO log VALUES (1, 'x')")
    assert [d.kind for d in verify(request).differences] == ["doubled"]
    database.query("DELETE FROM log WHERE a = 1")
    assert [d.kind for d in verify(request).differences] == ["missing"]
    database.query("INSERT INTO log VALUES (1, 'x')")
    assert verify(request).exit_code == 0
    database.query("DELETE FROM log WHERE ctid = (SELECT min(ctid) FROM log WHERE a = 2)")
    assert verify(request).difference_count == 1


def test_a_row_that_should_be_gone_is_found(database, request_, change):
    change(request_.sources[0], "DELETE FROM t WHERE id = 9")
    assert [d.kind for d in verify(request_).differences] == ["left_over"]


def test_a_row_of_ours_that_the_ledger_thinks_quarantined_is_not_excused(database, make_source, change):
    request = Request(
        (make_source("CREATE TABLE q (id INTEGER PRIMARY KEY, n INT)", q=[(1, 1), (2, 2), (3, "x")]),),
        database.dsn,
    )
    assert migrate(request).exit_code == 3
    change(request.sources[0], "UPDATE q SET n = 3 WHERE id = 3")
    assert [(d.kind, d.key) for d in verify(request).differences] == [("missing", '{"id": 3}')]


@pytest.mark.parametrize(
    "change_", ["r = 'abc'", "doc = '{'", "doc = '\"' || char(0) || '\"'", "n = 'abc'", "i = 9e999", "at = 9e300"]
)
def test_a_value_that_became_unfit_since_the_load_is_a_difference(request_, change, change_):
    change(request_.sources[0], f"UPDATE t SET {change_} WHERE id = 7")
    assert [(d.kind, d.key) for d in verify(request_).differences] == [("missing", '{"id": 7}'), ("left_over", "7")]


@pytest.mark.parametrize(
    "setting",
    [
        "timezone = 'Asia/Kathmandu'",
        "datestyle = 'German'",
        "extra_float_digits = -15",
        "bytea_output = 'escape'",
    ],
)
def test_settings_of_the_database_raise_no_alarm(database, request_, setting):
    database.query(f"ALTER DATABASE {database.value('SELECT current_database()')} SET {setting}")
    assert verify(request_).exit_code == 0
    assert migrate(request_).changed is False


def test_what_verify_found_migrate_repairs(database, request_):
    database.query("UPDATE t SET s = 'wrong', n = 0 WHERE id = 7")
    assert verify(request_).exit_code == 4
    report = migrate(request_)
    assert (report.verdict, report.changed, report.tables[0].updated) == ("verified", True, 1)
    assert verify(request_).exit_code == 0
    assert migrate(request_).changed is False


def test_a_role_that_may_only_read_can_verify(database, request_):
    database.query("CREATE ROLE howdah_reader LOGIN PASSWORD 'for-tests-only'")
    try:
        database.query(
            "GRANT USAGE ON SCHEMA public, howdah TO howdah_reader;"
            "GRANT SELECT ON ALL TABLES IN SCHEMA public, howdah TO howdah_reader"
        )
        reader = Request(request_.sources, conninfo.make_conninfo(database, user="howdah_reader"))
        assert verify(reader).exit_code == 0
        database.query("UPDATE t SET i = 0 WHERE id = 7")
        assert verify(reader).exit_code == 4
    finally:
        database.query("DROP OWNED BY howdah_reader; DROP ROLE howdah_reader")


@pytest.mark.parametrize("more", ["", " WITHOUT ROWID"], ids=["by column", "row by row"])
def test_a_large_table_tells_how_far_it_is(database, make_source, more):
    source = make_source(
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT){more}", t=[(n, f"v{n}") for n in range(40_000)]
    )
    migrate(Request((source,), database.dsn))
    events = []
    assert verify(Request((source,), database.dsn), events.append).exit_code == 0
    done = [event.done for event in events if event.stage == "verify" and event.table == "t"]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, 40_000)
    assert any(0 < rows < 40_000 for rows in done)
