"""Copies a file, and digests the copy while more is copied and after."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from errno import EDQUOT, ENOSPC
from functools import partial
from pathlib import Path

from blake3 import blake3

# Bytes that are copied, and that are read, at once.
_STEP, _BLOCK = 64 << 20, 4 << 20


def copy(raw: int, target: Path) -> None:
    """Copy an open file.

    :raises OSError: it cannot be read or written.
    """
    for _ in _moved(raw, target):
        pass


def copy_digested(raw: int, target: Path) -> Callable[[], str]:
    """Copy an open file; return what waits for the copy's BLAKE3 digest, and returns it as hexadecimal digits.

    :raises OSError: it cannot be read or written.
    """
    digest = blake3()
    # Below one step a second thread costs more than it saves.
    if os.fstat(raw).st_size <= _STEP:
        copy(raw, target)
        return partial(digest_of, target)
    parts: list[Future[None]] = []
    pool = ThreadPoolExecutor(1, "digest")
    try:
        parts.extend(pool.submit(_add, digest, target, *part) for part in _moved(raw, target))
    finally:
        # What was begun goes on.
        pool.shutdown(wait=False)

    def result() -> str:
        for part in parts:
            part.result()
        return digest.hexdigest()

    return result


def digest_of(path: Path) -> str:
    """Return the BLAKE3 digest of a file as hexadecimal digits.

    :raises OSError: it cannot be read.
    """
    digest = blake3()
    with path.open("rb", buffering=0) as stream:
        _read(digest, stream.fileno(), 0, os.fstat(stream.fileno()).st_size)
    return digest.hexdigest()


def _moved(raw: int, target: Path) -> Iterator[tuple[int, int]]:
    """Copy, and yield where each part that is there now begins, and its size."""
    at, whole = 0, os.fstat(raw).st_size
    with target.open("wb", buffering=0) as stream:
        target.chmod(0o600)
        while at < whole:
            try:
                moved = os.copy_file_range(raw, stream.fileno(), min(whole - at, _STEP), at, at)
            except OSError as error:
                if error.errno in (ENOSPC, EDQUOT):
                    raise
                # Old kernels refuse between file systems.
                stream.seek(at)
                moved = os.sendfile(stream.fileno(), raw, at, min(whole - at, _STEP))
            if not moved:
                return
            yield at, moved
            at += moved


def _add(digest: blake3, target: Path, at: int, size: int) -> None:
    """Add a part of a file to a digest."""
    with target.open("rb", buffering=0) as stream:
        _read(digest, stream.fileno(), at, size)


def _read(digest: blake3, file: int, at: int, size: int) -> None:
    buffer = memoryview(bytearray(min(_BLOCK, size)))
    end = at + size
    while at < end:
        count = os.preadv(file, [buffer[: end - at]], at)
        if not count:
            return
        digest.update(buffer[:count])
        at += count
