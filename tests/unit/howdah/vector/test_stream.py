"""Rows on their way: all of them arrive, in order, digested; and threads end when they are told to."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from howdah.catalog import sqlite
from howdah.catalog.model import TargetColumn, TargetTable, TargetType
from howdah.errors import SourceError
from howdah.plan import ColumnPlan, TablePlan
from howdah.vector import batches, encode
from howdah.vector.prefetch import prefetched
from howdah.vector.stream import Part, Read, content_digest, pieces

BIGINT, TEXT = TargetType("int8", "bigint"), TargetType("text", "text")


@pytest.fixture
def plan_of(tmp_path):
    """Return a function that writes a table ``t (k, v)`` and plans it as bigint and text."""

    def plan(rows, name="s.sqlite", ddl="CREATE TABLE t (k INTEGER PRIMARY KEY, v)"):
        path = tmp_path / name
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(ddl)
            connection.executemany("INSERT INTO t (k, v) VALUES (?, ?)", rows)
            connection.commit()
        columns = (ColumnPlan("k", "k", BIGINT, "integer"), ColumnPlan("v", "v", TEXT, "text"))
        target = TargetTable("public", "t", (TargetColumn("k", BIGINT), TargetColumn("v", TEXT)))
        return path, TablePlan("s", sqlite.read(path).tables[0], target, columns, ("k",), len(rows))

    return plan


def all_pieces(path, plan):
    encoder = encode.Encoder(plan, staged=False)
    return list(pieces(path, plan, encoder))


WITHOUT_ROWID = "CREATE TABLE t (k INTEGER PRIMARY KEY, v) WITHOUT ROWID"


@pytest.mark.parametrize("ddl", ["CREATE TABLE t (k INTEGER PRIMARY KEY, v)", WITHOUT_ROWID])
def test_every_row_is_in_one_part_and_one_chunk(plan_of, monkeypatch, ddl):
    monkeypatch.setattr(batches, "UNIT_ROWS", 2_000)
    values = ["x", 7, None, b"blob", "y" * 70_000]
    found = all_pieces(*plan_of([(n, values[n % 5] if n % 100 < 5 else "v") for n in range(1, 5_001)], ddl=ddl))
    parts = [piece for piece in found if isinstance(piece, Part)]
    chunks = [piece.chunk for piece in found if isinstance(piece, Read)]
    assert len(chunks) > 2
    assert sum(chunk.rows for chunk in chunks) == 5_000
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    assert (chunks[0].first, chunks[-1].last) == (1, 5_000)
    settled = [locator for part in parts for locator in part.locators]
    refused = [reject.locator for part in parts for reject in part.rejects]
    assert sorted(settled + refused) == list(range(1, 5_001))
    assert len(refused) == 50


SAME = [(1, "a"), (2, "b"), (3, "c")]
OTHER = [
    [(1, "a"), (2, "b")],
    [(1, "a"), (2, "b"), (4, "c")],
    [(1, "a"), (2, "b"), (3, "C")],
    [(1, "a"), (2, None), (3, "c")],
    [(1, "a"), (2, ""), (3, "c")],
    [(1, "a"), (2, b"b"), (3, "c")],
    [(1, "ab"), (2, ""), (3, "c")],
    [(1, 1), (2, "b"), (3, "c")],
    [(1, 1.0), (2, "b"), (3, "c")],
]


def test_the_digest_tells_contents_apart_by_value_storage_class_and_place(plan_of):
    digest = content_digest(*plan_of(SAME))
    assert digest == content_digest(*plan_of(SAME, "again.sqlite"))
    others = [content_digest(*plan_of(rows, f"{n}.sqlite")) for n, rows in enumerate(OTHER)]
    assert len({digest, *others}) == len(OTHER) + 1


def test_what_a_background_thread_raises_is_raised_where_it_is_awaited():
    def broken():
        yield 1
        raise ValueError("two")

    items = prefetched(broken())
    assert next(items) == 1
    with pytest.raises(ValueError, match="two"):
        next(items)


def test_closing_ends_the_thread_and_what_it_reads():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    before = threading.active_count()
    items = prefetched(endless())
    assert next(items) == 1
    items.close()
    assert closed.is_set()
    assert threading.active_count() == before


def test_a_damaged_page_is_said_in_one_sentence(plan_of):
    path, plan = plan_of([(n, "v" * 300) for n in range(1, 10_000)])
    raw = bytearray(path.read_bytes())
    raw[4096 * 500 : 4096 * 501] = b"\xff" * 4096
    path.write_bytes(raw)
    with pytest.raises(SourceError, match="Table t cannot be read"):
        all_pieces(path, plan)
