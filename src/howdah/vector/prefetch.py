"""Iterators whose items are made ahead, in a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

# Items that wait between two threads.
_DEPTH = 2
_PATIENCE = 0.1
# Up to so many rows, starting a thread takes longer than what it could do meanwhile.
_FEW = 2_000

T = TypeVar("T")


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class _Ended:
    """Nothing more comes."""


def ahead(items: Generator[T], rows: int) -> prefetched[T] | Generator[T]:
    """Return an iterator that makes its items ahead, if that is worth a thread.

    :param rows: that the items hold, as far as is known.
    """
    return prefetched(items) if rows > _FEW else items


class prefetched(Generic[T]):  # noqa: N801 - used like a function
    """An iterator whose items are made in a thread of its own, a few ahead.

    What the thread raises is raised here. Closing it ends the thread.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._queue: Queue[T | _Failed | _Ended] = Queue(_DEPTH)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        last: _Failed | _Ended = _Ended()
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for it
            last = _Failed(error)
        finally:
            close = getattr(self._items, "close", None)
            if close:
                close()
        self._put(last)

    def _put(self, item: T | _Failed | _Ended) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_PATIENCE)
            except Full:
                continue
            return True
        return False

    def __iter__(self) -> Iterator[T]:
        """Return itself."""
        return self

    def __next__(self) -> T:
        """Return the next item.

        :raises StopIteration: when there is none.
        """
        while True:
            try:
                item = self._queue.get(timeout=_PATIENCE)
            except Empty:
                if self._thread.is_alive() or not self._queue.empty():
                    continue
                raise StopIteration from None
            if isinstance(item, _Failed):
                raise item.error
            if isinstance(item, _Ended):
                raise StopIteration
            return item

    def close(self) -> None:
        """End the thread; what it was about to give is lost."""
        self._stop.set()
        self._thread.join()
