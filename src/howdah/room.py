"""Room for what was read of the ledger and is needed once more in the same run."""

from __future__ import annotations

from collections.abc import Collection
from threading import Lock


class Room:
    """Room for what the ledger keeps of chunks whose rows changed: it is needed once more when the rows move.

    Used by several threads; what does not fit is read again.

    :param size: bytes.
    """

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = Lock()

    def take(self, size: int) -> bool:
        """Return whether so many bytes are to be kept, and count them."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give_back(self, size: int) -> None:
        """Count bytes as gone."""
        with self._lock:
            self._left += size


class Kept:
    """What was read of chunks of a table, as far as there was room for it."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._images: dict[int, bytes] = {}

    def note(self, ordinal: int, images: bytes) -> None:
        """Keep what was read of a chunk."""
        if self._room.take(len(images)):
            self._images[ordinal] = images

    def only(self, ordinals: Collection[int]) -> dict[int, bytes]:
        """Keep no more than what was read of some chunks, and return it."""
        for ordinal in self._images.keys() - set(ordinals):
            self._room.give_back(len(self._images.pop(ordinal)))
        return self._images
