"""Compiled code encodes values just as the verifier's rules do, or leaves them to those."""

from __future__ import annotations

import ctypes
import json
import sqlite3
import struct
from contextlib import closing

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from xxhash import xxh3_128_intdigest

from howdah.catalog import sqlite
from howdah.catalog.model import SourceTable, TargetColumn, TargetTable, TargetType
from howdah.native.snapshot import Snapshot
from howdah.native.sums import ExpectedRows, StoredRows, SumError
from howdah.plan import ColumnPlan, TablePlan
from howdah.reading import query, rows
from howdah.verify import readback
from howdah.verify.expect import Expectation, UnexpectedError
from howdah.verify.rules import Stored, kinds_of, rules_of
from howdah.wire import Wire

T = TargetType
UUIDS = ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "g0eebc99-9c0b-4ef8-bb6d-6bb9bd38"]
# What a column may be, and values of which compiled code has to decide all but so many.
COLUMNS = {
    "text": ("text", T("text", "text"), (), ["", " a ", "é", "nul\x00", 12, -(1 << 63), 0], 0),
    "char": ("text", T("bpchar", "character(5)"), (), ["ab  ", "  ", "ab", 7], 0),
    "enum": ("text", T("mood", "mood", kind="e"), (), ["sad"], 0),
    "integer": ("integer", T("int8", "bigint"), (), [0, -1, (1 << 63) - 1, -(1 << 63), 2.0, -0.0, 1e15], 0),
    "boolean": ("boolean", T("bool", "boolean"), (), [0, 1, 0.0, 1.0, "t", "TRUE", "No", "off", "yes", "N", "1"], 0),
    "double": ("float", T("float8", "double precision"), (), [0.0, -0.0, 0.1, 5e-324, 1e308, 7, 1 << 53], 0),
    "single": ("float", T("float4", "real"), (), [0.5, -0.0, 0.1, 16777217], 0),
    "numeric": (
        "numeric", T("numeric", "numeric"), (),
        [0, -0.0, 0.1, 1.5, 1e22, 5e-324, 0.1 + 0.2, 1.7976931348623157e308, -120, "1.50", "-1e3", "+007.10", 1 / 3], 1,
    ),
    "uuid": ("uuid", T("uuid", "uuid"), (), UUIDS, 2),
    "uuid_blob": ("uuid_blob", T("uuid", "uuid"), (), [*UUIDS, bytes(range(16))], 2),
    "uuid5": ("uuid5", T("uuid", "uuid"), (("namespace", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),), [*UUIDS, "p-1"], 3),
    "kept": ("uuid5_kept", T("text", "text"), (), [*UUIDS, "p-1"], 3),
    "bytea": ("bytea", T("bytea", "bytea"), (), [b"", b"\x00\xff"], 0),
    "json": ("json", T("json", "json"), (), ['{"a":  1}', "[]", 5], 0),
    "jsonb": (
        "json", T("jsonb", "jsonb"), (),
        ['{"b": [1, 2.50, -0.0, 1E5, 0], "a": null, "": {"x": true, "A": false}}', " [ ] ", "{}", "12",
         '"\\u00e9\\ud83d\\ude00\\n"', '{"aa": 1, "b": {"z": [], "a": {}}}', '[{"b": 1, "a": "\\"\\\\\\/"}]', '"é\x7f"',
         "10000000000000000000001"],
        0,
    ),
    "time": ("time", T("time", "time without time zone"), (), ["12:30", "23:59:59", "00:00:00.000001", "1:02"], 1),
    "moment": (
        "moment", T("timestamptz", "timestamptz"), (),
        ["2024-02-29", "2024-02-29T12:30", "2024-02-29 12:30:59.5",
         "1969-12-31T23:59:59,123456Z", "0001-01-01 00:00:00+15",
         "9999-12-31 23:59:59.999999-05:30", "2024-01-01 00:00:00.1234560 +0530"], 0,
    ),
    "local": ("moment", T("timestamp", "timestamp"), (), ["2024-02-29 12:30:59.000001"], 0),
    "day": ("moment", T("date", "date"), (), ["2024-02-29", "1900-03-01", "2000-01-01T00:00:00"], 0),
    **{
        f"{clock}-{kind}":
            ("moment", T(kind, kind), (("unit", clock),), [0, one, -one, one + 0.5, 1.0, "2024-02-29"], odd)
        for clock, one, kind, odd in (
            ("epoch_s", 1_700_000_000, "timestamptz", 0), ("epoch_ms", 1_700_000_000_123, "timestamp", 0),
            ("epoch_us", 1_700_000_000_123_456, "timestamptz", 1),
            ("epoch_ns", 1_700_000_000_123_456_000, "timestamptz", 1),
            ("apple_s", 700_000_000, "timestamptz", 0), ("filetime", 133_000_000_000_000_000, "timestamptz", 1),
        )
    },
    "cut": ("moment", T("timestamp", "timestamp", precision=3), (("truncate", "yes"), ("unit", "epoch_s")),
            ["2024-02-29 12:30:59.1239999", "1969-12-31 23:59:59.99999999", 1.0019, -0.0001, 1_700_000_000], 0),
    "julian": ("julian", T("timestamp", "timestamp"), (), ["2024-02-29"], 0),
}  # fmt: skip
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.sampled_from('ab"é\n'), max_size=3), inner),
    max_leaves=12,
)
values = st.one_of(
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.integers(-(10**10), 10**10),
    st.floats(allow_nan=False),
    st.integers(-(10**13), 10**13).map(lambda n: n / 1000),
    st.builds(lambda power, sign: sign * 2.0**power, st.integers(-1074, 1023), st.sampled_from([1, -1])),
    st.text(max_size=8),
    st.sampled_from([value for *_, some, _ in COLUMNS.values() for value in some]),
    st.sampled_from(
        [
            *("2023-02-30", "0000-00-00", "2024-01-01T24:00:00", "2024-01-01 00:00:60", "2024-01-01 1:2:3", "1e", ".5"),
            *("2024-01-01 00:00:00.1234567", "2024-01-01T12:30:00UTC", "2024-01-01 12:30-5", "24:00:00", "12:3", "5."),
            *("1e999999", "1_0", "NaN", "Infinity", "0x10", "1700000000", "1700000000.5", " 12"),
            *('{"a": 1, "a": 2}', '{"a": 1', "[1,]", "01", "[1] 2", '"\\ud83d"', '"\\u0000"', "+1", "[1.]", "nul"),
            *("[" * 70 + "]" * 70, json.dumps({str(n): n for n in range(600)}), "12:30:00.", "", "--1"),
            *("2024-01-01 12:30:00 ", '"\n"'),
        ]
    ),
    st.text(st.sampled_from("0123456789-:. TZ+e"), max_size=26),
    st.uuids().map(str),
    documents.map(json.dumps),
    documents.map(lambda document: json.dumps(document, ensure_ascii=False, indent=1)),
    st.binary(max_size=20),
)  # fmt: skip


