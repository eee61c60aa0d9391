"""Dataclasses as JSON-ready values, for what is kept of thousands of them."""

from __future__ import annotations

from dataclasses import MISSING, fields
from functools import cache
from typing import Any


def plain(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by name, without those that have their default."""
    kind: Any = type(value)
    return {name: found for name, default in _fields(kind) if (found := getattr(value, name)) != default}


@cache
def _fields(kind: type) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (item.name, item.default if item.default_factory is MISSING else item.default_factory())
        for item in fields(kind)
    )
