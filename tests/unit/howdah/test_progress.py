"""Progress: what is added up, and what a log is told."""

from __future__ import annotations

import pytest

from howdah.progress import Event, Lines, Meter


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_tables_worked_on_at_the_same_time_add_up(clock):
    meter = Meter(clock)
    meter.add(Event("load", total=300))
    clock.now += 2
    meter.add(Event("load", "shop", "a", 50, 100, 5_000))
    meter.add(Event("load", "other", "a", 20, 200, 1_000))
    reading = meter.add(Event("load", "shop", "a", 80, 100, 9_000))
    assert (reading.done, reading.total, reading.bytes) == (100, 300, 10_000)
    assert (reading.rows_per_second, reading.bytes_per_second, reading.seconds_left) == (50, 5_000, 4)


def test_a_new_stage_starts_from_nothing(clock):
    meter = Meter(clock)
    meter.add(Event("load", total=10))
    meter.add(Event("load", "shop", "a", 10, 10, 99))
    clock.now += 5
    reading = meter.add(Event("verify", total=10))
    assert (reading.done, reading.bytes, reading.seconds, reading.seconds_left) == (0, 0, 0, None)


def test_a_table_that_is_tried_again_is_not_counted_twice(clock):
    meter = Meter(clock)
    meter.add(Event("load", "shop", "a", 10, 10))
    meter.add(Event("load", "shop", "a", 4, 10))
    assert meter.add(Event("load", "shop", "a", 10, 10)).done == 10


def test_more_rows_than_were_announced_never_leave_a_negative_rest(clock):
    meter = Meter(clock)
    meter.add(Event("load", total=5))
    clock.now += 1
    reading = meter.add(Event("load", "shop", "a", 9, 9))
    assert (reading.done, reading.total, reading.seconds_left) == (9, 9, 0)


def test_a_short_run_says_nothing_in_a_log(clock):
    said: list[str] = []
    lines = Lines(said.append, interval=10, clock=clock)
    for stage in ("snapshot", "profile", "create", "load", "indexes", "verify"):
        lines(Event(stage))
        clock.now += 1.6
    assert said == []


def test_a_long_run_says_now_and_then_where_it_is(clock):
    said: list[str] = []
    lines = Lines(said.append, interval=10, clock=clock)
    lines(Event("snapshot", "shop"))
    clock.now += 12
    lines(Event("profile", "shop"))
    lines(Event("load", total=1_000))
    for done in range(0, 1_001, 10):
        lines(Event("load", "shop", "orders", done, 1_000, done * 100_000))
        clock.now += 0.25
    assert said == [
        "profile: shop",
        "load: orders, 400 of 1,000 rows, 40 rows/s, 4.0 MB/s, 15 s left",
        "load: orders, 800 of 1,000 rows, 40 rows/s, 4.0 MB/s, 5 s left",
    ]
