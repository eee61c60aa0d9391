"""Catalogs of sources as the ledger keeps them: the fields of their values, by name."""

from __future__ import annotations

from dataclasses import is_dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from howdah.catalog.model import SourceCatalog


def from_json(value: dict[str, Any]) -> SourceCatalog:
    """Return the catalog whose ``dataclasses.asdict`` was kept by this same engine."""
    catalog = _built(SourceCatalog, value)
    assert isinstance(catalog, SourceCatalog)  # noqa: S101 - narrows the type
    return catalog


def _built(kind: type[Any], value: Any) -> Any:
    if is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: _built(hints[name], part) for name, part in value.items()})
    if get_origin(kind) is tuple:
        # Every tuple of a catalog is a list of equal things: tuple[Thing, ...].
        return tuple(_built(get_args(kind)[0], part) for part in value)
    return value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
