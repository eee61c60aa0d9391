"""A run that somebody watches from another machine, through a folder: lines there, and an end when nobody looks."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from howdah.progress import Lines, Progress

LINES, PROCESS, SEEN = "lines", "pid", "seen"
"""Files of the folder: what is told; who tells it; touched by the one who watches, whenever they look."""

PATIENCE = 60.0
"""Seconds without a look after which the run is stopped: who started it is gone, and nobody else would."""


@contextmanager
def watched(folder: Path, interval: float, patience: float = PATIENCE) -> Iterator[Progress]:
    """Give a progress that writes lines into a folder; needs :func:`howdah.stopping.stoppable` around it.

    When nobody looked for long enough, this process gets SIGTERM, and the folder is removed.

    :param folder: made by the one who watches, who also removes it.
    :param interval: seconds between two lines.
    :param patience: seconds.
    """
    over = threading.Event()
    guard = threading.Thread(target=_guard, args=(folder, over, patience), name="howdah-watched", daemon=True)
    with (folder / LINES).open("a", encoding="utf-8", buffering=1) as stream:
        (folder / PROCESS).write_text(f"{os.getpid()}\n", encoding="ascii")
        guard.start()

        def write(line: str) -> None:
            stream.write(f"{line}\n")

        try:
            yield Lines(write, interval)
        finally:
            over.set()
            guard.join()


def _guard(folder: Path, over: threading.Event, patience: float) -> None:
    last, since = None, time.monotonic()
    while not over.wait(min(1.0, patience / 4)):
        seen = _seen(folder)
        if seen != last:
            # Only that it changed counts: the clock of a host may be set back or forth.
            last, since = seen, time.monotonic()
        elif time.monotonic() - since > patience:
            shutil.rmtree(folder, ignore_errors=True)
            os.kill(os.getpid(), signal.SIGTERM)
            return


def _seen(folder: Path) -> int | None:
    try:
        return (folder / SEEN).stat().st_mtime_ns
    except OSError:
        return None
