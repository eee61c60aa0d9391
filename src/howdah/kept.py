"""Files that stay open between two uses, one for each thread.

SQLite reads the definitions of all tables when it opens a file, which for thousands of tables takes longer than to read
one of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar


class _Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closable)


class Kept(Generic[T]):
    """Opens files; of each thread, the one that it had open last stays so.

    :param make: opens a file.
    """

    def __init__(self, make: Callable[[Path], T]) -> None:
        self._make = make
        self._last = threading.local()

    @contextmanager
    def opened(self, path: Path) -> Iterator[T]:
        """Open a file, or take the one that this thread had open last, if that is the same and did not change."""
        # What cannot be opened, SQLite says itself.
        there = path.stat() if path.exists() else None
        known = (path, there and (there.st_ino, there.st_size, there.st_mtime_ns))
        before, file = self._last.__dict__.pop("kept", (None, None))
        if file is None or before != known:
            if file is not None:
                file.close()
            file = self._make(path)
        try:
            yield file
        except BaseException:
            file.close()
            raise
        self.let_go()
        self._last.kept = (known, file)

    def let_go(self) -> None:
        """Close the file that this thread had open last; those of other threads go with them."""
        _, file = self._last.__dict__.pop("kept", (None, None))
        if file is not None:
            file.close()
