"""Running again after some rows changed: only those move, and the end is the same as if all had moved."""

from __future__ import annotations

import random
import sqlite3
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import conninfo

from howdah import checks, counting, delta, ledger, merge, ownership, patch, pg, sending
from howdah.catalog.sqlite import open_snapshot
from howdah.images import Images
from howdah.pipeline import Request, migrate, plan, verify
from howdah.vector import batches
from howdah.verify import changed, quick

ROWS = 5_000
DDL = """
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE t (k TEXT PRIMARY KEY, n INT, f REAL, at DATETIME, p INT REFERENCES p(id), u INT UNIQUE, note TEXT);
INSERT INTO p VALUES (1, 'one'), (2, 'two'), (3, 'three');
"""


def row(n):
    return (f"key {n}", n, n / 8, f"2024-05-{n % 28 + 1:02}T10:00:00", n % 2 + 1, n, f"note {n}" if n % 3 else None)


@pytest.fixture
def source(make_source, monkeypatch):
    monkeypatch.setattr(batches, "UNIT_ROWS", 1_100)
    return make_source(DDL, t=[row(n) for n in range(ROWS)])


@pytest.fixture
def sent(monkeypatch):
    """How many rows each sender of rows was asked for; None: all of a table."""
    counts = []

    class Counted(sending.Sender):
        def __init__(self, *args, only=None, **options):
            counts.append(None if only is None else len(only))
            super().__init__(*args, only=only, **options)

    for module in ("howdah.direct", "howdah.staging"):
        monkeypatch.setattr(f"{module}.Sender", Counted)
    return counts


@pytest.fixture
def compared(monkeypatch):
    """Of how many source rows the sum agreed with the target's, each time."""
    counts = []
    real = changed.agree_on

    def agree_on(*args):
        agreed = real(*args)
        counts.append(len(args[4]) if agreed else "in doubt")
        return agreed

    monkeypatch.setattr(changed, "agree_on", agree_on)
    return counts


@pytest.fixture(params=["sums", "columns", "rows"])
def way(request, monkeypatch):
    """All ways in which the rows that changed are compared: as sums first, as columns, or one by one."""
    if request.param != "sums":
        monkeypatch.setattr(changed, "agree_on", lambda *_: False)
    if request.param == "rows":
        monkeypatch.setattr(quick, "rules_for", lambda *_: None)


def change(path, script):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
        connection.commit()


def again(database, path, **options):
    """Migrate, and see that the ledger is what a first load would have written."""
    request = Request((path,), database.dsn, **options)
    report = migrate(request)
    check_ledger(database, request)
    assert migrate(request).changed is False
    return report


def moved_by(database, path, sent, script):
    """Migrate, change the source, migrate again; return how many rows each sender was then asked for."""
    again(database, path)
    del sent[:]
    change(path, script)
    assert again(database, path).verdict == "verified"
    return sent


def check_ledger(database, request):
    """Every row of the source is in a chunk with its digest; the keys are those of the target."""
    made = plan(request)
    with pg.connect(database.dsn) as connection:
        known = ledger.read(connection, made.application)
        for table in made.tables:
            if not delta.is_kept(connection, made.application, table, known.loads[table.identity]):
                continue
            path = request.sources[0]
            entry = known.loads[table.identity]
            found = delta.find(connection, made.application, path, table, entry)
            assert found is not None
            assert found.empty
            assert found.content_digest == entry.content_digest
            chunks = connection.execute(
                "SELECT images, keys, rows, first_rowid, last_rowid FROM howdah.chunk WHERE table_name = %s"
                " ORDER BY first_rowid", [table.table.name],
            ).fetchall()  # fmt: skip
            read = [Images.from_bytes(images) for images, *_ in chunks]
            locators = [n for images in read for n in images.locators.tolist()]
            with open_snapshot(path) as snapshot:
                rowids = [n for (n,) in snapshot.execute(f"SELECT rowid FROM {table.table.name} ORDER BY 1")]
            assert locators == rowids
            for images, (_, keys, rows, first, last) in zip(read, chunks, strict=True):
                assert (len(images), images.locators[0], images.locators[-1]) == (rows, first, last)
                assert images.sizes.sum() == len(keys)
            with connection.transaction(force_rollback=True):
                ours = ownership.recall(connection, made.application, table, "pg_temp.ours")
                assert ours == entry.loaded_rows
                names = ", ".join(table.key)
                missing = f"SELECT {names} FROM pg_temp.ours EXCEPT SELECT {names} FROM public.{table.target.name}"
                assert connection.execute(missing).fetchall() == []