def plan_of(path, name, **more):
    cast, kind, options, *_ = COLUMNS[name]
    table = sqlite.read(path).tables[0]
    target = TargetTable("public", "t", (TargetColumn("v", kind, False),))
    return TablePlan("s", table, target, (ColumnPlan("v", "v", kind, cast, options=options, **more),), (), 0)


def source(path, some):
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (v BLOB)")
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in some])
        connection.commit()
    return path


def encoded(plan, row):
    try:
        return Expectation(plan).fields(row)
    except UnexpectedError:
        return None


def check(path, plan):
    """Compare compiled code with the rules, row by row; return how many rows it left to them."""
    with closing(ExpectedRows(Snapshot(sqlite.snapshot_uri(path)), query(plan.table), rules_of(plan))) as found:
        before = odd = 0
        with sqlite.open_snapshot(path) as connection:
            for _, row in rows(connection, plan.table):
                found.read(1)
                if len(found.odd) > 8 * odd:
                    odd += 1
                    continue
                fields = encoded(plan, row)
                # Where the rules refuse a value, it may be anything that PostgreSQL cannot hold.
                if fields is not None:
                    assert (found.total - before) % 2**128 == xxh3_128_intdigest(b"".join(fields)), row
                before = found.total
        assert not found.read(1)
        assert len(found.odd) == 8 * odd
    return odd


