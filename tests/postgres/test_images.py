"""Images of rows without a key, made before the rows are sent: the same that the server makes of them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from howdah import ownership, pg
from howdah.catalog import sqlite
from howdah.catalog.model import TargetColumn, TargetTable, TargetType
from howdah.conditions import image_digest
from howdah.native.rows import image
from howdah.pg import copy_binary
from howdah.pipeline import Request, migrate
from howdah.plan import ColumnPlan, TablePlan
from howdah.reading import rows
from howdah.rowcast import RowError
from howdah.vector import encode

T = TargetType
COLUMNS = {
    "a": ("text", T("text", "text")),
    "b": ("json", T("jsonb", "jsonb")),
    "c": ("integer", T("int8", "bigint")),
    "d": ("float", T("float8", "double precision")),
    "e": ("moment", T("timestamptz", "timestamp with time zone")),
    "f": ("uuid", T("uuid", "uuid")),
    "g": ("boolean", T("bool", "boolean")),
    "h": ("bytea", T("bytea", "bytea")),
    "i": ("integer", T("int2", "smallint")),
    "j": ("float", T("float4", "real")),
    "k": ("moment", T("date", "date")),
    "l": ("time", T("time", "time without time zone")),
    "m": ("text", T("varchar", "character varying(9)", length=9)),
    "n": ("json", T("json", "json")),
}
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=9)
numbers = st.integers(-(10**25), 10**25).map(str)
numbers |= st.from_regex(r"\A-?(0|[1-9][0-9]{0,5})\.[0-9]{1,8}\Z", fullmatch=True)
documents = st.recursive(
    st.none() | st.booleans() | texts | numbers.map(lambda text: float(text) if len(text) < 15 else int(float(text))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=12,
)
written = st.builds(json.dumps, documents, ensure_ascii=st.booleans(), indent=st.sampled_from([None, 1])) | numbers
ROW = st.tuples(
    *(st.none() | kind for kind in (texts, written, st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))),
    st.datetimes().map(str) | st.none(),
    st.uuids().map(str) | st.none(),
    st.sampled_from([0, 1, None]),
    st.binary(max_size=40) | st.none(),
    st.integers(-(2**15), 2**15 - 1),
    st.floats(allow_nan=False, width=32),
    st.dates().map(str),
    st.times().map(str),
    texts,
    written,
)


def number(kept):
    """Return an image that is kept as a row of a COPY stream."""
    assert kept[:6] == b"\x00\x01\x00\x00\x00\x08"
    return int.from_bytes(kept[6:], "big", signed=True)


@pytest.fixture(scope="module")
def numbered():
    return count()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.lists(ROW, min_size=1, max_size=20))
@example(
    content=[(None, '{"b":[1.50,-0,-0.00,{"é":"\\u00e9\\/\\u001f\\b"}],"aa":{},"a":[]}', *[None] * 6, 0, 0.0, *"2345")]
)
@example(content=[(None, '{"\\u0061": 1}', *[None] * 6, 0, 0.0, *"2345"), (None, "1e3", *[None] * 6, 0, 0.0, *"2345")])
def test_the_server_makes_the_same_image(database, tmp_path, numbered, content):
    path = tmp_path / f"{next(numbered)}.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE t ({', '.join(COLUMNS)})")
        connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(COLUMNS))})", content)
        connection.commit()
    columns = tuple(ColumnPlan(name, name, kind, cast) for name, (cast, kind) in COLUMNS.items())
    target = TargetTable("pg_temp", "t", tuple(TargetColumn(c.target, c.type) for c in columns))
    plan = TablePlan("s", sqlite.read(path).tables[0], target, columns, (), 1)
    encoder = encode.Encoder(plan, staged=False, imaged=True)
    made, streams = {}, {}
    for batch in encoder.batches(path):
        stream, keys = bytes(batch.stream), bytes(batch.keys)
        assert len(keys) == 14 * sum(batch.settled)
        if batch.imaged:
            streams["settled"] = stream
            made["settled"] = [number(keys[at : at + 14]) for at in range(0, len(keys), 14)]
    streams["single"], made["single"] = b"", []
    with sqlite.open_snapshot(path) as connection:
        for locator, row in rows(connection, plan.table):
            try:
                stream, key = encoder.one(locator, 0, row)
            except RowError:
                continue
            if image(stream, encoder._oids) is not None:
                streams["single"] += stream
                made["single"].append(number(key))
    with pg.connect(database.dsn) as connection, connection.transaction():
        for name, stream in streams.items():
            kinds = ", ".join(f"{c} {kind.sql}" for c, (_, kind) in COLUMNS.items())
            connection.execute(f"CREATE TEMP TABLE t_{name} ({kinds}) ON COMMIT DROP")
            copy_binary(connection, f"COPY t_{name} FROM STDIN (FORMAT BINARY)", stream)
            found = connection.execute(f"SELECT {image_digest(tuple(COLUMNS))} FROM t_{name} ORDER BY ctid").fetchall()
            assert [value for (value,) in found] == made[name]


def test_images_of_a_large_table_are_kept_as_they_were_sent(database, make_source, monkeypatch):
    source = make_source(
        "CREATE TABLE log (at DATETIME, doc JSON, v TEXT)",
        log=[("2024-01-01 00:00:00", json.dumps({"n": n, "a": [n]}), f"{n % 7}") for n in range(25_000)],
    )
    request = Request((source,), database.dsn)
    with monkeypatch.context() as patched:
        patched.setattr(ownership, "record_images", None)
        assert migrate(request).verdict == "verified"
    kept = database.query("SELECT keys FROM howdah.chunk")
    found = {bytes(keys[at : at + 14])[6:] for (keys,) in kept for at in range(0, len(keys), 14)}
    digest = image_digest(("at", "doc", "v"))
    assert found == {bytes(row) for (row,) in database.query(f"SELECT int8send({digest}) FROM log")}


def test_images_that_the_server_does_not_make_are_not_kept(database, make_source, monkeypatch, change):
    source = make_source("CREATE TABLE log (v TEXT)", log=[(f"{n}",) for n in range(25_000)])
    request = Request((source,), database.dsn)
    with monkeypatch.context() as patched:
        patched.setattr(encode, "oids", lambda _: (1043,))
        assert migrate(request).verdict == "verified"
    database.query("INSERT INTO log VALUES ('theirs')")
    change(source, "DELETE FROM log WHERE v = '7'")
    assert migrate(request).verdict == "verified"
    assert database.value("SELECT count(*) FROM log") == 25_000
    assert database.value("SELECT count(*) FROM log WHERE v IN ('7', 'theirs')") == 1
