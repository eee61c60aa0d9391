"""Sources: frozen, checked, never written; each kind of bad file has its sentence."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from howdah import freeze, snapshot
from howdah.catalog.sqlite import open_snapshot
from howdah.discover import SourceFile
from howdah.errors import SourceError
from howdah.workspace import workspace


def take(path, folder):
    return snapshot.take(SourceFile(path.name, path), folder)


def refused(path, folder):
    with pytest.raises(SourceError) as caught:
        take(path, folder)
    assert str(path) in caught.value.what
    assert caught.value.next_step
    return caught.value.what


@pytest.fixture
def good(make_source):
    return make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", t=[(n, "x" * 500) for n in range(200)])


def test_a_missing_file(tmp_path):
    assert "does not exist" in refused(tmp_path / "no.db", tmp_path)


def test_an_empty_file(tmp_path):
    (tmp_path / "empty.db").touch()
    assert "is empty" in refused(tmp_path / "empty.db", tmp_path)


def test_a_file_that_is_something_else(tmp_path):
    (tmp_path / "x.db").write_bytes(bytes(range(256)) * 20)
    assert "no SQLite database" in refused(tmp_path / "x.db", tmp_path)


def test_an_encrypted_file(tmp_path):
    (tmp_path / "x.db").write_bytes(random.Random(1).randbytes(4096 * 5))
    assert "is encrypted" in refused(tmp_path / "x.db", tmp_path)


@pytest.mark.parametrize("size", [7, 16, 99])
def test_a_file_cut_in_its_header(good, tmp_path, size):
    cut = tmp_path / "cut.db"
    cut.write_bytes(good.read_bytes()[:size])
    assert "truncated" in refused(cut, tmp_path)


def test_a_file_cut_in_its_pages(good, tmp_path):
    cut = tmp_path / "cut.db"
    cut.write_bytes(good.read_bytes()[:20_000])
    whole = f"{good.stat().st_size:,}"
    assert f"it is truncated, and 20,000 of {whole} bytes are there" in refused(cut, tmp_path)


def test_a_corrupt_page(good, tmp_path):
    raw = bytearray(good.read_bytes())
    raw[4096 * 5 : 4096 * 6] = b"\xa5" * 4096
    bad = tmp_path / "bad.db"
    bad.write_bytes(raw)
    assert "damaged" in refused(bad, tmp_path)
    with pytest.raises(SourceError, match="--salvage"):
        take(bad, tmp_path)


def test_a_locked_file(good, tmp_path, monkeypatch):
    monkeypatch.setattr(freeze, "PATIENCE", 0.2)
    with closing(sqlite3.connect(good, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert "locked" in refused(good, tmp_path)


def test_the_source_and_its_folder_stay_as_they_were(good, tmp_path):
    folder = tmp_path / "snapshots"
    folder.mkdir()
    before = good.read_bytes(), good.stat().st_mtime_ns, sorted(good.parent.iterdir())
    take(good, folder)
    assert (good.read_bytes(), good.stat().st_mtime_ns, sorted(good.parent.iterdir())) == before


def test_the_copy_is_private_plain_and_complete(make_source, tmp_path):
    path = make_source("PRAGMA journal_mode = WAL; CREATE TABLE t (v)")
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(1000)])
        writer.commit()
        with workspace(tmp_path / "work") as folder:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            copy = take(path, folder)
            assert stat.S_IMODE(copy.path.stat().st_mode) == 0o600
            with open_snapshot(copy.path) as connection:
                assert connection.execute("SELECT count(*) FROM t").fetchone() == (1000,)
            again = take(path, folder)
            assert again.blake3 == copy.blake3
        assert not folder.exists()


def test_rows_that_break_constraints_are_dirt_and_no_damage(tmp_path, make_source):
    path = make_source("CREATE TABLE t (v TEXT, n INT CHECK (n > 0)); INSERT INTO t VALUES ('a', 1)")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = 1")
        connection.execute("INSERT INTO t VALUES ('b', -1)")
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'v TEXT', 'v TEXT NOT NULL')")
        connection.execute("INSERT INTO t VALUES (NULL, 1)")
        connection.commit()
    assert take(path, tmp_path).size > 0


def test_too_little_disk_is_refused_before_copying(good, tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "RESERVE", 1 << 60)
    with pytest.raises(SourceError, match="are free"):
        snapshot.check_space((SourceFile("x", good),), tmp_path)


def test_text_that_is_no_utf8_is_read_without_loss(make_source, tmp_path):
    path = make_source("CREATE TABLE t (v TEXT); INSERT INTO t VALUES (CAST(x'ff00e4' AS TEXT))")
    with open_snapshot(take(path, tmp_path).path) as connection:
        ((value,),) = connection.execute("SELECT v FROM t").fetchall()
    assert value.encode("utf-8", "surrogateescape") == b"\xff\x00\xe4"


def rows(path):
    with open_snapshot(path) as connection:
        return connection.execute("SELECT * FROM t ORDER BY 1").fetchall()


def crashed(path: Path, script: str, copy: Path) -> Path:
    """Copy the files of a database as a crash would leave them: in the middle of a transaction."""
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("PRAGMA cache_size = 5")
        writer.executescript(script)
        for suffix in ("", "-wal", "-journal"):
            if freeze.beside(path, suffix).exists():
                shutil.copy(freeze.beside(path, suffix), freeze.beside(copy, suffix))
    return copy


def test_a_hot_journal_is_rolled_back_in_the_copy_only(good, tmp_path):
    (tmp_path / "left").mkdir()
    before = rows(good)
    left = crashed(good, "BEGIN; UPDATE t SET v = 'half done'; DELETE FROM t WHERE id > 5;", tmp_path / "left" / "x.db")
    assert left.read_bytes() != good.read_bytes()
    found = {entry: entry.read_bytes() for entry in left.parent.iterdir()}
    assert len(found) == 2
    assert rows(take(left, tmp_path).path) == before
    assert {entry: entry.read_bytes() for entry in left.parent.iterdir()} == found


def test_a_wal_without_its_shm_is_read_and_nothing_is_made_beside_it(make_source, tmp_path):
    (tmp_path / "left").mkdir()
    path = make_source("PRAGMA journal_mode = WAL; CREATE TABLE t (v)")
    left = crashed(path, "INSERT INTO t VALUES (1), (2); BEGIN; INSERT INTO t VALUES (3);", tmp_path / "left" / "x.db")
    found = {entry: entry.read_bytes() for entry in left.parent.iterdir()}
    assert len(found) == 2
    copy = take(left, tmp_path)
    assert rows(copy.path) == [(1,), (2,)]
    assert {entry: entry.read_bytes() for entry in left.parent.iterdir()} == found
    assert take(left, tmp_path).blake3 == copy.blake3


def test_a_wal_in_a_folder_that_may_not_be_written_is_read(make_source, open_folder, unprivileged):
    path = make_source("PRAGMA journal_mode = WAL; CREATE TABLE t (v)")
    (open_folder / "left").mkdir()
    (open_folder / "work").mkdir()
    (open_folder / "work").chmod(0o777)
    left = crashed(path, "INSERT INTO t VALUES (1), (2)", open_folder / "left" / "x.db")
    assert unprivileged(lambda: rows(take(left, open_folder / "work").path)) == [(1,), (2,)]


def test_a_shm_that_may_not_be_written_is_no_obstacle(make_source, open_folder, unprivileged):
    path = make_source("PRAGMA journal_mode = WAL; CREATE TABLE t (v)")
    (open_folder / "left").mkdir()
    (open_folder / "work").mkdir()
    (open_folder / "work").chmod(0o777)
    left = crashed(path, "INSERT INTO t VALUES (1), (2)", open_folder / "left" / "x.db")
    freeze.beside(left, "-shm").write_bytes(b"")
    freeze.beside(left, "-shm").chmod(0o600)
    assert unprivileged(lambda: rows(take(left, open_folder / "work").path)) == [(1,), (2,)]


def test_a_wal_database_that_nobody_has_open_stays_alone(make_source, tmp_path):
    path = make_source("PRAGMA journal_mode = WAL; CREATE TABLE t (v); INSERT INTO t VALUES (1)")
    (tmp_path / "work").mkdir()
    before = path.read_bytes(), sorted(tmp_path.iterdir())
    assert rows(take(path, tmp_path / "work").path) == [(1,)]
    assert (path.read_bytes(), sorted(tmp_path.iterdir())) == before


@contextmanager
def touching(path: Path, seconds: float):
    """Write a byte of a file, the same one, again and again."""

    def work():
        deadline = time.monotonic() + seconds
        with path.open("r+b") as stream:
            while time.monotonic() < deadline:
                stream.seek(0)
                stream.write(b"S")
                stream.flush()
                time.sleep(0.001)

    writer = threading.Thread(target=work)
    writer.start()
    try:
        yield
    finally:
        writer.join()


def test_what_keeps_changing_while_it_is_copied_is_refused(make_source, tmp_path, monkeypatch):
    monkeypatch.setattr(freeze, "PATIENCE", 0.3)
    path = make_source("PRAGMA journal_mode = WAL; CREATE TABLE t (v); INSERT INTO t VALUES (1)")
    copied = freeze.copying.copy

    def while_somebody_writes(handle, target):
        copied(handle, target)
        with path.open("r+b") as stream:
            stream.write(b"S")

    monkeypatch.setattr(freeze.copying, "copy", while_somebody_writes)
    assert "kept changing" in refused(path, tmp_path)


def test_what_stops_changing_is_copied(make_source, tmp_path):
    path = make_source("PRAGMA journal_mode = WAL; CREATE TABLE t (v); INSERT INTO t VALUES (1)")
    with touching(path, 0.3):
        assert rows(take(path, tmp_path).path) == [(1,)]


BUSY = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute("PRAGMA journal_mode = " + sys.argv[2])
connection.execute("PRAGMA wal_autocheckpoint = 20")
print("ready", flush=True)
for n in range(1, 1000000):
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE t SET v = ?", [n])
    connection.execute("UPDATE u SET v = ?", [n])
    connection.execute("COMMIT")
"""


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_copy_beside_a_busy_writer_is_one_committed_state(make_source, tmp_path, mode):
    path = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v, w); CREATE TABLE u (id INTEGER PRIMARY KEY, v, w)",
        t=[(n, 0, "x" * 3000) for n in range(100)],
        u=[(n, 0, "x" * 3000) for n in range(100)],
    )
    (tmp_path / "work").mkdir()
    writer = subprocess.Popen([sys.executable, "-c", BUSY, str(path), mode], stdout=subprocess.PIPE)
    try:
        assert writer.stdout
        assert writer.stdout.readline() == b"ready\n"
        copies, seen, deadline = 0, set(), time.monotonic() + 60
        while copies < 8 or len(seen) < 2:
            assert time.monotonic() < deadline, "the writer wrote nothing"
            copies += 1
            with open_snapshot(take(path, tmp_path / "work").path) as copy:
                states = copy.execute("SELECT v FROM t UNION SELECT v FROM u").fetchall()
            assert len(states) == 1
            seen |= set(states)
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
        assert writer.stdout
        writer.stdout.close()


