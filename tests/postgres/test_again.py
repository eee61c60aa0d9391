"""Running again: nothing changed, the source changed, the target changed."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing

import pytest
from adbc_driver_postgresql import dbapi

from howdah import profiling, snapshot
from howdah.errors import TargetRefused
from howdah.pipeline import Request, migrate, plan, verify
from howdah.verify import together

SHOP = """
CREATE TABLE customer (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT UNIQUE, name TEXT,
  boss INT REFERENCES customer(id));
CREATE TABLE invoice (id INTEGER PRIMARY KEY, customer INT NOT NULL REFERENCES customer(id),
  total NUMERIC(10,2));
CREATE TABLE event (at DATETIME, what TEXT);
CREATE TABLE setting (k TEXT PRIMARY KEY, v REAL) WITHOUT ROWID;
INSERT INTO customer VALUES (1, 'a@x', 'A', NULL), (2, 'b@x', 'B', 1), (3, 'c@x', 'C', 2);
INSERT INTO invoice VALUES (10, 1, 9.99), (11, 2, 5), (12, 3, 0.5);
INSERT INTO event VALUES ('2024-01-01 00:00:00', 'x'), ('2024-01-01 00:00:00', 'x'), ('2024-01-02T10:00',
  'y');
INSERT INTO setting VALUES ('z', 1.5), ('a', 2.5);
"""


@pytest.fixture
def shop(make_source):
    return make_source(SHOP)


def writes(database):
    """Rows written so far, and how far transaction ids got."""
    rows = database.value("SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables")
    return rows, database.value("SELECT count(*) FROM howdah.run")


def settled(path):
    """Wait until a change of the file would show."""
    deadline = time.monotonic() + 10
    while not snapshot.stamp(path).settled:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def content(database):
    return {
        table: sorted(database.query(f"SELECT * FROM {table}"), key=str)
        for table in ("customer", "invoice", "event", "setting")
    }


def test_unchanged_means_no_write_at_all(database, shop):
    settled(shop)
    request = Request((shop,), database.dsn)
    first = migrate(request)
    before = database.value("SELECT pg_current_wal_insert_lsn()"), writes(database)[1]
    database.query("CHECKPOINT")
    start = database.value("SELECT pg_current_xact_id()::text::bigint")
    second = migrate(request)
    end = database.value("SELECT pg_current_xact_id()::text::bigint")
    assert (second.changed, second.verdict, second.run_id) == (False, "verified", first.run_id)
    assert writes(database)[1] == before[1]
    # Asking for the id takes one itself; a write of ours would have taken another.
    assert end - start <= 1


@pytest.fixture
def unreadable(monkeypatch):
    """Return a function after which no source can be copied or profiled."""

    def refuse(*arguments, **options):
        raise AssertionError("a source was read")

    def apply():
        monkeypatch.setattr(snapshot, "take", refuse)
        monkeypatch.setattr(profiling, "measure", refuse)

    return apply


def test_an_unchanged_source_is_not_read(database, shop, unreadable):
    settled(shop)
    request = Request((shop,), database.dsn)
    first = migrate(request)
    unreadable()
    second = migrate(request)
    assert (second.changed, second.verdict, second.run_id) == (False, "verified", first.run_id)
    assert [(s.name, s.size, s.blake3) for s in second.sources] == [(s.name, s.size, s.blake3) for s in first.sources]
    assert [(t.table, t.source_rows, t.columns) for t in second.tables] == [
        (t.table, t.source_rows, t.columns) for t in first.tables
    ]
    assert second.findings == first.findings


def test_a_source_that_was_young_when_it_was_moved_is_read_once_more(database, shop, unreadable):
    request = Request((shop,), database.dsn)
    with closing(sqlite3.connect(shop)) as connection:
        connection.executescript("UPDATE setting SET v = 3 WHERE k = 'z'")
    migrate(request)
    settled(shop)
    assert not migrate(request).changed
    unreadable()
    assert not migrate(request).changed


def test_a_vacuum_is_looked_at_once(database, shop, unreadable):
    request = Request((shop,), database.dsn)
    migrate(request)
    with closing(sqlite3.connect(shop)) as connection:
        connection.executescript("PRAGMA page_size = 8192; VACUUM")
    settled(shop)
    assert not migrate(request).changed
    unreadable()
    assert not migrate(request).changed


def test_a_change_that_keeps_size_and_modification_time_is_noticed(database, shop):
    settled(shop)
    request = Request((shop,), database.dsn)
    migrate(request)
    before = shop.stat()
    with shop.open("r+b") as stream:
        at = shop.read_bytes().index(b"b@x")
        stream.seek(at)
        stream.write(b"q")
    os.utime(shop, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (shop.stat().st_size, shop.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert migrate(request).changed
    assert database.value("SELECT email FROM customer WHERE id = 2") == "q@x"


def test_a_change_so_young_that_it_might_not_show_is_noticed(database, shop, monkeypatch):
    real = snapshot.stamp
    frozen = real(shop)
    # A clock that stands still: the file says the same before and after the change.
    monkeypatch.setattr(snapshot, "stamp", lambda _: frozen)
    request = Request((shop,), database.dsn)
    migrate(request)
    with closing(sqlite3.connect(shop)) as connection:
        connection.executescript("UPDATE setting SET v = 7 WHERE k = 'z'")
    assert migrate(request).changed
    assert database.value("SELECT v FROM setting WHERE k = 'z'") == 7


def test_rows_that_are_gone_come_back_from_an_unchanged_source(database, shop):
    settled(shop)
    request = Request((shop,), database.dsn)
    migrate(request)
    before = content(database)
    database.query("DELETE FROM event")
    assert migrate(request).changed
    assert content(database) == before


def test_verify_reads_a_source_whatever_its_stamp_says(database, shop, unreadable):
    settled(shop)
    request = Request((shop,), database.dsn)
    migrate(request)
    unreadable()
    with pytest.raises(AssertionError, match="a source was read"):
        verify(request)


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_an_unchanged_source_gives_the_same_snapshot_bytes(database, make_source, mode):
    request = Request((make_source(f"PRAGMA journal_mode = {mode};" + SHOP),), database.dsn)
    assert len({plan(request).sources[0].blake3 for _ in range(3)}) == 1


def test_rewritten_bytes_without_a_changed_row_write_nothing(database, shop, change):
    request = Request((shop,), database.dsn)
    migrate(request)
    change(shop, "CREATE TABLE junk (a); DROP TABLE junk; VACUUM;")
    assert migrate(request).changed is False


def test_insert_update_and_delete_follow_the_source(database, shop, change, make_source):
    request = Request((shop,), database.dsn)
    migrate(request)
    change(
        shop,
        """DELETE FROM invoice WHERE id = 12; DELETE FROM customer WHERE id = 3;
           UPDATE customer SET name = 'Bee' WHERE id = 2;
           INSERT INTO customer VALUES (4, 'd@x', 'D', 2); UPDATE customer SET boss = 4 WHERE id = 1;
           INSERT INTO invoice VALUES (13, 4, 1);
           DELETE FROM event WHERE rowid = 1; INSERT INTO event VALUES (NULL, 'z');
           UPDATE setting SET v = 3.5 WHERE k = 'a'; DELETE FROM setting WHERE k = 'z';""",
    )
    report = migrate(request)
    assert (report.verdict, report.changed) == ("verified", True)
    moved = {t.table: (t.inserted, t.updated, t.deleted) for t in report.tables}
    assert moved == {"customer": (1, 2, 1), "invoice": (1, 0, 1), "event": (1, 0, 1), "setting": (0, 1, 1)}
    delta = content(database)
    other = Request((shop,), database.dsn, schema="fresh")
    migrate(other)
    assert delta["customer"] == sorted(database.query("SELECT * FROM fresh.customer"), key=str)
    assert delta["event"] == sorted(database.query("SELECT * FROM fresh.event"), key=str)
    assert migrate(request).changed is False


def test_only_changed_tables_are_loaded(database, shop, change):
    request = Request((shop,), database.dsn)
    migrate(request)
    change(shop, "UPDATE setting SET v = 9 WHERE k = 'a'")
    assert [t.table for t in migrate(request).tables if t.changed] == ["setting"]


def test_a_unique_value_may_pass_from_a_deleted_row_to_a_new_one(database, shop, change):
    request = Request((shop,), database.dsn)
    migrate(request)
    change(
        shop,
        "DELETE FROM invoice WHERE customer = 3; DELETE FROM customer WHERE id = 3; INSERT INTO customer"
        " VALUES (9, 'c@x', 'C2', 1)",
    )
    report = migrate(request)
    assert report.verdict == "verified"
    assert database.query("SELECT id FROM customer WHERE email = 'c@x'") == [(9,)]


def test_minus_zero_is_a_change(database, make_source, change):
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", t=[(1, 0.0), (2, 1.5)])
    request = Request((source,), database.dsn)
    migrate(request)
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("UPDATE t SET v = ? WHERE id = 1", [-0.0])
        connection.commit()
    assert migrate(request).verdict == "verified"
    assert database.value("SELECT v::text FROM t WHERE id = 1") == "-0"


def test_rows_gone_from_the_target_are_noticed_and_repaired(database, shop):
    request = Request((shop,), database.dsn)
    migrate(request)
    database.query("DELETE FROM invoice")
    found = verify(request)
    assert (found.verdict, found.exit_code, found.difference_count) == ("different", 4, 3)
    assert {d.kind for d in found.differences} == {"missing"}
    repaired = migrate(request)
    assert (repaired.verdict, repaired.changed) == ("verified", True)
    assert database.value("SELECT count(*) FROM invoice") == 3


def test_a_table_gone_from_the_target_is_made_again(database, shop):
    request = Request((shop,), database.dsn)
    migrate(request)
    database.query("DROP TABLE invoice")
    assert migrate(request).verdict == "verified"
    assert database.value("SELECT count(*) FROM invoice") == 3


def test_verify_writes_nothing(database, shop):
    request = Request((shop,), database.dsn)
    migrate(request)
    start = database.value("SELECT pg_current_xact_id()::text::bigint")
    verify(request)
    assert database.value("SELECT pg_current_xact_id()::text::bigint") - start <= 1


def test_a_changed_source_differs_until_it_is_moved(database, shop, change):
    request = Request((shop,), database.dsn)
    migrate(request)
    change(shop, "INSERT INTO invoice VALUES (99, 1, 1)")
    assert verify(request).exit_code == 4
    migrate(request)
    assert verify(request).exit_code == 0


def test_moving_again_leaves_indexes_and_sequences_alone(database, shop):
    request = Request((shop,), database.dsn)
    migrate(request)
    database.query("INSERT INTO customer (email) VALUES ('theirs@x')")
    before = database.value("SELECT last_value FROM customer_id_seq")
    migrate(request)
    assert database.value("SELECT last_value FROM customer_id_seq") == before


def test_a_new_column_in_the_source_is_refused_with_a_way_out(database, shop, change):
    request = Request((shop,), database.dsn)
    migrate(request)
    change(shop, "ALTER TABLE invoice ADD COLUMN paid INT")
    with pytest.raises(TargetRefused, match="paid"):
        migrate(request)
    database.query("ALTER TABLE invoice ADD COLUMN paid bigint")
    assert migrate(request).verdict == "verified"


def test_all_tables_are_verified_over_one_connection(database, shop, monkeypatch):
    opened = []
    connect = dbapi.connect
    monkeypatch.setattr(dbapi, "connect", lambda *a, **k: opened.append(1) or connect(*a, **k))
    request = Request((shop,), database.dsn)
    assert migrate(request).verdict == "verified"
    assert not opened  # sums settle it
    monkeypatch.setattr("howdah.verify.agree", lambda *_: None)
    assert verify(request).verdict == "verified"
    assert not opened  # so few rows are compared one by one
    monkeypatch.setattr(together, "_SET_UP", 0)
    assert verify(request).verdict == "verified"
    assert len(opened) == 1
