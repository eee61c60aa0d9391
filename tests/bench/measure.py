"""Runs one command and says what it cost."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY = 0.05  # seconds


@dataclass(frozen=True)
class Usage:
    """What a command cost.

    :ivar seconds: from start to end, interpreter and imports included.
    :ivar client_cpu: CPU seconds of the command and its children.
    :ivar server_cpu: CPU seconds of the server meanwhile.
    :ivar peak: bytes; largest sum of the proportional set sizes of all its processes, sampled.
    :ivar stopped: it was ended because it took too long.
    :ivar tail: the end of what it printed.
    """

    seconds: float
    client_cpu: float
    server_cpu: float
    peak: int
    exit_code: int
    stopped: bool
    tail: str


def measure(
    command: Sequence[str], environment: Mapping[str, str], limit: float, server_cpu: Callable[[], float]
) -> Usage:
    """Run a command in a session of its own and return what it cost.

    :param environment: variables besides those of this process.
    :param limit: seconds after which the whole session is killed.
    """
    with tempfile.TemporaryFile() as output:
        before = server_cpu()
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        memory = _Memory(process.pid)
        try:
            ended = _ends(process.pid, limit)
            seconds = time.monotonic() - started
        finally:
            memory.stop()
            # Also what the command left running.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        _, status, used = os.wait4(process.pid, 0)
        # The object is told what was waited for behind its back.
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(max(output.seek(0, os.SEEK_END) - 2000, 0))
        tail = output.read().decode(errors="replace").strip()
    return Usage(
        seconds=seconds,
        client_cpu=used.ru_utime + used.ru_stime,
        server_cpu=server_cpu() - before,
        peak=memory.peak,
        exit_code=process.returncode,
        stopped=not ended,
        tail=tail,
    )


def _ends(process: int, limit: float) -> bool:
    """Wait for a child without reaping it; return whether it ended in time."""
    watch = os.pidfd_open(process)
    try:
        return bool(select.select([watch], [], [], limit)[0])
    finally:
        os.close(watch)


class _Memory:
    """Samples a process and its descendants until it is told to stop."""

    def __init__(self, process: int) -> None:
        self.peak = 0
        self._process = process
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End sampling."""
        self._stopped.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            self.peak = max(self.peak, sum(_memory(one) for one in _tree(self._process)))
            if self._stopped.wait(SAMPLE_EVERY):
                return


def _tree(process: int) -> list[int]:
    """Return a process and its descendants."""
    found, waiting = [], [process]
    while waiting:
        one = waiting.pop()
        found.append(one)
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                with suppress(OSError):
                    waiting += [int(child) for child in (task / "children").read_text().split()]
    return found


def _memory(process: int) -> int:
    """Return the proportional set size in bytes: what is shared is divided among those who share it."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
