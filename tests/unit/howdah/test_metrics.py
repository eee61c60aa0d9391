"""Metrics files: read back as they were written, and never seen half."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howdah import metrics

names = st.from_regex(r"[a-z_][a-z0-9_]{0,20}", fullmatch=True)
figures = st.integers(-(10**14), 10**14).map(float) | st.sampled_from([0.0, 0.125, -2.5, 1234.567])
values = st.dictionaries(names, st.tuples(st.just("Help."), figures))
# What the exposition format escapes, and what it takes as it is.
label_values = st.text(st.sampled_from('ab {}=",\\\n#é0'), max_size=12)


@given(values, st.dictionaries(names, label_values, max_size=3))
def test_values_are_read_back(tmp_path_factory, given_values, labels):
    path = tmp_path_factory.mktemp("metrics") / "some.prom"
    metrics.write(path, metrics.render(given_values, labels))
    assert metrics.read(path) == {name: value for name, (_, value) in given_values.items()}


@given(label_values)
def test_a_labels_value_is_escaped_so_that_it_can_be_read_back(value):
    line = metrics.render({"m": ("Help.", 1.0)}, {"l": value}).splitlines()[-1]
    quoted = re.fullmatch(r'm\{l="((?:[^"\\\n]|\\["\\n])*)"\} 1', line)[1]
    assert re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), quoted) == value


def test_a_timestamp_keeps_its_seconds():
    assert metrics.render({"m": ("Help.", 1_795_312_345.0)}, {}).splitlines()[-1] == "m{} 1795312345"


def test_every_metric_has_its_help_and_type_before_it():
    text = metrics.render({"a": ("One.", 1.0), "b": ("Two.", 0.5)}, {"x": "y"})
    assert text.splitlines() == [
        "# HELP a One.",
        "# TYPE a gauge",
        'a{x="y"} 1',
        "# HELP b Two.",
        "# TYPE b gauge",
        'b{x="y"} 0.5',
    ]
    assert text.endswith("\n")


def test_no_file_has_no_values(tmp_path):
    assert metrics.read(tmp_path / "none.prom") == {}


def test_the_collector_may_read_what_is_written(tmp_path):
    path = tmp_path / "new" / "some.prom"
    metrics.write(path, "a{} 1\n")
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_reader_of_the_old_file_keeps_the_old_content(tmp_path):
    path = tmp_path / "some.prom"
    metrics.write(path, "a{} 1\nb{} 2\n")
    with path.open() as reader:
        metrics.write(path, "a{} 3\n")
        assert reader.read() == "a{} 1\nb{} 2\n"
    assert metrics.read(path) == {"a": 3.0}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "some.prom"
    metrics.write(path, "a{} 1\n")
    with pytest.raises(UnicodeEncodeError):
        metrics.write(path, "a{} 2\n" * 10_000 + "\udcff")
    assert metrics.read(path) == {"a": 1.0}
    assert list(tmp_path.iterdir()) == [path]