def test_a_writer_may_come_while_a_file_that_nobody_had_open_is_copied(make_source, tmp_path, monkeypatch):
    path = make_source("PRAGMA journal_mode = WAL; CREATE TABLE t (v)")
    assert not freeze.beside(path, "-shm").exists()
    (tmp_path / "work").mkdir()
    writer, moments = [], freeze._moments

    def change(of):
        if not writer:
            writer.append(sqlite3.connect(path, isolation_level=None))
        writer[0].execute("INSERT INTO t VALUES (1)")
        return moments(of)

    monkeypatch.setattr(freeze, "_moments", change)
    monkeypatch.setattr(freeze, "PATIENCE", 1.0)
    with open_snapshot(take(path, tmp_path / "work").path) as copy:
        assert copy.execute("SELECT count(*) FROM t").fetchone()[0] > 0
    writer[0].close()


def later(path: Path, seconds: int) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def settled(path: Path) -> snapshot.Stamp:
    """Wait until a stamp may be trusted."""
    deadline = time.monotonic() + 10
    while not (found := snapshot.stamp(path)).settled:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


def test_a_stamp_proves_nothing_within_two_seconds_of_a_change(good):
    fresh = snapshot.stamp(good)
    assert not fresh.settled
    assert not fresh.proves_unchanged(snapshot.stamp(good))
    # Not even where the time of modification was set back: the time of status change tells.
    later(good, 3600)
    assert not snapshot.stamp(good).settled