@pytest.mark.parametrize("name", COLUMNS)
def test_usual_values_are_decided_by_compiled_code(tmp_path, name):
    *_, some, odd = COLUMNS[name]
    path = source(tmp_path / "a.db", [None, *some])
    assert check(path, plan_of(path, name)) == odd


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sums")


@pytest.mark.parametrize("name", COLUMNS)
@given(some=st.lists(values, min_size=1, max_size=30))
@settings(max_examples=15, deadline=None)
def test_whatever_is_decided_is_what_the_rules_say(folder, name, some):
    path = source(folder / f"{name}.db", some)
    check(path, plan_of(path, name))


@given(document=documents, flat=st.booleans())
@example(document={"b": {"d": 1, "c": [{}, []]}, "a": 0.1}, flat=True)
@settings(max_examples=60, deadline=None)
def test_documents_mean_the_same_on_both_sides(folder, document, flat):
    path = source(folder / "documents.db", [json.dumps(document)])
    plan = plan_of(path, "jsonb")
    other = json.dumps(document, sort_keys=True, ensure_ascii=flat, separators=(",", ":")).encode()
    with closing(ExpectedRows(Snapshot(sqlite.snapshot_uri(path)), query(plan.table), rules_of(plan))) as found:
        found.read(2)
        stored = stored_rows([stream([b"\x01" + other])], plan)
        assert (found.rows, found.total) == (stored.rows, stored.total) == (1, found.total)


def test_a_constant_and_a_stand_in_are_expected_where_nothing_is(tmp_path):
    path = source(tmp_path / "a.db", [None, "x"])
    plan = plan_of(path, "text")
    column = ColumnPlan("v", "v", T("text", "text"), "text", options=(("value", "stand-in"),))
    constant = ColumnPlan("", "w", T("text", "text"), "text", options=(("value", "constant"),))
    plan = TablePlan("s", plan.table, plan.target, (column, constant), (), 0)
    assert check(path, plan) == 0


def test_rows_in_quarantine_are_left_out(tmp_path):
    path = source(tmp_path / "a.db", list(range(100)))
    plan = plan_of(path, "integer")
    waiting = struct.pack("<3q", 7, 50, 100)
    rows_ = ExpectedRows(Snapshot(sqlite.snapshot_uri(path)), query(plan.table), rules_of(plan), waiting)
    assert not rows_.read(1000)
    assert (rows_.rows, rows_.odd) == (97, waiting)
    rows_.close()


def test_a_file_that_is_damaged_is_said_so(tmp_path):
    path = source(tmp_path / "a.db", [f"{n:0300}" for n in range(1000)])
    plan = plan_of(path, "text")
    raw = bytearray(path.read_bytes())
    raw[4096 * 20 : 4096 * 60] = b"\xa5" * 4096 * 40
    path.write_bytes(raw)
    found = ExpectedRows(Snapshot(sqlite.snapshot_uri(path)), query(plan.table), rules_of(plan))
    with closing(found), pytest.raises(SumError, match="malformed"):
        found.read(1000)


def stream(row, *, head=True, end=True):
    """Return a binary COPY stream of one row; ``None`` is NULL."""
    body = b"".join(b"\xff" * 4 if one is None else len(one).to_bytes(4, "big") + one for one in row)
    parts = [b"PGCOPY\n\xff\r\n\x00" + bytes(8) if head else b"", len(row).to_bytes(2, "big") + body]
    return b"".join(parts) + (b"\xff\xff" if end else b"")


class Server:
    """Gives messages to compiled code as libpq does."""

    def __init__(self, messages):
        self._left = [ctypes.create_string_buffer(one, len(one)) for one in messages]
        self._given = []
        self._get = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int)(
            self.get
        )
        self._release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
        functions = [ctypes.cast(one, ctypes.c_void_p).value for one in (self._get, self._release)]
        self.wire = Wire(0, *functions)

    def get(self, _, place, __):
        if not self._left:
            return -1
        self._given.append(self._left.pop(0))
        place[0] = ctypes.addressof(self._given[-1])
        return len(self._given[-1])


