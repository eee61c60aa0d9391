"""Whole columns become what the one-value casts say, for any values and types."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from howdah.catalog import sqlite
from howdah.catalog.model import TargetColumn, TargetTable, TargetType
from howdah.plan import ColumnPlan, TablePlan
from howdah.reading import pick, rows
from howdah.rowcast import RowCast, RowError
from howdah.vector import batches, binary
from howdah.vector.encode import Encoder

NAMESPACE = (("namespace", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),)
T = TargetType
CASTS = [
    ("text", T("text", "text"), ()),
    ("text", T("varchar", "character varying(5)", length=5), ()),
    ("text", T("bpchar", "character(3)", length=3), ()),
    ("text", T("mood", "mood", kind="e"), ()),
    ("integer", T("int2", "smallint"), ()),
    ("integer", T("int4", "integer"), ()),
    ("integer", T("int8", "bigint"), ()),
    ("float", T("float8", "double precision"), ()),
    ("float", T("float4", "real"), ()),
    ("numeric", T("numeric", "numeric"), ()),
    ("numeric", T("numeric", "numeric(6,2)", precision=6, scale=2), ()),
    ("boolean", T("bool", "boolean"), ()),
    ("uuid", T("uuid", "uuid"), ()),
    ("uuid5", T("uuid", "uuid"), NAMESPACE),
    ("uuid5_kept", T("text", "text"), ()),
    ("uuid_blob", T("uuid", "uuid"), ()),
    ("bytea", T("bytea", "bytea"), ()),
    ("json", T("json", "json"), ()),
    ("json", T("jsonb", "jsonb"), ()),
    ("time", T("time", "time without time zone"), ()),
    *[
        (cast, T(name, name, precision=precision), options)
        for name, precision in (("timestamptz", None), ("timestamp", None), ("timestamp", 3), ("date", None))
        for cast, options in (
            ("moment", ()),
            ("moment", (("unit", "epoch_s"),)),
            ("moment", (("unit", "epoch_ms"),)),
            ("moment", (("strict", "1"), ("unit", "epoch_s"))),
            ("moment", (("truncate", "1"), ("unit", "epoch_ms"))),
            ("apple_ns", ()),
            ("text_utc", ()),
            ("epoch_us", ()),
        )
    ],
]

moments = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["2023-01-02", "0001-01-01", "9999-12-31", "2023-02-30", "2024-02-29", "1969-12-31", "0000-00-00"]),
    st.sampled_from(["", "t00:00:00", "T00:00:00", "T12:30", "T24:00:00", " 00:00:60", "T1:2:3", " 11:22:33"]),
    st.sampled_from(["", ".1", ",5", ".123456", ".1234567", ".1234560", ".", ".000", ".5000000000"]),
    st.sampled_from(
        ["", "Z", "z", "+00:00", "-05:30", "+0530", "+05", "UTC", " UTC", " +01:00", "+15:59", "+16:00", "+01:60"]
    ),
)
uuids = st.uuids().map(str) | st.sampled_from(
    [
        "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
        "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
        "a0eebc999c0b4ef8bb6d6bb9bd380a11",
        "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "a0eebc9909c0b04ef80bb6d06bb9bd380a11",
        "p-17",
    ]
)
documents = st.sampled_from(
    [
        *("{}", "[]", "null", " [ ] ", '{"a": 1, "b": [1, 2.50, "x"]}', '{"a": 1, "a": 2}', '[{"a":1},{"a":2}]', "12"),
        *('{"a":{"b":1},"b":{"a":"a"}}', '"a\\u0000b"', '"\\u00e9\\ud83d\\ude00"', '"\\ud83d"', "[1e5, 1E999999]"),
        *('{"\\u0061": 1, "a": 2}', "NaN", "{bad", "", '{"a:,b": [,]}', '{"a:,b": {"[,": true}}', "[[[[{}]]]]", "1 2"),
        *(
            '["a:", {"b": null}]',
            '{"x": "\\"y\\": z", "y": 1}',
            '{"k":{"k":{"k":[]}}}',
            '"é"',
            '{"a":1}\x00',
            "[-0.5,0]",
        ),
        *('{"a" :1, "b\\u0022:": 1, "a":2}', '{"a":"\\":", "a":1}', '{"a"\n:1,"a":2}', '{"a": "x :"}'),
        *('{"a":["b","c\\"",":d"],"e":"\\\\"}', '{"a":1,"b":{"a":1,"a":1}}'),
    ]
)
values = st.one_of(
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.sampled_from(
        [0, 1, 2, 32767, 32768, 1 << 31, (1 << 53) + 1, 1_700_000_000, 1_700_000_000_123, 1_700_000_000_123_456, 86400]
    ),
    st.floats(allow_nan=False),
    st.sampled_from([0.0, -0.0, 1.0, 1.5, 1e300, 1_700_000_000.5, 1_700_000_000.123457, 1_700_000_000_123.25, 0.1]),
    st.text(max_size=8),
    st.sampled_from(["abc ", "nul\x00", "t", "Yes", "12", "-7", "1.50", "12:34", "12:34:56.5", "x" * 40]),
    moments,
    uuids,
    documents,
    st.binary(max_size=20),
    st.binary(min_size=16, max_size=16),
    st.sampled_from([b"x" * 70_000, "y" * 70_000]),
)


def file_with(path, columns, without_rowid=False):
    """Write a table with the values of each column as they are, and texts that are no UTF-8 among them."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        names = [f'"c{n}"' for n in range(len(columns))]
        key = "k INTEGER PRIMARY KEY" if not without_rowid else "k INTEGER PRIMARY KEY NOT NULL"
        tail = " WITHOUT ROWID" if without_rowid else ""
        connection.execute(f"CREATE TABLE t ({key}, {', '.join(f'{n} BLOB' for n in names)}){tail}")
        marks = ", ".join("?" * (len(names) + 1))
        connection.executemany(
            f"INSERT INTO t VALUES ({marks})", [(n * 3 - 5, *row) for n, row in enumerate(zip(*columns, strict=True))]
        )
        connection.execute("UPDATE t SET c0 = CAST(x'63616665e9' AS TEXT) WHERE k = 1")
        connection.commit()
    return path


