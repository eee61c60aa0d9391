"""Sources found by header, named steadily; what else lies there is told, not passed over."""

from __future__ import annotations

import json
import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from howdah import snapshot
from howdah.cli import main
from howdah.discover import resolve, scan, walk
from howdah.errors import ConfigurationError, SourceError
from howdah.facts import facts


@pytest.fixture
def good(make_source):
    return make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", t=[(n, "x" * 500) for n in range(200)])


def reasons(folder: Path) -> dict[str, tuple[str, bool]]:
    return {item.path.name: (item.why, item.suspect) for item in scan(folder).ignored}


def test_discovery_goes_by_header_and_not_by_name(good, tmp_path):
    for name in ("deep/browser-history", "deep/odd-journal"):
        renamed = tmp_path / name
        renamed.parent.mkdir(exist_ok=True)
        renamed.write_bytes(good.read_bytes())
    (tmp_path / "fake.db").write_text("not a database")
    assert set(walk([tmp_path])) == {good, tmp_path / "deep/browser-history", tmp_path / "deep/odd-journal"}


def test_what_is_ignored_is_listed_with_its_reason(good, tmp_path):
    (tmp_path / "notes.txt").write_text("a letter")
    (tmp_path / "empty.db").touch()
    (tmp_path / "secret.db").write_bytes(random.Random(1).randbytes(8192))
    (tmp_path / "cut.bin").write_bytes(good.read_bytes()[:60])
    (tmp_path / "moved.db-wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(4000))
    (tmp_path / "shop.db-wal").touch()
    os.mkfifo(tmp_path / "pipe")
    found = reasons(tmp_path)
    assert {name: suspect for name, (_, suspect) in found.items()} == {
        "notes.txt": False,
        "empty.db": False,
        "secret.db": True,
        "cut.bin": True,
        "moved.db-wal": True,
        "shop.db-wal": False,
        "pipe": False,
    }
    assert "encrypted" in found["secret.db"][0]
    assert "is not there" in found["moved.db-wal"][0]
    assert "is empty" in found["empty.db"][0]


def test_what_may_hold_data_is_a_finding_of_the_migration(good, tmp_path):
    (tmp_path / "notes.txt").write_text("a letter")
    (tmp_path / "secret.db").write_bytes(random.Random(1).randbytes(8192))
    files, findings = resolve((tmp_path,), None)
    assert [file.path for file in files] == [good]
    assert [(finding.code, "secret.db" in finding.message) for finding in findings] == [("file_ignored", True)]


def test_a_folder_or_a_file_that_may_not_be_read_is_refused_and_not_passed_over(open_folder, good, unprivileged):
    (open_folder / "a.db").write_bytes(good.read_bytes())
    (open_folder / "locked").mkdir(mode=0o700)
    with pytest.raises(SourceError, match="locked cannot be read: Permission denied") as caught:
        unprivileged(lambda: resolve((open_folder,), None))
    assert caught.value.exit_code == 6
    (open_folder / "locked").rmdir()
    (open_folder / "b.db").write_bytes(good.read_bytes())
    (open_folder / "b.db").chmod(0)
    with pytest.raises(SourceError, match=r"b\.db cannot be read"):
        unprivileged(lambda: resolve((open_folder,), None))


def test_links_to_files_are_followed_once_and_linked_folders_are_told(good, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    (place / "a-link.db").symlink_to(good)
    assert [path.name for path in scan(place).databases] == ["a-link.db"]
    real = place / "real.db"
    real.write_bytes(good.read_bytes())
    (place / "another.db").symlink_to(real)
    (place / "nothing.db").symlink_to(place / "gone")
    (place / "folder").symlink_to(tmp_path)
    assert [path.name for path in scan(place).databases] == ["a-link.db", "real.db"]
    found = reasons(place)
    assert "another name of" in found["another.db"][0]
    assert found["nothing.db"] == ("is a link to nothing.", True)
    assert found["folder"][1]


def test_a_linked_source_is_read_with_the_wal_of_the_file_it_points_to(make_source, tmp_path):
    path = make_source("PRAGMA journal_mode = WAL; CREATE TABLE t (v)")
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(path)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("INSERT INTO t VALUES (1)")
        writer.commit()
        ((source,), _) = resolve((link,), None)
        with closing(sqlite3.connect(snapshot.take(source, tmp_path).path)) as copy:
            assert copy.execute("SELECT * FROM t").fetchall() == [(1,)]
        assert facts(link).tables == (("t", 1),)


def test_a_name_that_is_no_utf8_is_moved_and_printed(good, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    odd = place / os.fsdecode(b"caf\xe9.db")
    odd.write_bytes(good.read_bytes())
    ((source,), _) = resolve((place,), None)
    assert source.name == "caf\\xe9.db"
    assert source.name.encode()
    assert snapshot.take(source, tmp_path).size == good.stat().st_size
    result = CliRunner().invoke(main, ["discover", str(place), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["files"][0]["path"].endswith("caf\\xe9.db")
    odd.write_bytes(b"")
    result = CliRunner().invoke(main, ["discover", str(odd)])
    assert (result.exit_code, "caf\\xe9.db is empty" in result.stderr) == (6, True)


def test_the_command_lists_what_it_ignores_and_what_is_damaged(good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.db").write_bytes(random.Random(1).randbytes(8192))
    (tmp_path / "[bold].db").write_bytes(good.read_bytes())
    result = CliRunner().invoke(main, ["discover", "."])
    assert result.exit_code == 0
    assert "[bold].db" in result.stdout
    assert "is encrypted" in result.stdout.replace("\n", " ")
    found = json.loads(CliRunner().invoke(main, ["discover", str(tmp_path), "--json"]).stdout)
    assert [(Path(item["path"]).name, item["suspect"]) for item in found["ignored"]] == [("secret.db", True)]
    bad = bytearray(good.read_bytes())
    bad[4096 * 5 : 4096 * 6] = b"\xa5" * 4096
    good.write_bytes(bad)
    result = CliRunner().invoke(main, ["discover", str(tmp_path)])
    assert (result.exit_code, "damaged" in result.stdout) == (6, True)


def test_facts_of_a_file(good):
    found = facts(good)
    assert (found.tables, found.journal_mode, found.size) == ((("t", 200),), "delete", good.stat().st_size)


def test_facts_leave_nothing_beside_the_file(make_source, tmp_path):
    path = make_source("PRAGMA journal_mode = WAL; CREATE TABLE t (v); INSERT INTO t VALUES (1)")
    before = path.read_bytes(), sorted(tmp_path.iterdir())
    assert facts(path).tables == (("t", 1),)
    assert (path.read_bytes(), sorted(tmp_path.iterdir())) == before


def test_names_of_sources_are_relative_to_the_folder(good, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "shop.db").write_bytes(good.read_bytes())
    files, _ = resolve((tmp_path,), None)
    assert {file.name for file in files} == {"shop.db", "sub/shop.db"}
    with pytest.raises(ConfigurationError):
        resolve((), None)
