"""Sources: frozen, checked, never written; each kind of bad file has its sentence."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing

import pytest

from howdah import snapshot
from howdah.catalog.sqlite import open_snapshot
from howdah.discover import SourceFile, facts, resolve, walk
from howdah.errors import ConfigurationError, SourceError


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


def test_a_file_that_is_something_else_or_encrypted(tmp_path):
    (tmp_path / "x.db").write_bytes(bytes(range(256)) * 20)
    assert "no SQLite database, or it is encrypted" in refused(tmp_path / "x.db", tmp_path)


@pytest.mark.parametrize("size", [7, 16, 99])
def test_a_file_cut_in_its_header(good, tmp_path, size):
    cut = tmp_path / "cut.db"
    cut.write_bytes(good.read_bytes()[:size])
    assert "truncated" in refused(cut, tmp_path)


def test_a_file_cut_in_its_pages(good, tmp_path):
    cut = tmp_path / "cut.db"
    cut.write_bytes(good.read_bytes()[:20_000])
    assert "damaged" in refused(cut, tmp_path)


def test_a_corrupt_page(good, tmp_path):
    raw = bytearray(good.read_bytes())
    raw[4096 * 5 : 4096 * 6] = b"\xa5" * 4096
    bad = tmp_path / "bad.db"
    bad.write_bytes(raw)
    assert "damaged" in refused(bad, tmp_path)


def test_a_locked_file(good, tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "PATIENCE", 0.2)
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
        with snapshot.workspace(tmp_path / "work") as folder:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            copy = take(path, folder)
            assert stat.S_IMODE(copy.path.stat().st_mode) == 0o600
            with open_snapshot(copy.path) as connection:
                assert connection.execute("SELECT count(*) FROM t").fetchone() == (1000,)
            again = take(path, folder)
            assert again.sha256 == copy.sha256
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


def test_discovery_goes_by_header_and_not_by_name(good, tmp_path):
    renamed = tmp_path / "deep" / "browser-history"
    renamed.parent.mkdir()
    renamed.write_bytes(good.read_bytes())
    (tmp_path / "fake.db").write_text("not a database")
    assert set(walk([tmp_path])) == {good, renamed}


def test_facts_of_a_file(good):
    found = facts(good)
    assert (found.tables, found.journal_mode, found.size) == ((("t", 200),), "delete", good.stat().st_size)


def test_names_of_sources_are_relative_to_the_folder(good, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "shop.db").write_bytes(good.read_bytes())
    files, _ = resolve((tmp_path,), None)
    assert {file.name for file in files} == {"shop.db", "sub/shop.db"}
    with pytest.raises(ConfigurationError):
        resolve((), None)