def plan_for(path, casts):
    table = sqlite.read(path).tables[0]
    columns = tuple(
        ColumnPlan(f"c{n}", f"t{n}", kind, cast, required, tuple(sorted((*options, *extra))))
        for n, (cast, kind, options, required, extra) in enumerate(casts)
    )
    target = TargetTable("public", "t", tuple(TargetColumn(c.target, c.type, c.required) for c in columns))
    return TablePlan("s", table, target, columns, (), 0)


def fields(stream, count):
    """Split a binary COPY stream without header into rows of fields."""
    at, found = 0, []
    while at < len(stream):
        assert struct.unpack_from(">h", stream, at) == (count,)
        at += 2
        row = []
        for _ in range(count):
            (size,) = struct.unpack_from(">i", stream, at)
            at += 4
            row.append(None if size < 0 else bytes(stream[at : at + size]))
            at += max(size, 0)
        found.append(row)
    return found


def compare(path, plan):
    cast = RowCast(plan)
    encoders = [binary.encoder(c.type) for c in plan.columns]
    expected, refused = {}, {}
    with sqlite.open_snapshot(path) as connection:
        for locator, row in rows(connection, plan.table):
            try:
                texts = cast(row)
            except RowError as error:
                refused[locator] = (error.column, error.code, error.reason)
                continue
            expected[locator] = [None if t is None else e(t) for t, e in zip(texts, encoders, strict=True)]
        encoder = Encoder(plan, staged=True)
        found, rejects = {}, {}
        for ordinal, batch in enumerate(encoder.batches(path)):
            split = fields(batch.stream, len(plan.columns) + 2)
            locators = np.frombuffer(batch.locators, np.int64)
            settled = np.frombuffer(batch.settled, np.bool_)
            assert [int.from_bytes(row[0], "big", signed=True) for row in split] == locators[settled].tolist()
            assert {int.from_bytes(row[1], "big") for row in split} <= {ordinal}
            found.update({int.from_bytes(row[0], "big", signed=True): row[2:] for row in split})
            for locator, row in pick(connection, plan.table, set(locators[~settled].tolist())):
                try:
                    (single,) = fields(encoder.one(locator, ordinal, row)[0], len(plan.columns) + 2)
                    found[locator] = single[2:]
                except RowError as error:
                    rejects[locator] = (error.column, error.code, error.reason)
    assert found == expected
    assert rejects == refused
    assert encoder.mapped >= cast.mapped if plan.columns else True


@pytest.mark.parametrize("case", CASTS, ids=lambda c: f"{c[0]}-{c[1].sql}-{len(c[2])}")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(column=st.lists(values, min_size=1, max_size=40))
@example(column=[])
def test_one_column_of_anything(tmp_path, case, column):
    path = file_with(tmp_path / "s.sqlite", [column or [None]])
    compare(path, plan_for(path, [(*case, False, ())]))


FITTING = {
    "text": st.text(max_size=30).filter(lambda s: "\x00" not in s),
    "uuid": uuids,
    "moment": moments,
    "json": documents,
    "integer": st.integers(-(1 << 63), (1 << 63) - 1),
    "boolean": st.sampled_from([0, 1, 1, 0, 2]),
    "float": st.floats(allow_nan=False),
}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), without_rowid=st.booleans())
def test_whole_rows_of_many_columns(tmp_path, data, without_rowid):
    """Columns beside each other: rejects name the first column, NULLs and stand-ins keep their places."""
    count = data.draw(st.integers(1, 4))
    casts, columns = [], []
    size = data.draw(st.integers(1, 30))
    for _ in range(count):
        cast, kind, options = data.draw(st.sampled_from(CASTS))
        extra = (
            (("value", "9"),) if cast in ("text", "integer") and kind.kind != "e" and data.draw(st.booleans()) else ()
        )
        casts.append((cast, kind, options, data.draw(st.booleans()), extra))
        fitting = FITTING.get(cast, values)
        value = st.one_of(fitting, fitting, fitting, st.none(), values)
        columns.append(data.draw(st.lists(value, min_size=size, max_size=size)))
    path = file_with(tmp_path / "s.sqlite", columns, without_rowid)
    compare(path, plan_for(path, casts))


def test_a_value_that_many_columns_of_wide_tables_read(tmp_path):
    count = 600
    path = file_with(tmp_path / "s.sqlite", [["a", "b", 7]] * count)
    compare(path, plan_for(path, [("text", T("text", "text"), (), False, ())] * count))


def test_more_rows_than_a_unit_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "UNIT_ROWS", 2_048)
    path = file_with(tmp_path / "s.sqlite", [list(range(5_000)), [None, "x"] * 2_500])
    casts = [("integer", T("int4", "integer"), (), True, ()), ("text", T("text", "text"), (), False, ())]
    compare(path, plan_for(path, casts))
