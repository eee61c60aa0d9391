"""Rows as they are read, digested and kept in quarantine."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howdah.catalog import sqlite
from howdah.catalog.model import SourceColumn, SourceTable
from howdah.native.rows import ReadError, Rows
from howdah.native.snapshot import Snapshot
from howdah.reading import key_of, pick, queries, query, row_digest, rows, tagged

value = st.none() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
table = SourceTable("t", (SourceColumn("a", ""), SourceColumn("b", "")))


@given(st.tuples(value, value), st.tuples(value, value))
def test_digests_tell_rows_apart_by_value_and_storage_class(one, other):
    same = [(type(v), repr(v)) for v in one] == [(type(v), repr(v)) for v in other]
    assert (row_digest(one) == row_digest(other)) == same


def restored(item):
    if not isinstance(item, dict):
        return item
    ((kind, text),) = item.items()
    if kind == "real":
        return float(text)
    return bytes.fromhex(text) if kind == "blob" else bytes.fromhex(text).decode("utf-8", "surrogateescape")


@given(st.tuples(value, value) | st.just((b"\xff\x00".decode("utf-8", "surrogateescape"), "nul\x00")))
def test_a_quarantined_row_can_be_restored_exactly(row):
    text = tagged(row, table)
    assert "\\u0000" not in text
    text.encode()
    found = json.loads(text)
    assert [repr(restored(found[name])) for name in ("a", "b")] == [repr(item) for item in row]


def test_locators_are_rowids_or_positions_and_find_rows_again(make_source):
    path = make_source(
        """CREATE TABLE r (v); INSERT INTO r (rowid, v) VALUES (-5, 'a'), (9223372036854775807, 'b');
           CREATE TABLE w (k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO w VALUES ('b', 1), ('a', 2);
           CREATE TABLE s (rowid, _rowid_, oid); INSERT INTO s VALUES (7, 8, 9);"""
    )
    catalog = {t.name: t for t in sqlite.read(path).tables}
    with sqlite.open_snapshot(path) as connection:
        assert list(rows(connection, catalog["r"])) == [(-5, ("a",)), (2**63 - 1, ("b",))]
        assert list(rows(connection, catalog["w"])) == [(1, ("a", 2)), (2, ("b", 1))]
        assert list(rows(connection, catalog["s"])) == [(1, (7, 8, 9))]
        for name, locator in (("r", -5), ("w", 2), ("s", 1)):
            (found,) = pick(connection, catalog[name], {locator})
            assert found in list(rows(connection, catalog[name]))
    assert key_of(2, ("b", 1), catalog["w"]) == '{"k": "b"}'
    assert key_of(-5, ("a",), catalog["r"]) == '{"rowid": -5}'
    assert key_of(1, (7, 8, 9), catalog["s"]) == '{"position": 1}'


def read_by(path, text, walked):
    """Return locators and digests of all rows, in batches of two rows."""
    found = []
    made = Rows(Snapshot(f"{path.as_uri()}?mode=ro"), text, walked=walked)
    while batch := made.read(2, 1 << 20):
        found.append((bytes(batch.locators), bytes(batch.digests)))
    return found


def test_a_walk_gives_what_the_query_gives(make_source):
    path = make_source(
        """CREATE TABLE t (a, b REAL, c TEXT DEFAULT 'x'); CREATE INDEX i ON t (c DESC, a, b);
           INSERT INTO t (rowid, a, b, c) VALUES (-5, 'a', 1, 'z'), (3, NULL, 2.5, ''), (2, x'00ff', 7, 'ä'),
                                                 (9223372036854775807, 1.5, 'text', NULL), (7, 1, NULL, 'y');
           ALTER TABLE t ADD COLUMN d DEFAULT 'later'; CREATE TABLE e (v);"""
    )
    for table in sqlite.read(path).tables:
        ((text, walked),) = queries(table, None)
        assert walked == len(table.columns)
        found = read_by(path, text, walked)
        assert found == read_by(path, query(table), -1)
        assert len(found) == (3 if table.name == "t" else 0)


def test_a_walk_goes_by_rowid_whatever_index_has_all_columns(make_source):
    path = make_source(
        """CREATE TABLE t (a TEXT); CREATE INDEX i ON t (a); INSERT INTO t VALUES ('x'); ANALYZE;
           UPDATE sqlite_stat1 SET stat = '100 1 sz=5'"""
    )
    ((walk, _),) = queries(*sqlite.read(path).tables, None)
    with sqlite.open_snapshot(path) as connection:
        connection.create_function("howdah_take", -1, lambda *_: 0)
        (step,) = connection.execute(f"EXPLAIN QUERY PLAN {walk}").fetchall()
    assert step[3] == "SCAN t"


@pytest.mark.parametrize(
    "ddl",
    [
        "CREATE TABLE t (k PRIMARY KEY, v) WITHOUT ROWID",
        "CREATE TABLE t (rowid, _rowid_, oid)",
        f"CREATE TABLE t ({', '.join(f'c{n}' for n in range(127))})",
        "CREATE VIRTUAL TABLE t USING fts5 (a)",
    ],
)
def test_what_cannot_be_walked_is_queried(make_source, ddl):
    (table,) = (table for table in sqlite.read(make_source(ddl)).tables if table.name == "t")
    assert list(queries(table, None)) == [(query(table), -1)]


def test_the_function_of_a_walk_is_for_nobody_else(make_source):
    source = Snapshot(f"{make_source('CREATE TABLE t (a); INSERT INTO t VALUES (1)').as_uri()}?mode=ro")
    with pytest.raises(ReadError, match="not for queries of others"):
        Rows(source, "SELECT rowid, howdah_take(rowid, a) FROM t").read(1, 1)
