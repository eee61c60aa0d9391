"""Documents: what the compiled loader calls settled is a document that jsonb takes and keeps."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from howdah.native.rows import Rows
from howdah.native.snapshot import Snapshot
from howdah.vector.fields import Field, Kind

# Parts of documents, or what looks like one.
PIECES = [
    '{"a":1',
    '"b":2}',
    "1,2",
    "1,2,3",
    "[3",
    "4]",
    '"x',
    'y"',
    "",
    " ",
    "]",
    "[",
    '":',
    "{}",
    "[1]",
    '{"a":"\\u0022:"}',
]


def unique(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(names)
    return dict(pairs)


def fits(text):
    try:
        json.loads(text, object_pairs_hook=unique)
    except ValueError:
        return False
    return True


@pytest.fixture(scope="module")
def settled(tmp_path_factory):
    """Return a function that says which texts are settled as jsonb."""
    path = tmp_path_factory.mktemp("documents") / "s.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (v BLOB)")
        connection.commit()

        def ask(texts, kind=Kind.JSONB):
            connection.execute("DELETE FROM t")
            connection.executemany("INSERT INTO t VALUES (?)", [(text,) for text in texts])
            connection.commit()
            query = "SELECT rowid, v FROM t ORDER BY rowid"
            with closing(Rows(Snapshot(path.as_uri()), query, [Field(0, kind)])) as rows:
                return np.frombuffer(rows.read(1_000, 1 << 20).settled, np.bool_).tolist()

        yield ask


documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
).map(json.dumps)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(documents | st.sampled_from(PIECES) | st.text('[]{},:"01-+.eE\\\\u tn'), min_size=1, max_size=12))
def test_what_is_settled_is_a_document(settled, texts):
    for text, good in zip(texts, settled(texts), strict=True):
        assert not good or fits(text), text


def test_plain_documents_are_settled_without_a_second_look(settled):
    texts = [
        '{"a":1,"b":[{"a":"x"},{"a":"y"}]}',
        '["\\"a\\":"]',
        '{"é":"\\u00e9\\ud83d\\ude00"}',
        "-1.5e3",
        "null",
        None,
    ]
    texts += [' { "a" : [ 1 , 2 ] , "b" : { } } ', "[" * 60 + "]" * 60, json.dumps({str(n): n for n in range(250)})]
    assert all(settled(texts))


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a":1,"\\u0061":2}',
        '{"a" :1,"a" :2}',
        '{"b":{"a":1,"a":2}}',
        '{"b":{},"a":1,"b":2}',
        '"\\u0000"',
        '"\\ud83d"',
        '"\\ude00\\ud83d"',
        '"\x00"',
        "[" * 66 + "]" * 66,
        json.dumps({str(n): n for n in range(257)}),
        *(
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "NaN",
            "tru",
            '"a\tb"',
            '"\\x"',
            "[1,]",
            '{"a":1,}',
            "{} {}",
            "\ufeff1",
            "",
            " ",
        ),
    ],
)
def test_what_jsonb_would_lose_or_refuse_gets_a_second_look(settled, text):
    assert settled([text, "{}", '{"b":1}']) == [False, True, True]


def test_json_keeps_both_of_two_equal_keys(settled):
    assert settled(['{"a":1,"a":2}', "{bad"], Kind.JSON) == [True, False]
