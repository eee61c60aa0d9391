"""Copies a file and says what the copy's digest is: what is written is read again while more is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from errno import EDQUOT, ENOSPC
from hashlib import sha256
from pathlib import Path
from typing import Any

# Bytes that are copied, and that are read, at once.
_STEP, _BLOCK = 16 << 20, 1 << 20


def copy(raw: int, target: Path) -> str:
    """Copy an open file, and return the SHA-256 of the copy as hexadecimal digits.

    :raises OSError: it cannot be read or written.
    """
    digest = sha256()
    with target.open("w+b", buffering=0) as stream:
        target.chmod(0o600)
        # Below one step a second thread costs more than it saves.
        if os.fstat(raw).st_size <= _STEP:
            for at, size in _moved(raw, stream.fileno()):
                _add(digest, stream.fileno(), at, size)
            return digest.hexdigest()
        with ThreadPoolExecutor(1) as pool:
            parts = [pool.submit(_add, digest, stream.fileno(), *part) for part in _moved(raw, stream.fileno())]
            for part in parts:
                part.result()
    return digest.hexdigest()


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits.

    :raises OSError: it cannot be read.
    """
    digest = sha256()
    with path.open("rb", buffering=0) as stream:
        _add(digest, stream.fileno(), 0, os.fstat(stream.fileno()).st_size)
    return digest.hexdigest()


def _moved(raw: int, into: int) -> Iterator[tuple[int, int]]:
    """Copy, and yield where each part that is there now begins, and its size."""
    at, whole = 0, os.fstat(raw).st_size
    while at < whole:
        try:
            moved = os.copy_file_range(raw, into, min(whole - at, _STEP), at, at)
        except OSError as error:
            if error.errno in (ENOSPC, EDQUOT):
                raise
            # Old kernels refuse between file systems.
            os.lseek(into, at, os.SEEK_SET)
            moved = os.sendfile(into, raw, at, min(whole - at, _STEP))
        if not moved:
            return
        yield at, moved
        at += moved


def _add(digest: Any, file: int, at: int, size: int) -> None:
    """Add a part of a file to a digest."""
    buffer = bytearray(min(_BLOCK, size))
    end = at + size
    while at < end:
        count = os.preadv(file, [memoryview(buffer)[: end - at]], at)
        if not count:
            return
        digest.update(memoryview(buffer)[:count])
        at += count