def test_only_the_rows_that_changed_are_read_again_moved_and_compared(database, source, sent, compared):
    again(database, source)
    del sent[:], compared[:]
    change(source, """
        UPDATE t SET f = -1 WHERE n % 100 = 7;
        DELETE FROM t WHERE n % 500 = 3;
        UPDATE t SET k = 'new ' || n WHERE n % 1000 = 5;
        INSERT INTO t SELECT 'more ' || n, n + 100000, 0, at, p, n + 100000, NULL FROM t WHERE n < 40;
    """)  # fmt: skip
    report = migrate(Request((source,), database.dsn))
    (table,) = [item for item in report.tables if item.table == "t"]
    assert report.verdict == "verified"
    assert (table.updated, table.deleted, table.inserted) == (50, 10 + 5, 39 + 5)
    assert sent == compared == [50 + 5 + 39]
    assert verify(Request((source,), database.dsn)).verdict == "verified"
    again(database, source)
    assert database.value("SELECT count(*) FROM t") == ROWS - 10 + 39


def test_a_gap_in_the_middle_is_filled_and_one_at_the_front(database, source, sent):
    change(source, "DELETE FROM t WHERE rowid BETWEEN 1500 AND 1600; DELETE FROM t WHERE rowid < 20")
    more = "INSERT INTO t (rowid, k, n, u) VALUES (3, 'front', 1, -1), (1550, 'middle', 2, -2)"
    assert moved_by(database, source, sent, more) == [2]


def test_all_rows_of_a_chunk_may_vanish(database, source, sent):
    assert moved_by(database, source, sent, "DELETE FROM t WHERE rowid BETWEEN 1 AND 1200") == [0]
    assert database.value("SELECT count(*) FROM t") == ROWS - 1200


def test_too_many_changes_move_the_whole_table_and_the_next_few_do_not(database, source, sent):
    assert moved_by(database, source, sent, "UPDATE t SET f = f + 1 WHERE n % 2") == [None]
    assert moved_by(database, source, sent, "UPDATE t SET f = f + 1 WHERE n = 77") == [1]


@pytest.mark.parametrize(("condition", "anew"), [("n < 400", False), ("n < 600", True)])
def test_the_planner_gets_new_statistics_after_a_tenth_of_the_rows_changed(database, source, condition, anew):
    analyzed = "SELECT last_analyze FROM pg_stat_user_tables WHERE relname = 't'"
    again(database, source)
    database.value("SELECT pg_stat_force_next_flush()")
    first = database.value(analyzed)
    assert first is not None
    change(source, f"UPDATE t SET f = f + 1 WHERE {condition}")
    again(database, source)
    assert (database.value(analyzed) != first) is anew


def test_rows_go_into_quarantine_and_come_out_of_it(database, source, sent):
    again(database, source)
    del sent[:]
    change(source, "UPDATE t SET at = 'never' WHERE n IN (100, 4000); INSERT INTO t (k, at, u) VALUES ('x', 'no', -1)")
    assert again(database, source).verdict == "quarantined"
    assert database.value("SELECT count(*) FROM t") == ROWS - 2
    change(source, "UPDATE t SET at = '2024-01-01T00:00:00' WHERE n = 100; DELETE FROM t WHERE n = 4000")
    report = again(database, source)
    assert report.verdict == "quarantined"
    assert database.query("SELECT source_key FROM howdah.quarantine") == [({"k": "x"},)]
    assert database.value("SELECT at::text FROM t WHERE n = 100") == "2024-01-01 00:00:00"
    assert sent == [3, 1]


