"""Digests of rows: equal rows have equal ones, and any two rows that differ have different ones."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import count

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from howdah.catalog import sqlite
from howdah.images import Images, Keys
from howdah.plan import TablePlan
from howdah.reading import rows
from howdah.vector.digests import Content
from howdah.vector.stream import digested

VALUES = [
    None,
    0,
    1,
    -1,
    2**63 - 1,
    0.0,
    -0.0,
    1.0,
    1e300,
    "",
    "a",
    "b",
    "ab",
    "1",
    "é",
    b"",
    b"a",
    b"\x00",
    "y" * 70_000,
]
CLASSES = [int, float, str, bytes]


@pytest.fixture(scope="module")
def numbers():
    return count()


def values(kind):
    """Return mostly values of one storage class, and NULL."""
    same = [value for value in VALUES if value is None or isinstance(value, kind)]
    return st.sampled_from(same * 3 + VALUES)


tables = st.tuples(*[st.sampled_from(CLASSES)] * 3).flatmap(
    lambda kinds: st.lists(st.tuples(*map(values, kinds)), min_size=1, max_size=40)
)


def digests(path, count_):
    table = sqlite.read(path).tables[0]
    with sqlite.open_snapshot(path) as connection:
        written = [ascii(row) for _, row in rows(connection, table)]
    plan = TablePlan("s", table, None, (), (), count_)
    return written, [digest for _, found in digested(path, plan) for digest in found.tolist()]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=tables)
def test_rows_have_the_same_digest_when_they_are_the_same_and_else_another(tmp_path, numbers, content):
    path = tmp_path / f"{next(numbers)}.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a, b, c)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", content)
        connection.commit()
    written, found = digests(path, len(content))
    assert len(found) == len(written) == len(content)
    assert len(set(zip(written, found, strict=True))) == len(set(written)) == len(set(found))


def test_the_digest_of_a_table_does_not_hang_on_how_its_rows_come(tmp_path):
    with closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.commit()
    table = sqlite.read(tmp_path / "s.db").tables[0]
    locators, hashes = np.arange(10), np.arange(10, dtype=np.uint64) << np.uint64(40)
    whole, parts = Content(table), Content(table)
    whole.add(locators, hashes)
    for part in (slice(0, 3), slice(3, 3), slice(3, 10)):
        parts.add(locators[part], hashes[part])
    assert whole.hexdigest() == parts.hexdigest()


def test_what_is_kept_of_rows_comes_back_as_it_was():
    locators = np.array([-(2**63), -5, 0, 7, 2**63 - 1])
    keys = Keys.none()
    keys.add(np.array([7, 2**63 - 1]), b"seven-last", np.array([5, 5], np.int32))
    keys.add(np.array([-5]), b"minus", np.array([5], np.int32))
    images = keys.sorted().images(locators, np.arange(5, dtype=np.uint64))
    back = Images.from_bytes(images.to_bytes())
    assert back.locators.tolist() == locators.tolist()
    assert back.digests.tolist() == [0, 1, 2, 3, 4]
    assert back.sizes.tolist() == [0, 5, 0, 5, 5]
    assert back.keys(keys.sorted().to_bytes()).to_pylist() == [b"", b"minus", b"", b"seven", b"-last"]
