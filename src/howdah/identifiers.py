"""Names of SQLite turned into names of PostgreSQL: lower-cased, at most 63 bytes, no two the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256

# NAMEDATALEN - 1; PostgreSQL cuts longer names silently.
LIMIT = 63


def fold(names: Iterable[str], taken: Iterable[str] = (), style: str = "lower") -> dict[str, str]:
    """Return a PostgreSQL name for each name, unique among themselves and against ``taken``.

    Names that need no change keep theirs; of the others, one that collides or is too long ends in a digest of
    the original, so that the result does not depend on which other names come later.

    :param style: ``lower``, ``keep`` or ``snake``, see :func:`styled`.

    >>> fold(["Album", "album", "Order Line"])
    {'Album': 'album_f05e84', 'album': 'album', 'Order Line': 'order line'}
    """
    wanted = list(dict.fromkeys(names))
    used = set(taken)
    result: dict[str, str] = {}
    # Sorting leaves those that are alike in their order.
    for name in sorted(wanted, key=lambda name: _cut(name, style) != name):
        result[name] = fresh(name, used, style=style)
    return {name: result[name] for name in wanted}


def fresh(name: str, taken: set[str], *others: set[str], style: str = "lower") -> str:
    """Return a PostgreSQL name that is neither taken nor in one of the others, and take it."""
    every = (taken, *others)
    candidate = _cut(name, style)
    if any(candidate in names for names in every):
        candidate = _marked(candidate, name)
    counter = 0
    while any(candidate in names for names in every):
        counter += 1
        candidate = _marked(styled(name, style), f"{name}/{counter}")
    taken.add(candidate)
    return candidate


def styled(name: str, style: str) -> str:
    """Return the name in lower case, as it is (``keep``), or in snake_case; it may still be too long.

    >>> [styled("Größe InMM", style) for style in ("lower", "keep", "snake")]
    ['größe inmm', 'Größe InMM', 'größe_in_mm']
    """
    whole = name.encode("utf-8", "replace").decode().replace("\x00", "")
    if style == "keep":
        return whole or "_"
    return (snake(whole) if style == "snake" else "") or whole.lower() or "_"


def lowered(name: str) -> str:
    """Return the name in lower case and within the limit; a cut name ends in a digest of the original."""
    return _cut(name, "lower")


def _cut(name: str, style: str) -> str:
    wanted = styled(name, style)
    return wanted if len(wanted.encode()) <= LIMIT else _marked(wanted, name)


def snake(name: str) -> str:
    """Return ``CamelCase`` as ``camel_case``.

    >>> snake("InvoiceLineID"), snake("created-at"), snake("HTTPCode")
    ('invoice_line_id', 'created_at', 'http_code')
    """
    spaced = re.sub(r"(?<=[^\W_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[\W_]+", "_", spaced).strip("_").lower()


def _marked(lower: str, original: str) -> str:
    mark = "_" + sha256(original.encode("utf-8", "surrogateescape")).hexdigest()[:6]
    room = LIMIT - len(mark)
    return lower.encode()[:room].decode("utf-8", "ignore") + mark
