"""Where the time of a run goes."""

from __future__ import annotations

import time

import pytest

from howdah.clock import Clock


def test_a_stage_that_is_entered_again_is_added_up():
    clock = Clock()
    for _ in range(2):
        with clock.stage("plan"):
            time.sleep(0.01)
    assert 0.02 <= clock.stages["plan"] <= clock.total


def test_what_two_stages_did_side_by_side_counts_once():
    clock = Clock()
    clock.stages |= {"prepare": 5.0, "restore": 1.0}
    clock.give(3.0, of="prepare", to="restore")
    assert clock.stages == {"prepare": 2.0, "restore": 4.0}


def test_a_stage_that_fails_is_counted():
    clock = Clock()
    with pytest.raises(OSError, match="disk"), clock.stage("snapshot"):
        raise OSError("disk full")
    assert list(clock.stages) == ["snapshot"]
