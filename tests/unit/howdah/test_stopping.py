"""A signal unwinds a run like Ctrl-C, once, and only while it runs."""

from __future__ import annotations

import os
import signal

import pytest

from howdah.stopping import Stopped, stoppable


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_unwinds_and_a_second_one_does_not_disturb(number):
    was = signal.signal(number, signal.SIG_DFL)  # under nohup it would be ignored
    before = signal.getsignal(number)
    unwound = []

    def run():
        with stoppable():
            try:
                os.kill(os.getpid(), number)
            finally:
                os.kill(os.getpid(), number)
                unwound.append(True)

    try:
        with pytest.raises(Stopped, match=signal.Signals(number).name):
            run()
        assert unwound == [True]
        assert signal.getsignal(number) is before
    finally:
        signal.signal(number, was)


def test_a_signal_that_the_process_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