def stored_rows(messages, plan, kinds=None):
    server = Server(messages)
    found = StoredRows(server.wire, kinds or kinds_of(plan))
    while found.read(2):
        pass
    return found


STORED = {
    "text": (T("text", "text"), ["é ".encode(), b""], 0),
    "char": (T("bpchar", "character(5)"), [b"ab   "], 0),
    "int2": (T("int2", "smallint"), [struct.pack(">h", n) for n in (0, -1, -32768, 32767)], 0),
    "int4": (T("int4", "integer"), [struct.pack(">i", n) for n in (0, -1, -(1 << 31))], 0),
    "int8": (T("int8", "bigint"), [struct.pack(">q", n) for n in (0, -1, -(1 << 63), (1 << 63) - 1)], 0),
    "bool": (T("bool", "boolean"), [b"\x00", b"\x01"], 0),
    "float8": (T("float8", "double precision"), [struct.pack(">d", n) for n in (0.0, -0.0, 0.1, float("nan"))], 0),
    "float4": (T("float4", "real"), [struct.pack(">f", n) for n in (0.0, -0.0, 0.1)], 0),
    "uuid": (T("uuid", "uuid"), [bytes(range(16))], 0),
    "bytea": (T("bytea", "bytea"), [b"", b"\x00"], 0),
    "timestamptz": (T("timestamptz", "timestamptz"), [struct.pack(">q", n) for n in (0, -1, (1 << 63) - 1)], 0),
    "timestamp": (T("timestamp", "timestamp"), [struct.pack(">q", 5)], 0),
    "date": (T("date", "date"), [struct.pack(">i", -5)], 0),
    "time": (T("time", "time"), [struct.pack(">q", 5)], 0),
    "jsonb": (T("jsonb", "jsonb"), [b'\x01{"a": [1, "\\u00e9"], "bb": 1e3}', b"\x01[NaN]"], 1),
    "numeric": (
        T("numeric", "numeric"),
        [struct.pack(f">hhHH{len(g)}h", len(g), w, sign, 2, *g)
         for g, w, sign in (((), 0, 0), ((1, 5000), 0, 0x4000), ((12,), -3, 0), ((9999, 0, 1), 1, 0), ((), 0, 0xC000))],
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STORED)
def test_what_postgresql_holds_is_decoded_as_row_by_row(name):
    kind, some, odd = STORED[name]
    plan = TablePlan("s", SourceTable("t", ()), TargetTable("public", "t", ()), (ColumnPlan("", "v", kind, ""),), (), 0)
    decoder = readback.decoder(kind)
    left = 0
    for value in [*some, None]:
        row = stream([value], head=False, end=False)
        found = stored_rows([stream([value])], plan)
        if apart := found.take_odd():
            assert apart == [row]
            left += 1
        else:
            fields = [readback.encoding.NULL if value is None else decoder(value)]
            assert (found.rows, found.total) == (1, xxh3_128_intdigest(b"".join(fields)))
    assert left == odd


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([b"no COPY at all, whatever"], "not as they were asked for"),
        ([stream([b"a"]), stream([b"b"], head=False)], "not as they were asked for"),
        ([stream([b"a", b"b"])], "not as they were asked for"),
        ([stream([b"abc"], end=False)[:-1]], "not as they were asked for"),
        ([stream([b"abc"], end=False)], "cut short"),
        ([], "cut short"),
    ],
)
def test_a_stream_that_is_not_whole_is_no_sum(messages, message):
    with pytest.raises(SumError, match=message):
        stored_rows(messages, None, [Stored.TEXT])


def test_the_order_of_rows_means_nothing_and_their_number_does():
    one, other = stream([b"a"], end=False), stream([b"b"], end=False)
    rest = [stream([b"b"], head=False), stream([b"a"], head=False)]
    kinds = [Stored.TEXT]
    assert stored_rows([one, rest[0]], None, kinds).total == stored_rows([other, rest[1]], None, kinds).total
    assert stored_rows([one, rest[1]], None, kinds).total != stored_rows([other, rest[0]], None, kinds).total
