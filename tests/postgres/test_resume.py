"""A large table is staged chunk by chunk: a run that was ended is gone on with, and nobody sees half a table."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from howdah import casts, pg, resume
from howdah.errors import HowdahError, QuarantinedRows
from howdah.pipeline import Request, migrate, plan, verify
from howdah.progress import Event
from howdah.vector import batches

CHUNKS = 6
UNIT = 2_048
ROWS = CHUNKS * UNIT - 500


class StopError(Exception):
    """The run ends here, as if it was killed: its connection is closed and what was not committed is gone."""


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Take every table for a large one, with small chunks that are committed one by one."""
    monkeypatch.setattr(resume, "LARGE_BYTES", 0)
    monkeypatch.setattr(resume, "GROUP_BYTES", 1)
    monkeypatch.setattr(batches, "UNIT_ROWS", UNIT)


@pytest.fixture
def sent(monkeypatch):
    """Chunks that were sent."""
    found = []
    send = pg.copy_parts

    def count(connection, statement, parts):
        found.append(statement)
        return send(connection, statement, parts)

    monkeypatch.setattr("howdah.sending.copy_parts", count)
    return found


@pytest.fixture
def source(make_source):
    return make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, v TEXT)", t=rows())


def rows():
    return [(i, i % 7, f"row {i}") for i in range(1, ROWS + 1)]


def at_chunk(number, act, table="t"):
    """Return a watcher that acts when so many chunks are copied, before the last of them is committed."""
    seen = []

    def watch(event: Event) -> None:
        if event.stage == "load" and event.table == table:
            seen.append(event)
            if len(seen) == number:
                act()

    return watch


def stop():
    raise StopError


def end(database, source, chunk, **options):
    with pytest.raises(StopError):
        migrate(Request((source,), database.dsn, **options), at_chunk(chunk, stop))


def stages(database):
    """Rows of each stage that is there."""
    names = database.query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'howdah'::regnamespace AND relname LIKE 'stage\\_%'"
        " AND relkind = 'r' ORDER BY 1"
    )
    return [database.value(f"SELECT count(*) FROM howdah.{name}") for (name,) in names]


def content(database):
    """What matters of the result: all but run ids and times."""
    return [
        database.query("SELECT * FROM t ORDER BY 1, 2, 3"),
        database.query("SELECT ordinal, first_rowid, last_rowid, rows, source_digest FROM howdah.chunk ORDER BY 1"),
        database.query("SELECT sum(length(keys)) FROM howdah.chunk"),
        database.query("SELECT content_digest, loaded_rows, quarantined_rows, mapped, settled FROM howdah.load"),
        database.query("SELECT locator, column_name, code, reason, row_data FROM howdah.quarantine ORDER BY locator"),
    ]


def clear(database):
    database.query("DROP SCHEMA howdah CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def whole(database, source, **options):
    """Return the result of one run that nothing ended, and remove it."""
    migrate(Request((source,), database.dsn, **options))
    found = content(database)
    clear(database)
    return found


def test_ended_at_any_chunk_the_next_run_sends_only_the_rest(database, source, sent, monkeypatch):
    with monkeypatch.context() as context:
        context.setattr(resume, "LARGE_BYTES", 1 << 40)
        expected = whole(database, source)
    for chunk in range(1, CHUNKS + 1):
        end(database, source, chunk)
        there = sum(row[3] for row in expected[1][: chunk - 1])
        assert stages(database) == [there]
        assert database.value("SELECT count(*) FROM t") == 0
        sent.clear()
        report = migrate(Request((source,), database.dsn))
        assert report.verdict == "verified"
        assert [found.rows for found in report.findings if found.code == "resumed"] == [there][: chunk - 1]
        assert len(sent) == CHUNKS - chunk + 1
        assert content(database) == expected
        assert stages(database) == []
        assert database.query("SELECT * FROM howdah.stage, howdah.staged_chunk") == []
        clear(database)


def test_a_run_that_is_ended_again_and_again_comes_to_its_end(database, source, sent):
    expected = whole(database, source)
    sent.clear()
    for chunk in range(2, CHUNKS + 1):
        end(database, source, chunk)
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    # Each run got one chunk further and lost one.
    assert len(sent) == 2 * CHUNKS - 1
    assert content(database) == expected


def test_chunks_of_a_table_that_is_not_large_go_by_one_copy(database, make_source, sent, monkeypatch):
    monkeypatch.setattr(resume, "LARGE_BYTES", 1 << 40)
    monkeypatch.setattr(batches, "UNIT_ROWS", 10_000)
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY)", t=[(n,) for n in range(50_000)])
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert database.value("SELECT count(*) FROM howdah.chunk") == 5
    assert len(sent) == 1


