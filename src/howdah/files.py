"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def whole(path: Path, *, mode: int = 0o644, newline: str | None = None) -> Iterator[TextIO]:
    """Give a stream of UTF-8 text that becomes the file when the block ends, and leaves no trace when it fails.

    The file that was there before stays until then, and stays where the block fails.

    :param mode: of the file.
    :param newline: as for :func:`open`.
    :raises OSError: no file can be made there, or the disk is full.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline=newline) as stream:
            os.fchmod(stream.fileno(), mode)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
