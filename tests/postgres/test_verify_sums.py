"""Sums say of plain tables that they are equal, of anything else that they do not know, and never miss a change."""

from __future__ import annotations

import pytest
from psycopg import errors

from howdah import pg, verify, wire
from howdah import pipeline as engine
from howdah.pipeline import Request, migrate, plan
from howdah.verify import sums

DDL = """
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE t (id bigint PRIMARY KEY, small smallint, number int, d float8, single real, s text, limited varchar(9),
  padded char(5), b bytea, zoned timestamptz, local timestamp, epoch timestamptz, day date, clock time, ok boolean,
  u uuid, doc jsonb, raw json, n numeric(12, 3), m mood, other text);
"""
SOURCE = """
CREATE TABLE t (id INTEGER PRIMARY KEY, small, number, d, single, s, limited, padded, b, zoned, local, epoch, day,
  clock, ok, u, doc, raw, n, m, other)
"""
ROWS = [
    (
        n, -n, n * 1000, n / 7, n / 8, f"text {n} é", "", "ab", bytes([n, 255 - n]),
        f"2024-02-29T12:00:{n % 60:02}.{n:06}Z",
        "1969-12-31 23:59:59.999999", 1_700_000_000 + n, "2024-02-29", "12:30:00.5", n % 2,
        f"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD38{n:04x}", f'{{"n": {n}, "list": [1, {{"deep": true}}], "a": "\\u00e9"}}',
        f'{{"n":  {n}}}', n / 8, "sad", None,
    )
    for n in range(1, 41)
]  # fmt: skip
LAST = (41, *[None] * 4, "", *[None] * 14, "x")
CHANGES = [
    *("small = small # 1", "number = number # 1", "d = '1.0000000000000002'", "d = '-0'"),
    *("single = 0.87500006", "s = s || ' '"),
    *("s = 'Text 7 é'", "s = NULL", "limited = NULL", "limited = ' '", "padded = 'ab  c'", "padded = NULL"),
    *("b = set_bit(b, 3, 1 - get_bit(b, 3))", "b = b || '\\x00'", "zoned = zoned + interval '1 microsecond'"),
    *("zoned = 'infinity'", "local = local - interval '1 microsecond'", "epoch = epoch + interval '1 hour'"),
    *("day = day + 1", "day = '-infinity'", "clock = clock + interval '1 microsecond'", "ok = NOT ok", "ok = NULL"),
    *("u = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380006'", "n = n + 0.001", "n = 'NaN'", "m = 'glad'", "other = ''"),
    *("doc = jsonb_set(doc, '{list,1,deep}', '\"true\"')", "doc = doc || '{\"x\": null}'", "doc = doc - 'a'"),
    *("doc = jsonb_set(doc, '{n}', '7.0000000000000000001')", "doc = 'null'"),
    *("doc = jsonb_set(doc, '{a}', '\"e\u0301\"')",),
    *("doc = jsonb_set(doc, '{list}', '[{\"deep\": true}, 1]')", "raw = '{\"n\": 7}'"),
    *("small = number, number = small", "id = 900"),
]  # fmt: skip


@pytest.fixture
def look(database, application, make_source):
    """Move a table of every type; return a function that asks what its sums say, after a statement that is undone."""
    make_source(SOURCE, t=[*ROWS, LAST])
    request = application(DDL)
    assert migrate(request).verdict == "verified"
    (made,) = plan(request).tables

    def ask(statement="", waiting=None):
        with pg.connect(database.dsn) as connection, connection.transaction(force_rollback=True):
            if statement:
                pg.execute(connection, f"SET LOCAL search_path = public; {statement}")
            path = request.sources[0] / "shop.db"
            return sums.agree(connection, [made], {made.source: path}, {made.identity: waiting or {}}, lambda _: None)

    return ask


