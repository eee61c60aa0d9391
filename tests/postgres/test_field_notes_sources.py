"""What others' migrations met as sources: field notes 19, 27 and 30."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from howdah import freeze
from howdah.errors import SourceError
from howdah.pipeline import Request, migrate, plan, verify
from howdah.progress import Event


def test_note_19_the_wal_is_read_and_a_writer_during_the_run_disturbs_nothing(database, make_source):
    source = make_source("PRAGMA journal_mode = WAL; CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a INT)")
    request = Request((source,), database.dsn)
    with closing(sqlite3.connect(source, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")

        def pair(number: int) -> None:
            writer.executescript(f"BEGIN; INSERT INTO a VALUES ({number}); INSERT INTO b VALUES ({number}); COMMIT")

        def write_on(event: Event) -> None:
            if event.stage == "load" and event.table == "a" and event.done:
                pair(2)

        pair(1)
        assert migrate(request, write_on).verdict == "verified"
        assert database.query("SELECT id, a FROM a, b") == [(1, 1)]
        assert verify(request).difference_count == 2
        assert migrate(request).verdict == "verified"
    assert database.query("SELECT id FROM a JOIN b ON a = id ORDER BY 1") == [(1,), (2,)]
    assert migrate(request).changed is False


def foreign(path):
    path.write_text("Dear reader, this is no database.\n" * 400)


def encrypted(path):
    path.write_bytes(random.Random(7).randbytes(5 * 4096))


def truncated(path):
    path.write_bytes(path.read_bytes()[:-4096])


def corrupt(path):
    raw = bytearray(path.read_bytes())
    raw[3 * 4096 : 4 * 4096] = b"\xa5" * 4096
    path.write_bytes(raw)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (foreign, "no SQLite database"),
        (encrypted, "is encrypted"),
        (truncated, "it is truncated"),
        (corrupt, "is damaged"),
        (empty, "is empty"),
    ],
)
def test_note_27_a_bad_file_is_refused_and_the_good_one_beside_it_waits(database, make_source, harm, sentence):
    good = make_source("CREATE TABLE good (v)", good=[(1,)])
    bad = make_source("CREATE TABLE bad (v)", "bad.db", bad=[("x" * 500,) for _ in range(100)])
    harm(bad)
    before = bad.read_bytes()
    for verb in (plan, migrate):
        with pytest.raises(SourceError, match=sentence) as caught:
            verb(Request((good, bad), database.dsn))
        assert (caught.value.exit_code, bad.name in caught.value.what, bool(caught.value.next_step)) == (6, True, True)
    assert database.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    assert database.value("SELECT to_regnamespace('howdah')") is None
    assert bad.read_bytes() == before


def test_note_27_a_locked_file_is_refused_and_moves_once_it_is_free(database, make_source, monkeypatch):
    monkeypatch.setattr(freeze, "PATIENCE", 0.2)
    source = make_source("CREATE TABLE t (v)", t=[(1,)])
    request = Request((source,), database.dsn)
    with closing(sqlite3.connect(source, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceError, match="stayed locked by a writer"):
            migrate(request)
    assert database.value("SELECT to_regnamespace('howdah')") is None
    assert migrate(request).verdict == "verified"


PEAK = """
import sys
from pathlib import Path
from howdah.pipeline import Request, migrate
source, dsn, schema = sys.argv[1:]
report = migrate(Request((Path(source),), dsn, schema=schema))
assert report.verdict == "verified", report.sentence
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line[:6] == "VmHWM:"))
"""


@pytest.fixture
def peak(database):
    """Return a function that migrates in a process of its own and gives the most memory that it had, in MB."""

    def run(source):
        command = [sys.executable, "-c", PEAK, source, database.dsn, source.stem]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return int(done.stdout) // 1024

    return run


def test_note_30_memory_does_not_grow_with_rows(make_source, peak):
    def filled(megabytes):
        return make_source(
            f"""CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
                WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {megabytes * 250})
                INSERT INTO t SELECT i, hex(zeroblob(2000)) FROM n""",
            f"of_{megabytes}.db",
        )

    # What is read ahead and not yet sent has its bound; below it, memory does grow.
    assert peak(filled(100)) < peak(filled(40)) + 40


def test_note_30_memory_does_not_grow_with_tables(make_source, peak):
    def divided(tables):
        script = "".join(
            f"""CREATE TABLE t{n} (id INTEGER PRIMARY KEY, v TEXT);
                WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
                INSERT INTO t{n} SELECT i, hex(zeroblob(1000)) FROM n;"""
            for n in range(tables)
        )
        return make_source(script, f"of_{tables}.db")

    assert peak(divided(33)) < peak(divided(3)) + 15
