"""What a file is, by its first bytes."""

from __future__ import annotations

import gzip
import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from howdah import header
from howdah.errors import SourceError


@pytest.fixture
def good(make_source):
    return make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", t=[(n, "x" * 500) for n in range(200)])


def kind(raw: bytes) -> str | None:
    found = header.problem(raw[: header.SAMPLE], len(raw))
    return found.kind if found else None


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_in_whole_pages_are_encrypted(seed):
    assert kind(random.Random(seed).randbytes(4096 * 3)) == "encrypted"


def test_what_is_no_whole_number_of_pages_is_no_encrypted_database():
    assert kind(random.Random(1).randbytes(4096 * 3 + 1)) == "foreign"


def test_a_header_of_which_only_the_start_is_hidden_is_encrypted(good):
    raw = bytearray(good.read_bytes())
    raw[:16] = random.Random(2).randbytes(16)
    raw[24:4096] = random.Random(3).randbytes(4072)
    raw[100] = 0x77
    assert kind(bytes(raw)) == "encrypted"


def test_a_database_whose_first_bytes_are_overwritten_is_damaged(good):
    raw = bytearray(good.read_bytes())
    raw[:16] = b"2024-01-01 INFO "
    assert kind(bytes(raw)) == "damaged"


@pytest.mark.parametrize("page_size", [0, 2, 256, 1000, 65535])
def test_a_page_that_no_database_has_is_damage(good, page_size):
    raw = bytearray(good.read_bytes())
    raw[16:18] = page_size.to_bytes(2, "big")
    assert kind(bytes(raw)) == "damaged"


def test_archives_text_and_old_databases_are_told_apart(good):
    assert kind(gzip.compress(good.read_bytes())) == "packed"
    assert kind(b"a letter " * 1000) == kind(bytes(range(256)) * 20) == "foreign"
    assert kind(b"** This file contains an SQLite 2.1 database **\0" + b"\0" * 5000) == "foreign"
    assert kind(b"") == "empty"
    assert kind(good.read_bytes()) is None


@pytest.mark.parametrize(("page_size", "encoding"), [(512, "UTF-8"), (4096, "UTF-16le"), (65536, "UTF-16be")])
def test_the_fields_of_a_header(tmp_path, page_size, encoding):
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute("CREATE TABLE t (a)")
        fields = header.check(path)
        assert (fields.page_size, fields.encoding, fields.wal) == (page_size, encoding, False)
        assert fields.pages * page_size == path.stat().st_size
        connection.execute("INSERT INTO t VALUES (1)")
        connection.commit()
        assert header.check(path).change_counter == fields.change_counter + 1
        connection.execute("PRAGMA journal_mode = WAL")
        assert header.check(path).wal


def test_what_cannot_be_reached_is_said_so(tmp_path, open_folder, unprivileged, good):
    with pytest.raises(SourceError, match="does not exist"):
        header.check(tmp_path / "no.db")
    with pytest.raises(SourceError, match="is no file"):
        header.check(tmp_path)
    (tmp_path / "link.db").symlink_to(tmp_path / "gone.db")
    with pytest.raises(SourceError, match="is a link to nothing"):
        header.check(tmp_path / "link.db")
    (open_folder / "in").mkdir(mode=0o700)
    (open_folder / "in" / "x.db").write_bytes(good.read_bytes())
    with pytest.raises(SourceError, match="cannot be reached: Permission denied"):
        unprivileged(lambda: header.check(open_folder / "in" / "x.db"))
    (open_folder / "x.db").write_bytes(good.read_bytes())
    (open_folder / "x.db").chmod(0o600)
    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        unprivileged(lambda: header.check(open_folder / "x.db"))


def test_names_are_printed_whatever_bytes_they_have():
    assert header.shown(Path(os.fsdecode(b"caf\xe9 \xc3\xa9 [b]\n.db"))) == "caf\\xe9 é [b]\\n.db"
