"""Digests see every change of a value and nothing of its place; a moment is one for all databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from howdah import ledger, pg
from howdah.errors import TargetRefused
from howdah.manifest import compare, facts, gather, moment
from howdah.manifest.model import DatabaseImage, Manifest


def image(database, like: DatabaseImage | None = None) -> DatabaseImage:
    with pg.connect(database) as connection, pg.snapshot(connection):
        return gather.contents(connection, like=like)


def manifest(database) -> Manifest:
    with pg.connect(database) as connection, pg.snapshot(connection):
        return Manifest(
            instance="i", environment="e", point="p", lsn="0/0", segment="", backup="b", taken_at="", seconds=0,
            barrier=False, server_version="15", facts=facts.of_cluster(connection),
            databases={"shop": gather.contents(connection)},
        )  # fmt: skip


def compared(known: Manifest, database) -> list[str]:
    with pg.connect(database) as connection, pg.snapshot(connection):
        copy = {"shop": gather.contents(connection, like=known.databases["shop"])}
        found = compare.differences(known, facts.of_cluster(connection), copy, frozenset())
    return [difference.message for difference in found]


MANY_TYPES = """
CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE mood AS ENUM ('fine', 'bad');
CREATE DOMAIN weight AS float8;
CREATE TABLE t (id int, f float8, w weight, n numeric, i interval, c text COLLATE no_case, p char(5), j json, b jsonb,
  a float8[], r numrange, m mood, at timestamptz, d bytea, x xml, money money);
INSERT INTO t SELECT i, 0.0, 0.0, 1.0, '1 month', 'a', 'a', '{"a": 1}', '{"a": 1}', '{0.0,NULL}', '[1.0,2.0)', 'fine',
  '2026-01-01Z', '\\x00', '<a/>', 1 FROM generate_series(1, 50) i;
