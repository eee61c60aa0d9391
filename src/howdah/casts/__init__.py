"""Casts: one file per family, and the registry that picks one for a target type."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from howdah.casts import binary, boolean, json_, numeric, temporal, text, uuid_
from howdah.casts.base import Cast, CastError, SqliteValue
from howdah.casts.clocks import CLOCKS
from howdah.catalog.model import TargetType

__all__ = ["NAMES", "VERSION", "Cast", "CastError", "SqliteValue", "build", "default_name"]

# Raised whenever a cast gives another result for some value, so that loaded tables are compared anew.
VERSION = 2

MOMENTS = ("timestamptz", "timestamp", "date")
"""The types that a moment can be cast to."""

_BY_TYPE = {
    **dict.fromkeys(("text", "varchar", "bpchar", "citext", "name"), "text"),
    **dict.fromkeys(("int2", "int4", "int8"), "integer"),
    **dict.fromkeys(("float4", "float8"), "float"),
    **dict.fromkeys(("json", "jsonb"), "json"),
    **dict.fromkeys(MOMENTS, "moment"),
    "time": "time",
    "numeric": "numeric",
    "bool": "boolean",
    "uuid": "uuid",
    "bytea": "bytea",
}

# Which target types an explicit cast makes sense for.
_FITS = {
    "uuid": ("uuid",),
    "uuid5": ("uuid",),
    "uuid_blob": ("uuid",),
    **dict.fromkeys((*CLOCKS, "text_utc"), MOMENTS),
}

NAMES = frozenset(_FITS) | {
    "text",
    "integer",
    "float",
    "numeric",
    "boolean",
    "json",
    "moment",
    "time",
    "bytea",
}
"""The names that ``cast:`` in application.yml may hold."""


def default_name(target: TargetType) -> str | None:
    """Return the cast that a target type calls for, or ``None`` when howdah has none for it."""
    if target.kind == "e":
        return "text"
    return _BY_TYPE.get(target.name)


def suits(name: str, target: TargetType) -> bool:
    """Return whether an explicit cast can produce values of a type."""
    return target.name in _FITS[name] if name in _FITS else default_name(target) == name


def build(name: str, target: TargetType, options: Mapping[str, str], notes: list[int]) -> Cast:
    """Return the cast of that name to a type.

    :param options: ``namespace`` for ``uuid5``; ``unit`` (a clock) for ``moment`` when the profile decided it;
        ``truncate`` and ``strict`` for moments, see :func:`howdah.casts.temporal.moment`.
    :param notes: one counter, raised by casts that map values (``uuid5``).
    :raises KeyError: for an unknown name.
    """
    if name == "uuid5":
        return uuid_.mapped(UUID(options["namespace"]), notes)
    if name in ("moment", "text_utc", *CLOCKS):
        unit = name if name in CLOCKS else options.get("unit", "")
        lenient, strict = "truncate" in options, "strict" in options
        return temporal.moment(target, unit, utc=name == "text_utc", truncate=lenient, strict=strict)
    plain: dict[str, Cast] = {
        "uuid": uuid_.strict,
        "uuid_blob": uuid_.blob,
        "boolean": boolean.boolean,
        "bytea": binary.bytea,
    }
    if name == "uuid5_kept":
        limited = text.text(target)
        return lambda value: None if (original := uuid_.kept(value)) is None else limited(original)
    if name in plain:
        return plain[name]
    typed = {
        "text": text.text,
        "integer": numeric.integer,
        "float": numeric.inexact,
        "numeric": numeric.numeric,
        "json": json_.document,
        "time": temporal.time_of_day,
    }
    return typed[name](target)
