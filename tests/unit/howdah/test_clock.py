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


def test_a_stage_that_fails_is_counted():
    clock = Clock()
    with pytest.raises(OSError, match="disk"), clock.stage("snapshot"):
        raise OSError("disk full")
    assert list(clock.stages) == ["snapshot"]
