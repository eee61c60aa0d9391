"""Column defaults of PostgreSQL, translated to SQLite where the meaning is certain."""

from __future__ import annotations

from typing import Any

import sqlglot
from sqlglot import expressions

from howdah.catalog.model import TargetType
from howdah.reverse import INEXACT, WHOLE

_NOW = {"timestamptz": "(datetime('now') || '+00:00')", "timestamp": "CURRENT_TIMESTAMP"}
_TEXTS = ("text", "varchar", "bpchar", "citext", "uuid", "json", "jsonb")
_NUMBERS = (*WHOLE, *INEXACT, "numeric")


def translate(text: str, kind: TargetType) -> tuple[str, bool]:
    """Return the SQLite default (possibly empty) and whether the translation is whole.

    >>> from howdah.typemap import BOOLEAN, TEXT, TIMESTAMP
    >>> translate("'it''s'::text", TEXT), translate("true", BOOLEAN), translate("now()", TIMESTAMP)
    (("'it''s'", True), ('1', True), ('CURRENT_TIMESTAMP', True))
    >>> translate("nextval('s'::regclass)", TEXT)
    ('', False)
    """
    if not text:
        return "", True
    try:
        node = sqlglot.parse_one(text, read="postgres")
    except (sqlglot.errors.SqlglotError, RecursionError):
        return "", False
    if isinstance(node, expressions.CurrentTimestamp) and kind.name in _NOW:
        return _NOW[kind.name], True
    if isinstance(node, expressions.CurrentDate) and kind.name == "date":
        return "CURRENT_DATE", True
    if isinstance(node, expressions.Cast):
        node = node.this
    if isinstance(node, expressions.Null):
        return "", True
    written = _literal(node, kind)
    return written, bool(written)


def _literal(node: Any, kind: TargetType) -> str:
    """Return a constant as SQLite writes it, or the empty text."""
    if isinstance(node, expressions.Paren):
        return _literal(node.this, kind)
    if isinstance(node, expressions.Neg):
        inner = _literal(node.this, kind)
        return f"(-{inner})" if inner and kind.name in _NUMBERS else ""
    if isinstance(node, expressions.Boolean):
        return str(int(bool(node.this))) if kind.name == "bool" else ""
    if not isinstance(node, expressions.Literal):
        return ""
    value = str(node.this)
    if kind.name in _NUMBERS:
        return f"({value})" if value.lstrip("+-").replace(".", "", 1).isdecimal() else ""
    if node.is_string and (kind.name in _TEXTS or kind.kind == "e"):
        return "'" + value.replace("'", "''") + "'"
    return ""