"""
CHANGES = [
    "f = '-0'", "f = 'NaN'", "w = '-0'", "n = 1.00", "n = 'NaN'", "i = '30 days'", "c = 'A'", "c = NULL", "c = 'a '",
    "p = 'b'", """j = '{"a":1}'""", """b = '{"a": 2}'""", "a = '{-0.0,NULL}'", "a = '{NULL,0.0}'",
    "r = '[1.00,2.0)'", "m = 'bad'", "at = at + interval '1 microsecond'", "d = '\\x0000'", "x = '<b/>'", "money = 2",
]  # fmt: skip


@pytest.fixture
def filled(database):
    database.query(MANY_TYPES)
    return database


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_value_changes_the_digest(filled, change):
    before = image(filled).tables["public.t"]
    filled.query(f"UPDATE t SET {change} WHERE id = 25")
    after = image(filled).tables["public.t"]
    assert after.rows == before.rows
    assert after.digest != before.digest


def test_the_place_of_rows_changes_nothing(filled):
    before = image(filled).tables["public.t"]
    filled.query(
        "CREATE TABLE other AS SELECT * FROM t ORDER BY id DESC; DELETE FROM t; INSERT INTO t SELECT * FROM other"
    )
    filled.query("VACUUM FULL t")
    assert image(filled).tables["public.t"] == before


def test_values_that_change_rows_and_rows_that_are_doubled_are_seen(filled):
    known = manifest(filled)
    filled.query("UPDATE t SET d = CASE id WHEN 1 THEN '\\x01'::bytea ELSE d END")
    filled.query("UPDATE t SET id = 2 WHERE id = 1")
    assert compared(known, filled) == ["Table public.t of shop has 50 rows as it should, but other values in them."]


def test_types_without_a_binary_form_are_hashed_as_text(database):
    database.query(
        "CREATE TABLE t (a aclitem[], f float8); INSERT INTO t VALUES ('{postgres=r/postgres}', 1), (NULL, 2)"
    )
    before = image(database).tables["public.t"]
    assert before.way == "text"
    database.query("UPDATE t SET a = '{postgres=w/postgres}' WHERE a IS NOT NULL")
    assert image(database).tables["public.t"].digest != before.digest
    database.query("DELETE FROM t WHERE a IS NOT NULL")
    known = DatabaseImage(tables={"public.t": before}, sequences={}, facts={})
    assert image(database, known).tables["public.t"].way == "text", "as in the manifest, though no row asks for it"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DELETE FROM t WHERE id = 7", "Table public.t of shop has 49 rows instead of 50."),
        ("REVOKE SELECT ON t FROM pg_monitor", "Grant SELECT on table public.t to pg_monitor of shop is missing."),
        ("DROP POLICY mine ON t", "Policy mine on public.t of shop is missing."),
        ("ALTER POLICY mine ON t USING (id > 1)", "Policy mine on public.t of shop is PERMISSIVE ALL to public using"
         " (id > 1) instead of PERMISSIVE ALL to public using (id > 0)."),
        ("ALTER TABLE t NO FORCE ROW LEVEL SECURITY", "Row security public.t of shop is enabled instead of forced."),
        ("SELECT setval('s', 3)", "Sequence public.s of shop stands at 3 instead of 5."),
        ("SELECT setval('s', 500)", "Sequence public.s of shop stands at 500 instead of 5."),
        ("DROP SEQUENCE s", "Sequence public.s of shop is missing."),
        ("DROP INDEX by_id", "Index public.by_id of shop is missing."),
        ("CREATE TABLE more (a int)", "Table public.more of shop is not in the manifest."),
        ("CREATE EXTENSION amcheck", "Extension amcheck of shop is not in the manifest."),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO pg_monitor",
         "Default privileges of postgres for all schemas tables of shop is not in the manifest."),
    ],
)  # fmt: skip
def test_what_a_copy_has_otherwise_is_named(filled, change, said):
    filled.query("""
        GRANT SELECT ON t TO pg_monitor; CREATE INDEX by_id ON t (id); CREATE SEQUENCE s; SELECT setval('s', 5);
        ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
        CREATE POLICY mine ON t USING (id > 0)""")
    known = manifest(filled)
    assert compared(known, filled) == []
    filled.query(change)
    assert said in compared(known, filled)


def test_a_sequence_may_be_ahead_by_what_its_wal_is_ahead(database):
    database.query("CREATE SEQUENCE s; SELECT nextval('s')")
    known = manifest(database)
    database.query("SELECT setval('s', 34)")
    assert compared(known, database) == []
    database.query("SELECT setval('s', 35)")
    assert compared(known, database) == ["Sequence public.s of shop stands at 35 instead of 1."]


@contextmanager
def committing(database, statement: str) -> Iterator[None]:
    """Commit as fast as it goes, until the block ends."""
    stop = threading.Event()

    def commit() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            while not stop.is_set():
                connection.execute(statement)

    thread = threading.Thread(target=commit)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_writers_are_held_back_only_where_it_is_never_quiet(database):
    database.query("CREATE TABLE t (a int)")
    with moment.at_point({"shop": database}, "quiet") as found:
        assert not found.barrier
    with (
        committing(database, "INSERT INTO t VALUES (1)"),
        moment.at_point({"shop": database}, "busy", quiet_seconds=0) as found,
    ):
        assert found.barrier
        written = database.value("SELECT count(*) FROM t")
        for _ in range(100):
            if database.value("SELECT count(*) FROM t") > written:
                break
        else:
            pytest.fail("writers still wait while the snapshot is read")


def test_a_transaction_that_waits_for_its_client_does_not_stand_in_the_way(database):
    database.query("CREATE TABLE t (a int)")
    with psycopg.connect(database) as writer:
        writer.execute("INSERT INTO t VALUES (1)")
        with moment.at_point({"shop": database}, "open") as found:
            writer.commit()
            assert not found.barrier
            assert found.connections["shop"].execute("SELECT count(*) FROM public.t").fetchone() == (0,)


def test_a_transaction_that_ends_while_it_is_looked_at_leaves_it_open(database):
    """It may have written its commit before the restore point and be seen as committed only afterwards."""
    database.query("CREATE TABLE t (a int)")
    with pg.connect(database) as control, psycopg.connect(database) as writer:
        writer.execute("INSERT INTO t VALUES (1)")
        writers = moment._writers(control)
        assert len(writers) == 1
        assert moment._prove(control, writers)
        writer.commit()
        assert not moment._prove(control, writers)


def test_a_server_that_is_too_busy_is_refused(database, monkeypatch):
    monkeypatch.setattr(moment, "BARRIER", "50ms")
    database.query("CREATE TABLE t (a int)")
    with psycopg.connect(database) as holder:
        holder.execute("LOCK TABLE t IN ROW EXCLUSIVE MODE")
        with (
            pytest.raises(moment.NoMoment, match="too busy"),
            moment.at_point({"shop": database}, "never", quiet_seconds=0),
        ):
            pytest.fail("there is none")


def test_heartbeats_do_not_stand_in_the_way_of_a_ledger(database):
    database.query("CREATE SCHEMA howdah; CREATE TABLE howdah.heartbeat (written_at timestamptz, drill text)")
    with pg.connect(database) as connection:
        assert not ledger.read(connection, "shop").exists
    database.query("CREATE TABLE howdah.foreign (a int)")
    with pg.connect(database) as connection, pytest.raises(TargetRefused, match="no ledger of ours"):
        ledger.read(connection, "shop")