def test_every_type_is_settled_by_sums_and_every_change_is_seen(look):
    (outcome,) = look()
    assert (outcome.expected, outcome.quarantined, outcome.foreign, outcome.count) == (41, 0, 0, 0)
    assert look("UPDATE t SET s = s, n = n * 1.000, doc = doc || doc WHERE id % 3 = 1") is not None
    assert [change for change in CHANGES if look(f"UPDATE t SET {change} WHERE id = 7") is not None] == []
    assert look("UPDATE t SET s = NULL WHERE id = 41") is None
    assert look("DELETE FROM t WHERE id = 9") is None
    assert look("UPDATE t SET s = CASE id WHEN 3 THEN 'text 4 é' ELSE 'text 3 é' END WHERE id IN (3, 4)") is None
    assert look("INSERT INTO t (id) SELECT g FROM generate_series(1000, 300000) g") is None
    assert look("DELETE FROM t WHERE id = 9; INSERT INTO t (id) VALUES (9)") is None


def test_values_that_compiled_code_leaves_to_the_rules_are_in_the_sum_as_well(look, monkeypatch):
    monkeypatch.setattr(sums, "ExpectedRows", _none_decided(sums.ExpectedRows))
    (outcome,) = look()
    assert outcome.expected == 41
    assert look("UPDATE t SET s = s || ' ' WHERE id = 7") is None
    monkeypatch.setattr(sums, "_FEW", 40)
    assert look() is None


def _none_decided(rows):
    """Return rows that are all taken for rows in quarantine, so that each is derived by itself."""

    def make(source, query, rules, waiting, **how):
        return rows(source, query, rules, b"".join(n.to_bytes(8, "little") for n in range(1, 42)), **how)

    return make


def test_a_look_that_is_ended_leaves_the_connection_as_it_was(database, make_source):
    request = Request((make_source("CREATE TABLE t (v)", t=[(n,) for n in range(50_000)]),), database.dsn)
    migrate(request)
    (made,) = plan(request).tables

    def ended(_):
        raise KeyboardInterrupt

    with pg.connect(database.dsn) as connection:
        with pytest.raises(KeyboardInterrupt):
            sums.agree(connection, [made], {made.source: request.sources[0]}, {}, ended)
        assert pg.execute(connection, "SELECT 1").fetchone() == (1,)


@pytest.fixture
def only_sums(monkeypatch):
    """Let nothing be verified but by sums."""
    for name in ("verify_table", "verify_together"):
        monkeypatch.setattr(verify, name, lambda *_: pytest.fail("not settled by sums"))


def test_plain_tables_are_settled_by_sums_alone(only_sums, database, make_source):
    request = Request(
        (
            make_source(
                "CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT, r REAL); CREATE TABLE b (v, w BLOB);"
                "CREATE TABLE c (k TEXT PRIMARY KEY, n NUMERIC) WITHOUT ROWID; CREATE TABLE empty (v)",
                a=[(n, f"v{n}", n / 3) for n in range(100)],
                b=[(n % 3, b"\x00") for n in range(100)],
                c=[(f"k{n}", n) for n in range(100)],
            ),
        ),
        database.dsn,
    )
    assert migrate(request).verdict == "verified"
    assert engine.verify(request).verdict == "verified"


def test_rows_in_quarantine_are_left_out_of_the_sum(only_sums, database, make_source, change):
    request = Request(
        (make_source("CREATE TABLE q (id INTEGER PRIMARY KEY, n INT)", q=[(1, 1), (2, 2), (3, "x")]),), database.dsn
    )
    report = migrate(request)
    assert (report.exit_code, report.quarantined_rows, report.difference_count) == (3, 1, 0)
    change(request.sources[0], "UPDATE q SET n = 3 WHERE id = 3")
    with pytest.raises(pytest.fail.Exception, match="not settled"):
        engine.verify(request)


def test_what_the_server_refuses_is_said_as_ever(database):
    with pg.connect(database.dsn) as connection:
        with pytest.raises(errors.UndefinedTable), wire.copy_out(connection, "COPY nothing TO STDOUT"):
            pass
        assert pg.execute(connection, "SELECT 1").fetchone() == (1,)
        database.query(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
        with pytest.raises(pg.Error) as found, wire.copy_out(connection, "COPY pg_class TO STDOUT"):
            pass
        assert isinstance(found.value, errors.OperationalError)
