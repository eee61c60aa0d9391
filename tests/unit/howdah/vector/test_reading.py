"""Whether a look for long values pays or not, and whatever is known of a column, the same rows are read."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from howdah.catalog import sqlite
from howdah.vector import reading

DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, short TEXT, long TEXT, bytes BLOB, n INTEGER, r REAL)"
COLUMNS = ("id", "short", "long", "bytes", "n", "r")
KINDS = ("integer", "text", "text", "blob", "integer", "number")
# Right at the bound, and one byte more: of characters that are more than a byte.
LONGEST, LONGER = "ä" * 32_768, "ä" * 32_768 + "x"


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Return a function that writes rows and reads them back as values, and which rows are odd."""
    places = iter(range(100))

    def read(rows, large, pure):
        monkeypatch.setattr(reading, "_LARGE", 0 if large else 1 << 40)
        path = tmp_path / f"{next(places)}.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(DDL)
            connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(COLUMNS))})", rows)
            connection.commit()
        (table,) = sqlite.read(path).tables
        values, odd = [], []
        for unit in reading.units(path, table, COLUMNS, KINDS, pure):
            values += zip(*(column.to_pylist() for column in unit.columns), strict=True)
            odd += unit.locators[unit.odd].tolist()
        return [row for row in values if row[0] not in odd], odd

    return read


ROWS = [
    (1, "a", "b", b"\x00\xff", 3, 1.5),
    (2, None, None, None, None, None),
    (3, "", LONGEST, b"", -(2**63), 0.1),
    (4, "ß", "x", b"c", 2**63 - 1, -0.0),
]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("pure", [(), COLUMNS])
def test_values_are_read_as_they_are(read, large, pure):
    assert read(ROWS, large, pure) == (ROWS, [])


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("pure", [(), COLUMNS])
def test_a_row_with_a_value_too_long_is_odd(read, large, pure):
    rows = [*ROWS, (5, "e", LONGER, b"e", 5, 5.0), (6, "f", "f", b"f" * 65_537, 6, 6.0)]
    assert read(rows, large, pure) == (ROWS, [5, 6])


@pytest.mark.parametrize("large", [False, True])
def test_a_value_of_another_class_makes_its_row_odd(read, large):
    rows = [*ROWS, (5, b"blob", "e", b"e", 5, 5.0), (6, "f", "f", "text", 6, 6), (7, "g", LONGER, b"g", "n", 7.0)]
    assert read(rows, large, ("id", "r")) == (ROWS, [5, 6, 7])


def test_a_look_is_taken_once_and_again_at_another_file(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_LARGE", 0)
    path = tmp_path / "t.db"
    for longer in (False, True):
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(DDL)
            connection.execute("INSERT INTO t (long) VALUES (?)", [LONGER if longer else LONGEST])
            connection.commit()
        before = reading._looked_for_long.cache_info()
        assert [reading._long(path, "t", COLUMNS) for _ in range(2)] == [{"long"} if longer else set()] * 2
        after = reading._looked_for_long.cache_info()
        assert (after.misses - before.misses, after.hits - before.hits) == (1, 1)
