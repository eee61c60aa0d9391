"""What others' migrations did to rows, and what was believed of it: field notes 1, 5, 6, 7, 20, 28 and 29."""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from contextlib import closing
from types import SimpleNamespace

import pytest

from howdah.errors import HowdahError
from howdah.pipeline import Request, migrate, plan, verify
from howdah.progress import Event
from howdah.vector import batches, encode


def waiting(database):
    return dict(database.query("SELECT locator, code FROM howdah.quarantine"))


def test_note_01_zeros_and_ones_become_booleans_and_so_do_their_defaults(database, make_source):
    source = make_source(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a BOOL DEFAULT 0, b BOOLEAN NOT NULL DEFAULT '1',
             c BOOLEAN DEFAULT false, n INTEGER DEFAULT false, m NUMERIC DEFAULT true)""",
        t=[(1, 0, 1, 1, 0, 0.5), (2, None, 0, 0, 7, 2), (3, 1, 1, 1, 1, 1), (4, 2, 1, 1, 1, 1)],
    )
    request = Request((source,), database.dsn)
    assert migrate(request).verdict == "quarantined"
    found = database.query("SELECT id, a, b, c, n FROM t ORDER BY id")
    assert found == [(1, False, True, True, 0), (2, None, False, False, 7), (3, True, True, True, 1)]
    assert waiting(database) == {4: "not_boolean"}
    assert migrate(request).changed is False
    database.query("INSERT INTO t (id) VALUES (9)")
    assert database.query("SELECT a, b, c, n, m FROM t WHERE id = 9") == [(False, True, False, 0, 1)]


def test_note_05_a_target_that_swallows_rows_is_no_success(database, make_source, change):
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE u (id INTEGER PRIMARY KEY)")
    request = Request((source,), database.dsn)
    migrate(request)
    database.query("CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    database.query("CREATE TRIGGER swallow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION swallow()")
    change(source, "INSERT INTO t VALUES (1, 'a'), (2, 'b'); INSERT INTO u VALUES (1)")
    report = migrate(request)
    assert (report.verdict, report.exit_code, report.difference_count) == ("different", 4, 2)
    assert verify(request).exit_code == 4
    database.query("DROP TRIGGER swallow ON t")
    assert migrate(request).verdict == "verified"
    assert database.value("SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM u)") == 3
    assert migrate(request).changed is False


def test_note_05_an_aborted_transaction_is_no_commit(database, make_source, change):
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    request = Request((source,), database.dsn)
    migrate(request)
    database.query("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not today''; END'")
    database.query("CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION refuse()")
    change(source, "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    with pytest.raises(HowdahError, match="not today"):
        migrate(request)
    assert database.value("SELECT count(*) FROM t") == 0
    assert verify(request).difference_count == 3
    database.query("DROP TRIGGER refuse ON t")
    assert migrate(request).verdict == "verified"


def test_note_06_a_nul_in_a_text_or_a_document_waits_whole(database, make_source):
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, doc JSON)",
        t=[(1, "a\0b", "{}"), (2, "\0", "{}"), (3, "ab", r'{"k": "\u0000"}'), (4, r"\u0000", r'{"k": "\\u0000"}')],
    )
    request = Request((source,), database.dsn)
    assert migrate(request).quarantined_rows == 3
    assert waiting(database) == {1: "nul_in_text", 2: "nul_in_text", 3: "json_nul"}
    assert database.query("SELECT v, doc->>'k' FROM t") == [(r"\u0000", r"\u0000")]
    assert migrate(request).changed is False


def test_note_07_blobs_among_texts_and_texts_among_blobs_are_not_converted(database, make_source):
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, b BLOB)",
        t=[(n, "é", b"\xff\x00") for n in (1, 2, 3)],
    )
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("INSERT INTO t VALUES (4, x'616263', x'00'), (5, 'abc', 'abc')")
        connection.execute(
            "INSERT INTO t VALUES (6, CAST(x'61ff' AS TEXT), x'00'), (7, CAST(x'eda080' AS TEXT), x'00')"
        )
        connection.commit()
    request = Request((source,), database.dsn)
    assert migrate(request).quarantined_rows == 4
    codes = waiting(database)
    assert codes == {4: "storage_class", 5: "storage_class", 6: "invalid_utf8", 7: "invalid_utf8"}
    assert database.query("SELECT DISTINCT v, b FROM t") == [("é", b"\xff\x00")]
    assert verify(request).exit_code == 3


class StopError(Exception):
    pass


@pytest.mark.parametrize("stage", ["create", "load", "indexes", "verify"])
def test_note_20_stopped_at_any_stage_the_next_run_finishes_and_doubles_nothing(database, make_source, stage):
    source = make_source(
        """CREATE TABLE p (id INTEGER PRIMARY KEY, v TEXT UNIQUE); CREATE TABLE log (v TEXT, p INT REFERENCES p);""",
        p=[(1, "a"), (2, "b")],
        log=[("same", 1), ("same", 1), (None, 2)],
    )
    request = Request((source,), database.dsn)

    def stop(event: Event) -> None:
        # Where tables are worked on one by one, the first of them is through already.
        if event.stage == stage and event.table != "p" and (event.table or stage in ("create", "indexes")):
            raise StopError

    with pytest.raises(StopError):
        migrate(request, stop)
    report = migrate(request)
    assert (report.verdict, [table.loaded_rows for table in report.tables]) == ("verified", [2, 3])
    assert sorted(database.query("SELECT * FROM log"), key=str) == [("same", 1), ("same", 1), (None, 2)]
    assert database.query("SELECT * FROM p ORDER BY 1") == [(1, "a"), (2, "b")]
    assert migrate(request).changed is False
    assert plan(request).pending is False


def test_note_28_no_false_alarm(database, make_source):
    source = make_source(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, zoned DATETIME, r REAL, n NUMERIC, doc JSON, k TEXT
             COLLATE NOCASE)""",
        t=[
            (1, "2024-03-31 02:30:00", "2024-03-31T02:30:00+02:00", 0.1 + 0.2, 1e22, '{"b": 1.0, "a": 1e2}', "Straße"),
            (2, "1969-12-31 23:59:59.999", "1883-11-18T12:00:00Z", 5e-324, -0.1, "[1.10]", "ẞ"),
            (3, None, None, None, None, None, None),
        ],
    )
    request = Request((source,), database.dsn)
    assert migrate(request).verdict == "verified"
    # A column of others, rows of others, another time zone and other habits of printing.
    database.query("ALTER TABLE t ADD COLUMN noted timestamptz NOT NULL DEFAULT now()")
    database.query("INSERT INTO t (id) VALUES (100)")
    name = database.value("SELECT current_database()")
    for setting in ("timezone = 'America/New_York'", "extra_float_digits = 0", "datestyle = 'SQL, DMY'"):
        database.query(f"ALTER DATABASE {name} SET {setting}")
    for _ in range(3):
        report = verify(request)
        assert (report.exit_code, report.differences) == (0, ())
    assert migrate(request).changed is False