@pytest.mark.parametrize(
    ("statement", "verdict", "waiting"),
    [
        (
            "UPDATE t SET u = -1 WHERE n = 1; UPDATE t SET u = 1 WHERE n = 2; UPDATE t SET u = 2 WHERE n = 1",
            "verified",
            [],
        ),
        ("INSERT INTO t (k, u) VALUES ('key 7 ', -7); UPDATE t SET u = -8 WHERE n = 8", "verified", []),
        ("DELETE FROM p WHERE id = 2", "quarantined", ["orphan"]),
        ("UPDATE t SET p = 9 WHERE n = 8", "quarantined", ["orphan"]),
        ("DELETE FROM p WHERE id = 3", "verified", []),
    ],
)
def test_what_touches_other_rows_ends_as_if_all_had_moved(database, source, statement, verdict, waiting):
    again(database, source)
    change(source, statement)
    assert again(database, source).verdict == verdict
    assert [code for (code,) in database.query("SELECT DISTINCT code FROM howdah.quarantine")] == waiting
    compare_with_a_first_load(database, source)


def compare_with_a_first_load(database, source):
    fresh = Request((source,), database.dsn, schema="fresh")
    migrate(fresh)
    for table in ("p", "t"):
        rows = f"SELECT * FROM {table} EXCEPT ALL SELECT * FROM fresh.{table}"
        other = f"SELECT * FROM fresh.{table} EXCEPT ALL SELECT * FROM {table}"
        assert database.query(f"({rows}) UNION ALL ({other})") == []


def test_a_row_of_somebody_else_in_the_way_is_left_alone(database, source):
    again(database, source)
    database.query("INSERT INTO t (k, n) VALUES ('foreign', 1), ('equal', NULL)")
    change(source, "INSERT INTO t (k, n) VALUES ('foreign', 2), ('equal', NULL)")
    report = migrate(Request((source,), database.dsn))
    assert report.verdict == "quarantined"
    assert database.query("SELECT n FROM t WHERE k = 'foreign'") == [(1,)]
    assert database.query("SELECT code FROM howdah.quarantine") == [("conflict",)]
    change(source, "DELETE FROM t WHERE k IN ('foreign', 'equal')")
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert database.value("SELECT count(*) FROM t") == ROWS + 2


