"""Files that stay open: the same file is not opened twice, another one is not taken for it, and all are let go."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from threading import Thread

import pytest

from howdah.catalog.sqlite import open_snapshot
from howdah.kept import Kept


class File:
    def __init__(self, path):
        self.path = path
        self.closed = 0

    def close(self):
        self.closed += 1


@pytest.fixture
def kept():
    opened = []

    def make(path):
        opened.append(File(path))
        return opened[-1]

    return Kept(make), opened


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    return path


def test_the_same_file_is_opened_once(kept, path):
    files, opened = kept
    with files.opened(path) as first:
        pass
    with files.opened(path) as second:
        assert second is first
    assert len(opened) == 1
    assert not first.closed


def test_a_file_that_changed_or_another_one_is_opened_anew(kept, path):
    files, opened = kept
    for change in (lambda: path.write_bytes(b"three"), lambda: os.utime(path, (1, 1)), lambda: path.unlink()):
        with files.opened(path):
            change()
        with files.opened(path):
            pass
        path.write_bytes(b"one")
    assert [file.closed for file in opened] == [1] * (len(opened) - 1) + [0]
    assert len(opened) >= 4


def test_a_file_within_itself_is_opened_twice_and_one_stays(kept, path):
    files, opened = kept
    with files.opened(path) as outer, files.opened(path) as inner:
        assert outer is not inner
    assert sorted(file.closed for file in opened) == [0, 1]
    files.let_go()
    assert [file.closed for file in opened] == [1, 1]


def test_a_file_that_something_went_wrong_with_is_not_kept(kept, path):
    files, opened = kept
    with pytest.raises(ValueError, match="no"), files.opened(path):
        raise ValueError("no")
    assert [file.closed for file in opened] == [1]


def test_threads_do_not_share(kept, path):
    files, opened = kept
    with files.opened(path):
        pass

    def use():
        with files.opened(path):
            pass

    thread = Thread(target=use)
    thread.start()
    thread.join()
    assert len(opened) == 2


def test_a_snapshot_that_took_the_place_of_another_is_read(tmp_path):
    found = []
    for value in (1, 2):
        path = tmp_path / "s.db"
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"CREATE TABLE t AS SELECT {value} AS v")
            connection.commit()
        with open_snapshot(path) as snapshot:
            found += snapshot.execute("SELECT v FROM t").fetchall()
    assert found == [(1,), (2,)]
