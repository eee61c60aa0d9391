"""Threads take turns with connections where the server lets no more in."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from howdah.errors import TargetRefused
from howdah.turns import Turns


def test_another_one_is_made_only_where_none_is_idle():
    made = []
    turns = Turns(0, lambda: made.append(1) or len(made))
    with turns.one() as first:
        with turns.one() as second:
            assert (first, second) == (0, 1)
        with turns.one() as again:
            assert again == 1
    assert len(made) == 1


def test_who_gets_none_waits_for_one():
    refused = threading.Event()

    def another():
        refused.set()
        raise TargetRefused("Full.")

    turns = Turns(0, another)

    def use():
        with turns.one() as taken:
            return taken

    with ThreadPoolExecutor(1) as pool:
        with turns.one():
            waiting = pool.submit(use)
            assert refused.wait(10)
            assert not waiting.done()
        assert waiting.result(10) == 0


def test_one_that_was_in_use_at_a_failure_is_given_back():
    turns = Turns(0, lambda: 1)
    with pytest.raises(ZeroDivisionError), turns.one():
        raise ZeroDivisionError
    with turns.one() as taken:
        assert taken == 0
