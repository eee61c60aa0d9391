"""A run that is told to stop, unwinds: statements are cancelled, transactions rolled back, snapshots removed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """Somebody ended the process; a kind of Ctrl-C, so that libraries cancel what they wait for."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into :class:`Stopped` while the block runs; for the main thread only.

    A process that ignores one of them (nohup) goes on ignoring it.
    """

    def stop(number: int, _: FrameType | None) -> None:
        # Once: a second signal must not interrupt the unwinding.
        for each in handled:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(signal.Signals(number).name)

    handled = {number: signal.getsignal(number) for number in _SIGNALS}
    handled = {number: handler for number, handler in handled.items() if handler is not signal.SIG_IGN}
    for number in handled:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
