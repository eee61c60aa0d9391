"""Documents in whole columns: what is called settled is a document by itself, whatever stands beside it."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from howdah.vector.documents import settled

# Parts that are a document only together with their neighbours, or look like one.
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


documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
).map(json.dumps)


@given(st.lists(documents | st.sampled_from(PIECES) | st.none(), min_size=1, max_size=12))
def test_what_is_settled_is_a_document_by_itself(texts):
    found = settled(pa.array(texts, pa.string()), unique_keys=True)
    for text, good in zip(texts, found, strict=True):
        assert not good or text is None or fits(text)


def test_no_text_becomes_a_document_by_its_neighbours():
    assert not settled(pa.array(["1,2,3", "[3", "4]"]), unique_keys=True).any()


def test_plain_documents_are_settled_without_a_second_look():
    texts = ['{"a":1,"b":[{"a":"x"},{"a":"y"}]}', '["\\"a\\":"]', '{"é":"\\u00e9"}', "-1.5", "null", None]
    assert settled(pa.array(texts, pa.string()), unique_keys=True).all()


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a":1,"\\u0061":2}',
        '{"a" :1,"a" :2}',
        '{"a":1,"a":2,"b":"x\\"\\u003a"}',
        '{"a":1,"a":2,"b":"x\\"\\u003A"}',
        "1e999999",
        '["\\\\u",1e-20000]',
        '["\\\\u0",1E-20000]',
        '{"\\u00e9":10e-20000}',
        '"\\u0000"',
    ],
)
def test_what_jsonb_would_lose_or_refuse_gets_a_second_look(text):
    assert settled(pa.array([text, "{}", '{"b":1}'], pa.string()), unique_keys=True).tolist() == [False, True, True]
