"""Equal values held once: in a source with thousands of tables, most columns are declared like others."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeVar

T = TypeVar("T", bound=Hashable)


class Shared:
    """Gives, for each value, the first one that equals it.

    Values of which equal ones differ in type (1, 1.0 and True) are no matter for it, unless ``apart`` says so.
    """

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def __call__(self, value: T, *apart: Hashable) -> T:
        """Return the value, or the one that was given before.

        :param apart: what must be equal besides.
        """
        found: T = self._known.setdefault((value, *apart) if apart else value, value)
        return found