def test_ended_between_the_last_chunk_and_the_end_nothing_is_sent_again(database, source, sent, monkeypatch):
    with monkeypatch.context() as context:
        context.setattr("howdah.record.record", lambda *_: stop())
        with pytest.raises(StopError):
            migrate(Request((source,), database.dsn))
    assert database.value("SELECT count(*) FROM t") == 0
    assert stages(database) == [ROWS]
    sent.clear()
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert sent == []
    assert stages(database) == []


def test_a_reader_sees_no_row_before_all_are_there(database, source):
    seen = set()

    def look(event: Event) -> None:
        if event.stage == "load" and event.table:
            seen.add(database.value("SELECT count(*) FROM t"))

    migrate(Request((source,), database.dsn), look)
    assert seen == {0}
    assert database.value("SELECT count(*) FROM t") == ROWS


def test_rows_in_quarantine_are_the_same_wherever_the_run_was_ended(database, make_source, change):
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, v TEXT CHECK (v <> 'bad'), d JSON)",
        t=[(*row, '{"a": 1}') for row in rows()],
    )
    # Refused by their casts, by the server, by a constraint: in the first, third and last chunk.
    change(
        source,
        "PRAGMA ignore_check_constraints = ON;"
        + "".join(
            f"UPDATE t SET n = 'none' WHERE id = {row}; UPDATE t SET v = 'bad' WHERE id = {row} + 1;"
            f"""UPDATE t SET d = '{{"a": 1e200000}}' WHERE id = {row} + 2;"""
            for row in (5, 5_000, ROWS - 5)
        ),
    )
    expected = whole(database, source)
    assert {row[2] for row in expected[4]} >= {"not_integer", "server_refused", "check"}
    assert len(expected[4]) == 9
    for chunk in (2, 4, CHUNKS):
        end(database, source, chunk)
        report = migrate(Request((source,), database.dsn))
        assert report.verdict == "quarantined"
        assert content(database) == expected
        clear(database)


@pytest.mark.parametrize(
    ("script", "again"),
    [
        ("UPDATE t SET v = 'other' WHERE id = 5000", CHUNKS - 2),
        ("DELETE FROM t WHERE id = 1", CHUNKS),
        ("INSERT INTO t SELECT id + 100000, n, v FROM t LIMIT 10", CHUNKS - 4),
        ("DELETE FROM t WHERE id > 3000", 1),
        ("DELETE FROM t", 0),
    ],
)
def test_what_changed_in_the_source_is_sent_from_there_on(database, source, change, sent, script, again):
    end(database, source, 5)
    change(source, script)
    sent.clear()
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert len(sent) == again
    found = content(database)
    clear(database)
    assert whole(database, source) == found


def test_rows_that_end_with_a_chunk_that_was_staged_are_all_of_it(database, source, change, sent):
    end(database, source, 5)
    last = database.value("SELECT last_rowid FROM howdah.staged_chunk WHERE ordinal = 1")
    change(source, f"DELETE FROM t WHERE id > {last}")
    sent.clear()
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert sent == []
    assert database.value("SELECT count(*) FROM t") == last


@pytest.mark.parametrize("what", ["casts", "rows", "columns", "gone", "version"])
def test_a_stage_that_cannot_be_gone_on_with_is_made_anew(database, source, sent, monkeypatch, what):
    end(database, source, 4)
    (name,) = database.query("SELECT name FROM howdah.stage")[0]
    if what == "casts":
        monkeypatch.setattr(casts, "VERSION", casts.VERSION + 1)
    elif what == "version":
        monkeypatch.setattr(resume, "__version__", "another")
    else:
        statement = {
            "rows": "DELETE FROM howdah.{} WHERE id = 7",
            "columns": "ALTER TABLE howdah.{} DROP COLUMN n",
            "gone": "DROP TABLE howdah.{}",
        }
        database.query(statement[what].format(name))
    sent.clear()
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert len(sent) == CHUNKS
    assert stages(database) == []


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE t (a TEXT, b TEXT, c TEXT)",
        "CREATE TABLE t (a TEXT, b INT, c TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID",
    ],
)
def test_tables_without_a_key_or_a_rowid(database, make_source, sent, table):
    source = make_source(
        table, t=[(f"row {i % 5000}", 1 if i % 1000 else i, "x" * (i % 3)) for i in range(6_000)][:5000]
    )
    long = [("y" * 70_000, 9, "odd"), ("z" * 70_000, 2, "odd")]
    with closing(sqlite3.connect(source)) as connection:
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", long)
        connection.commit()
    expected = whole(database, source)
    end(database, source, 3)
    sent.clear()
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert 0 < len(sent) <= 2
    assert content(database) == expected