def test_rows_that_refer_to_each_other(database, make_source, sent):
    source = make_source(
        "CREATE TABLE e (id INTEGER PRIMARY KEY, boss INT REFERENCES e(id))",
        e=[(n, n // 2 or None) for n in range(1, 2_000)],
    )
    again(database, source)
    del sent[:]
    change(source, "UPDATE e SET boss = 1999 WHERE id = 5; DELETE FROM e WHERE id = 1998")
    change(source, "INSERT INTO e VALUES (3000, 3001), (3001, NULL)")
    assert again(database, source).verdict == "verified"
    assert sent == [3]
    change(source, "DELETE FROM e WHERE id = 3001")
    assert again(database, source).verdict == "quarantined"
    assert database.query("SELECT locator FROM howdah.quarantine") == [(3000,)]


@pytest.mark.usefixtures("way")
def test_a_fault_in_the_load_is_found_although_only_its_rows_are_compared(database, source, monkeypatch):
    again(database, source)
    change(source, "UPDATE t SET f = -5 WHERE n IN (10, 4000); DELETE FROM t WHERE n = 20")
    monkeypatch.setattr(merge, "write", lambda *_: merge.Merged())
    report = migrate(Request((source,), database.dsn))
    assert (report.verdict, report.difference_count) == ("different", 2)
    assert {(d.kind, d.columns) for d in report.differences} == {("different", ("f",))}
    monkeypatch.undo()
    assert again(database, source).verdict == "verified"


@pytest.mark.usefixtures("way")
def test_a_row_that_vanished_from_the_target_comes_back_when_it_changes(database, source):
    again(database, source)
    database.query("INSERT INTO t (k, u) VALUES ('theirs', -1) RETURNING k")
    database.query("DELETE FROM t WHERE n = 30 RETURNING k")
    change(source, "UPDATE t SET f = -5 WHERE n IN (10, 30)")
    report = migrate(Request((source,), database.dsn))
    (table,) = [item for item in report.tables if item.table == "t"]
    assert (report.verdict, table.updated, table.inserted) == ("verified", 1, 1)
    assert database.value("SELECT target_rows FROM howdah.load WHERE table_name = 't'") == ROWS + 1


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("counted", [True, False])
def test_a_row_that_vanished_from_the_target_comes_back_when_others_change(
    database, source, sent, monkeypatch, counted
):
    if not counted:
        monkeypatch.setattr(counting.Counts, "begin", refused)
    again(database, source)
    database.query("DELETE FROM t WHERE k = 'key 4000'")
    del sent[:]
    change(source, "UPDATE t SET f = 0.5 WHERE n = 7")
    assert again(database, source).verdict == "verified"
    assert database.value("SELECT count(*) FROM t") == ROWS
    # Only what changed, and then all.
    assert sent == [1, None]


def refused(*_):
    future = Future()
    future.set_exception(pg.NotLocked())
    return future


@pytest.mark.parametrize("counted", [True, False])
def test_rows_of_others_are_counted_with_those_that_change(database, source, monkeypatch, counted):
    if not counted:
        monkeypatch.setattr(counting.Counts, "begin", refused)
    again(database, source)
    database.query("INSERT INTO t (k) VALUES ('theirs')")
    change(source, "DELETE FROM t WHERE n = 8; INSERT INTO t (k) VALUES ('a'), ('b')")
    assert again(database, source).verdict == "verified"
    assert database.value("SELECT target_rows FROM howdah.load WHERE table_name = 't'") == ROWS + 2


def test_counting_does_not_wait_for_who_waits_for_the_caller(database, monkeypatch):
    """Somebody waits to change a table that the caller has locked; whoever comes next would wait behind them."""
    monkeypatch.setattr(counting, "_PATIENCE", "100ms")
    database.query("CREATE TABLE t AS SELECT generate_series(1, 10) AS a")
    load = SimpleNamespace(target_schema="public", target_table="t")
    with (
        psycopg.connect(database.dsn) as caller,
        psycopg.connect(database.dsn, autocommit=True) as other,
        counting.counting(database.dsn) as counts,
        ThreadPoolExecutor(1) as beside,
    ):
        caller.execute("LOCK TABLE t IN SHARE ROW EXCLUSIVE MODE")
        assert counts.begin(load).result() == 10
        waiting = beside.submit(other.execute, "ALTER TABLE t ADD b int")
        while not database.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            time.sleep(0.01)
        with pytest.raises(pg.NotLocked):
            counts.begin(load).result()
        caller.rollback()
        waiting.result()
        assert counts.begin(load).result() == 10


def test_what_is_still_counted_is_given_up(database):
    database.query("CREATE TABLE t AS SELECT generate_series(1, 10) AS a")
    database.query("CREATE VIEW slow AS SELECT a FROM t WHERE pg_sleep(60)::text IS NOT NULL")
    with counting.counting(database.dsn) as counts:
        future = counts.begin(SimpleNamespace(target_schema="public", target_table="slow"))
    with pytest.raises(psycopg.errors.QueryCanceled):
        future.result()


@pytest.mark.parametrize("arrival", ["new", "grown"])
def test_rows_that_vanished_are_missed_although_another_source_brings_as_many(
    database, application, make_source, arrival
):
    """The other one is loaded first, and the table holds as many rows as before when this one's turn comes."""
    table = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"
    rows = [(n, f"v {n}") for n in range(1, 101)]
    request = application("CREATE TABLE t (id bigint PRIMARY KEY, v text)")
    ours = make_source(table, "ours.db", t=rows)
    other = make_source(table, "an.db", t=[(n + 1_000, v) for n, v in rows])
    assert migrate(request).verdict == "verified"
    database.query("DELETE FROM t WHERE id BETWEEN 20 AND 39 RETURNING id")
    if arrival == "grown":
        change(other, "INSERT INTO t SELECT id + 1000, v FROM t LIMIT 30")
    else:
        make_source(table, "another.db", t=[(n + 10_000, v) for n, v in rows])
    change(ours, "UPDATE t SET v = 'new' WHERE id = 1")
    report = migrate(request)
    assert report.verdict == "verified", database.query("SELECT * FROM howdah.quarantine")
    assert database.value("SELECT count(*) FROM t WHERE id <= 100") == 100
    assert verify(request).verdict == "verified"


def test_a_second_file_does_not_change_what_the_first_is_known_by(database, application, make_source):
    table = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"
    request = application("CREATE TABLE t (id bigint PRIMARY KEY, v text)")
    first = make_source(table, "first.db", t=[(1, "one"), (2, "two")])
    migrate(request)
    make_source(table, "second.db", t=[(3, "three")])
    change(first, "UPDATE t SET v = 'new' WHERE id = 1; DELETE FROM t WHERE id = 2")
    assert migrate(request).verdict == "verified"
    assert database.query("SELECT * FROM t ORDER BY 1") == [(1, "new"), (3, "three")]
    # Given by itself, it is the same source.
    change(first, "UPDATE t SET v = 'newer' WHERE id = 1")
    assert migrate(replace(request, sources=(first,))).verdict == "verified"
    assert database.query("SELECT * FROM t ORDER BY 1") == [(1, "newer"), (3, "three")]


def test_rows_that_another_source_took_away_are_not_missed(database, application, make_source, sent):
    table = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"
    rows = [(n, f"v {n}") for n in range(1, 1_001)]
    request = application("CREATE TABLE t (id bigint PRIMARY KEY, v text)")
    ours = make_source(table, "ours.db", t=rows)
    other = make_source(table, "another.db", t=[(n + 10_000, v) for n, v in rows])
    migrate(request)
    del sent[:]
    change(other, "DELETE FROM t WHERE id < 10020")
    change(ours, "UPDATE t SET v = 'new' WHERE id = 1")
    assert migrate(request).verdict == "verified"
    assert sent == [0, 1]
    assert database.value("SELECT count(*) FROM t") == 1_981


def test_a_key_that_is_not_checked_may_refer_to_its_own_table(database, make_source, sent):
    source = make_source(
        "CREATE TABLE e (id INTEGER PRIMARY KEY, boss INT REFERENCES e(id), v TEXT)",
        e=[(n, n // 2 or None, "v") for n in range(1, 2_000)],
    )
    again(database, source)
    database.query("ALTER TABLE e DISABLE TRIGGER ALL")
    del sent[:]
    change(source, "UPDATE e SET v = 'new' WHERE id = 5")
    assert again(database, source).verdict == "verified"
    assert sent == [1]


def test_an_orphan_is_found_where_nobody_else_looks(database, make_source):
    source = make_source(
        "CREATE TABLE e (id INTEGER PRIMARY KEY, boss INT REFERENCES e(id))",
        e=[(n, n // 2 or None) for n in range(1, 2_000)],
    )
    again(database, source)
    change(source, "UPDATE e SET boss = 5000 WHERE id = 1700")
    dsn = f"{database.dsn} options='-c session_replication_role=replica'"
    assert migrate(Request((source,), dsn)).verdict == "quarantined"
    assert database.query("SELECT locator, code FROM howdah.quarantine") == [(1700, "orphan")]


def test_a_row_that_a_deferred_key_refuses_counts_once(database, make_source):
    source = make_source(
        "CREATE TABLE e (id INTEGER PRIMARY KEY, boss INT REFERENCES e(id) DEFERRABLE INITIALLY DEFERRED, f REAL)",
        e=[(n, n // 2 or None, 0.5 if n < 1995 else "x") for n in range(1, 2_000)],
    )
    assert migrate(Request((source,), database.dsn)).verdict == "quarantined"
    assert database.value("SELECT count(*) FROM howdah.quarantine") == 5
    change(source, "UPDATE e SET boss = 5000 WHERE id = 1700")
    assert migrate(Request((source,), database.dsn, max_quarantined=8)).verdict == "quarantined"
    assert database.value("SELECT count(*) FROM howdah.quarantine") == 6


def test_a_table_is_not_taken_apart_while_it_is_counted(database, make_source, monkeypatch):
    """Rows that exchange a unique value need that: whoever counts the table must be done."""
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, place INT UNIQUE)", t=[(n, n) for n in range(1, 2_000)]
    )
    again(database, source)
    monkeypatch.setitem(pg.SESSION, "lock_timeout", "1s")
    real = counting._count

    def slow(connection, table):
        connection.execute("SELECT pg_sleep(2)")
        return real(connection, table)

    monkeypatch.setattr(counting, "_count", slow)
    change(source, "UPDATE t SET place = -place WHERE id IN (7, 8); UPDATE t SET place = 15 + place WHERE id IN (7, 8)")
    assert again(database, source).verdict == "verified"


def test_what_is_counted_is_let_go_when_the_load_fails(database, make_source, monkeypatch):
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", t=[(n, "v") for n in range(1, 2_000)])
    again(database, source)
    given_up = []
    monkeypatch.setattr(counting.Counts, "give_up", lambda _, *begun: given_up.extend(begun))
    monkeypatch.setattr(checks, "within", lambda *_: 1)
    change(source, "UPDATE t SET v = 'new' WHERE id = 7")
    migrate(Request((source,), database.dsn))
    assert len(given_up) >= 1


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_role_with_few_connections_is_enough(database, make_source, jobs):
    """Loading takes one for each job; what is counted and compared beside it can do with those."""
    script = ";".join(f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY, v TEXT)" for n in range(6))
    source = make_source(script, **{f"t{n}": [(i, "v") for i in range(1, 1_500)] for n in range(6)})
    role = f"narrow_{jobs}"
    database.query(f"CREATE ROLE {role} LOGIN PASSWORD 'narrow' CONNECTION LIMIT {jobs}")
    name = conninfo.conninfo_to_dict(database.dsn)["dbname"]
    try:
        database.query(f"GRANT CREATE ON DATABASE {name} TO {role}")
        database.query(f"GRANT ALL ON SCHEMA public TO {role}")
        request = Request((source,), conninfo.make_conninfo(database.dsn, user=role, password="narrow"), jobs=jobs)
        assert migrate(request).verdict == "verified"
        change(source, ";".join(f"UPDATE t{n} SET v = 'new' WHERE id = 7" for n in range(6)))
        assert migrate(request).verdict == "verified"
    finally:
        database.query(f"DROP OWNED BY {role} CASCADE")
        database.query(f"DROP ROLE {role}")


def test_a_row_that_should_be_gone_is_found(database, source, monkeypatch):
    again(database, source)
    change(source, "DELETE FROM t WHERE n = 20")
    monkeypatch.setattr(merge, "delete_vanished", lambda *_: 0)
    monkeypatch.setattr(patch, "_merged", lambda *_, **__: merge.Merged())
    report = migrate(Request((source,), database.dsn))
    assert (report.verdict, [d.kind for d in report.differences]) == ("different", ["left_over"])


def test_a_table_that_was_emptied_and_filled_again(database, source):
    again(database, source)
    change(source, "DELETE FROM t")
    assert again(database, source).verdict == "verified"
    assert database.value("SELECT count(*) FROM t") == 0
    change(source, "INSERT INTO t (k, u) VALUES ('a', 1)")
    assert again(database, source).verdict == "verified"


@pytest.mark.parametrize("seed", range(6))
def test_random_changes_end_as_if_all_had_moved(database, source, seed):
    chance = random.Random(seed)
    again(database, source)
    for _ in range(3):
        statements = []
        for _ in range(chance.randint(1, 40)):
            n = chance.randrange(ROWS)
            statements.append(chance.choice([
                f"UPDATE OR IGNORE t SET f = {chance.random()} WHERE n = {n}",
                f"UPDATE OR IGNORE t SET u = {chance.randrange(ROWS)} WHERE n = {n}",
                f"UPDATE OR IGNORE t SET k = 'key {chance.randrange(ROWS)}' WHERE n = {n}",
                f"UPDATE OR IGNORE t SET at = '{chance.choice(['2020-02-02T00:00:00', 'x'])}' WHERE n = {n}",
                f"UPDATE OR IGNORE t SET p = {chance.choice([1, 2, 3, 3, 7])} WHERE n = {n}",
                f"UPDATE OR IGNORE t SET rowid = {chance.randrange(2 * ROWS)} WHERE n = {n}",
                f"UPDATE OR IGNORE t SET note = {chance.choice(['NULL', chr(39) * 2, repr('é')])} WHERE n = {n}",
                f"DELETE FROM t WHERE n = {n}",
                f"INSERT OR IGNORE INTO t (k, n, u) VALUES ('key {n}', {n}, {n})",
            ]))  # fmt: skip
        change(source, ";".join(statements))
        report = again(database, source)
        assert report.verdict in ("verified", "quarantined")
        assert verify(Request((source,), database.dsn)).difference_count == 0
    compare_with_a_first_load(database, source)