def rows_of(stream):
    """Split a binary COPY stream without header into rows of fields."""
    at, found = 0, []
    while at < len(stream):
        (count,) = struct.unpack_from(">h", stream, at)
        at, row = at + 2, []
        for _ in range(count):
            (size,) = struct.unpack_from(">i", stream, at)
            row.append(bytes(stream[at + 4 : at + 4 + size]))
            at += 4 + size
        found.append(row)
    return found


def stream_of(rows):
    return b"".join(
        struct.pack(">h", len(row)) + b"".join(struct.pack(">i", len(field)) + field for field in row) for row in rows
    )


@contextlib.contextmanager
def loader_with(monkeypatch, bug):
    """Have the loader send other rows than it read; ``bug`` gets and returns all of a batch."""

    def broken(*args, **options):
        for batch in batches.batches(*args, **options):
            stream = stream_of(bug(rows_of(batch.stream)))
            kept = {name: getattr(batch, name) for name in ("locators", "digests", "settled", "keys", "key_sizes")}
            yield Broken(stream=stream, rows=batch.rows, **kept)

    with monkeypatch.context() as patched:
        patched.setattr(encode, "batches", broken)
        yield


class Broken(SimpleNamespace):
    def __len__(self):
        return self.rows


def narrowed(field):
    return struct.pack(">d", *struct.unpack(">f", struct.pack(">f", *struct.unpack(">d", field))))


BUGS = {
    "ok": lambda field: bytes([1 - field[0]]),
    "v": lambda field: field[:-1],
    "r": narrowed,
    "at": lambda field: (int.from_bytes(field, "big") + 3_600_000_000).to_bytes(8, "big"),
}


@pytest.mark.parametrize("column", BUGS)
def test_note_29_the_verifier_does_not_share_the_loaders_bug(database, make_source, monkeypatch, column):
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, ok BOOLEAN, v TEXT, r REAL, at DATETIME)",
        t=[(n, n % 2, f"{n} ", n + 0.1, "2024-01-01 00:00:00") for n in range(5)],
    )
    request = Request((source,), database.dsn)
    place = ["id", *BUGS].index(column)

    def bug(rows):
        return [[*row[:place], BUGS[column](row[place]), *row[place + 1 :]] for row in rows]

    with loader_with(monkeypatch, bug):
        report = migrate(request)
    assert (report.verdict, report.exit_code, report.difference_count) == ("different", 4, 5)
    assert {difference.columns for difference in report.differences} == {(column,)}
    assert migrate(request).verdict == "verified"


def test_note_29_one_row_twice_and_another_not_at_all_add_up_and_are_found(database, make_source, monkeypatch):
    source = make_source("CREATE TABLE log (v TEXT)", log=[("a",), ("b",), ("c",)])
    request = Request((source,), database.dsn)
    with loader_with(monkeypatch, lambda rows: [rows[0], rows[0], rows[1]]):
        report = migrate(request)
    assert (report.verdict, report.tables[0].loaded_rows) == ("different", 3)
    assert sorted(difference.kind for difference in report.differences) == ["doubled", "missing"]
    assert migrate(request).verdict == "verified"
    assert sorted(database.query("SELECT v FROM log")) == [("a",), ("b",), ("c",)]