def test_a_table_that_is_loaded_is_merged_from_its_stage(database, source, change, sent):
    migrate(Request((source,), database.dsn))
    database.query("INSERT INTO t VALUES (-5, 1, 'of somebody else')")
    # So many that the table is loaded as a whole.
    change(source, "UPDATE t SET v = 'other' WHERE id % 2 = 0; DELETE FROM t WHERE id % 1000 = 1")
    end(database, source, 4)
    assert database.value("SELECT count(*) FROM t WHERE v = 'other'") == 0
    sent.clear()
    (table,) = migrate(Request((source,), database.dsn)).tables
    assert (table.inserted, table.updated, table.deleted) == (0, ROWS // 2, ROWS // 1000 + 1)
    assert len(sent) == CHUNKS - 3
    assert stages(database) == []
    assert migrate(Request((source,), database.dsn)).changed is False


def test_a_load_that_changes_nothing_leaves_no_stage(database, source):
    migrate(Request((source,), database.dsn))
    report = migrate(Request((source,), database.dsn, retry=True))
    assert report.verdict == "verified"
    database.query("UPDATE howdah.load SET content_digest = 'another', snapshot_blake3 = ''")
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert stages(database) == []


def test_a_stage_that_is_wanted_no_more_is_dropped(database, source, change):
    migrate(Request((source,), database.dsn))
    change(source, "UPDATE t SET n = n + 1")
    end(database, source, 3)
    assert len(stages(database)) == 1
    change(source, "UPDATE t SET n = n - 1")
    assert migrate(Request((source,), database.dsn)).changed is False
    assert stages(database) == []
    change(source, "CREATE TABLE u (id INTEGER PRIMARY KEY); UPDATE t SET n = n + 1")
    end(database, source, 3)
    assert len(stages(database)) == 1
    change(source, "DROP TABLE t")
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert stages(database) == []


def test_looking_does_not_trip_over_a_stage(database, source):
    end(database, source, 3)
    assert plan(Request((source,), database.dsn)).pending
    with pytest.raises(HowdahError, match="not migrated yet"):
        verify(Request((source,), database.dsn))
    assert len(stages(database)) == 1


def test_several_tables_are_staged_side_by_side(database, make_source, sent):
    script = "".join(f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY, n INT, v TEXT);" for n in range(3))
    source = make_source(script, **{f"t{n}": rows() for n in range(3)})
    with pytest.raises(StopError):
        migrate(Request((source,), database.dsn, jobs=3), at_chunk(4, stop, table="t1"))
    assert len(stages(database)) == 1
    sent.clear()
    report = migrate(Request((source,), database.dsn, jobs=3))
    assert [table.loaded_rows for table in report.tables] == [ROWS] * 3
    assert len(sent) == CHUNKS - 3
    assert stages(database) == []


def test_tables_that_refer_to_each_other_are_staged_before_they_load_together(database, make_source, sent):
    source = make_source(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, u INT REFERENCES u (id), v TEXT);
        CREATE TABLE u (id INTEGER PRIMARY KEY, t INT REFERENCES t (id), v TEXT)""",
        t=[(i, i, "t") for i in range(1, ROWS + 1)],
        u=[(i, ROWS + 1 - i, "u") for i in range(1, ROWS + 1)],
    )
    with pytest.raises(StopError):
        migrate(Request((source,), database.dsn), at_chunk(3, stop, table="u"))
    assert [database.value(f"SELECT count(*) FROM {table}") for table in "tu"] == [0, 0]
    before = len(sent)
    report = migrate(Request((source,), database.dsn))
    assert [table.loaded_rows for table in report.tables] == [ROWS, ROWS]
    # The chunk that was not committed was sent twice.
    assert len(sent) == 2 * CHUNKS + 1 > before
    assert stages(database) == []


def test_more_rows_for_quarantine_than_allowed_leave_the_stage(database, make_source, sent):
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, v TEXT)",
        t=[(i, "none" if i % 1000 == 0 else n, v) for i, n, v in rows()],
    )
    with pytest.raises(QuarantinedRows, match="More than 9"):
        migrate(Request((source,), database.dsn, max_quarantined=9))
    assert database.value("SELECT count(*) FROM t") == 0
    sent.clear()
    assert migrate(Request((source,), database.dsn, max_quarantined=20)).verdict == "quarantined"
    assert sent == []


def test_a_dropped_connection_costs_no_more_than_a_chunk(database, source, sent):
    def cut():
        database.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'howdah'"
            " AND datname = current_database()"
        )

    with pytest.raises(HowdahError, match="run the same command again"):
        migrate(Request((source,), database.dsn), at_chunk(4, cut))
    sent.clear()
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert len(sent) == CHUNKS - 3
