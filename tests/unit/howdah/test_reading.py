"""Rows as they are read, digested and kept in quarantine."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from howdah.catalog import sqlite
from howdah.catalog.model import SourceColumn, SourceTable
from howdah.reading import key_of, pick, row_digest, rows, tagged

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
