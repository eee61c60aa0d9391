"""Connections that threads take turns with, as many as the server lets in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue
from typing import Generic, TypeVar

from howdah.errors import TargetRefused

T = TypeVar("T")


class Turns(Generic[T]):
    """What only one thread may use at a time.

    :param first: is there already.
    :param another: makes one more where none is idle.
    """

    def __init__(self, first: T, another: Callable[[], T]) -> None:
        self._another = another
        self._idle: LifoQueue[T] = LifoQueue()
        self._idle.put(first)

    @contextmanager
    def one(self) -> Iterator[T]:
        """Take the one that was used last, or another one; where there is no room for that, wait for one."""
        try:
            taken = self._idle.get_nowait()
        except Empty:
            taken = self._more()
        try:
            yield taken
        finally:
            self._idle.put(taken)

    def _more(self) -> T:
        try:
            return self._another()
        except TargetRefused:
            # Of a role or a server that lets only so many in; whoever has one gives it back.
            return self._idle.get()