def test_a_settled_stamp_proves_an_untouched_file_unchanged(good):
    before = settled(good)
    assert before.files[0][3] == good.stat().st_ino
    assert before.proves_unchanged(snapshot.stamp(good))


def test_a_stamp_notices_every_kind_of_change(make_source, tmp_path, good):
    wal = make_source("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", "wal.db")
    twin = tmp_path / "twin.db"
    twin.write_bytes(good.read_bytes())
    stamps = {path: settled(path) for path in (good, wal, twin)}
    with closing(sqlite3.connect(good)) as connection:
        connection.execute("UPDATE t SET v = 'y' WHERE id = 1")
        connection.commit()
    assert not stamps[good].proves_unchanged(snapshot.stamp(good))
    with closing(sqlite3.connect(wal)) as connection:
        connection.execute("INSERT INTO t VALUES (1, 'only in the wal')")
        connection.commit()
        now = snapshot.stamp(wal)
        assert now.files[0] == stamps[wal].files[0]
        assert not stamps[wal].proves_unchanged(now)
    status = twin.stat()
    (tmp_path / "new.db").write_bytes(twin.read_bytes())
    (tmp_path / "new.db").replace(twin)
    os.utime(twin, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not stamps[twin].proves_unchanged(snapshot.stamp(twin))


def test_a_file_from_the_future_or_with_a_waiting_journal_is_never_settled(good):
    settled(good)
    freeze.beside(good, "-journal").write_bytes(b"x" * 512)
    later(freeze.beside(good, "-journal"), 3600)
    assert not replaced(snapshot.stamp(good)).settled
    freeze.beside(good, "-journal").unlink()
    assert replaced(snapshot.stamp(good)).settled
    later(good, -3600)
    assert not replaced(snapshot.stamp(good)).settled


def replaced(stamp: snapshot.Stamp) -> snapshot.Stamp:
    """Return the stamp as if it had been taken a minute later."""
    return snapshot.Stamp(stamp.files, stamp.change_counter, stamp.taken + 60_000_000_000)
