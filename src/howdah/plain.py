"""Dataclasses as JSON, a piece at a time: of thousands of tables, the whole would not be small."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from functools import cache, partial
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


def json_parts(content: Mapping[str, Any], *, indent: int | None = None, ensure_ascii: bool = True) -> Iterator[str]:
    """Yield the JSON text of an object as ``json.dumps`` writes it; of an iterator in it, each item by itself."""
    encode = partial(json.dumps, default=plain, indent=indent, ensure_ascii=ensure_ascii)
    line, deeper = ("\n" + " " * indent, "\n" + " " * 2 * indent) if indent else ("", "")
    yield "{"
    for number, (name, value) in enumerate(content.items()):
        yield f"{_comma(number, line)}{encode(name)}: "
        if not isinstance(value, Iterator):
            # Texts have no line breaks of their own in JSON.
            yield encode(value).replace("\n", line)
            continue
        count = 0
        for count, item in enumerate(value, start=1):
            yield ("[" if count == 1 else "") + _comma(count - 1, deeper) + encode(item).replace("\n", deeper)
        yield f"{line}]" if count else "[]"
    yield "\n}" if indent else "}"


def _comma(number: int, line: str) -> str:
    return ("," + (line or " ")) if number else line


def gathered(parts: Iterable[str], size: int = 1 << 16) -> Iterator[str]:
    """Yield the same text in parts of at least so many characters, but for the last; at least one."""
    held: list[str] = []
    length = 0
    for part in parts:
        held.append(part)
        length += len(part)
        if length >= size:
            yield "".join(held)
            held, length = [], 0
    yield "".join(held)
