"""Column defaults of SQLite, translated where the meaning is certain."""

from __future__ import annotations

import sqlglot
from sqlglot import expressions

from howdah import casts
from howdah.casts.base import SqliteValue
from howdah.catalog.model import TargetType
from howdah.pg import literal

# What SQLite computes at insert time, by the text of the default; its clock is UTC.
_NOW = {
    "CURRENT_TIMESTAMP",
    "DATETIME('NOW')",
    'DATETIME("NOW")',
    "CURRENT_DATE",
    "DATE('NOW')",
    "CURRENT_TIME",
    "TIME('NOW')",
}
_FORMATS = {
    "CURRENT_DATE": "YYYY-MM-DD",
    "DATE": "YYYY-MM-DD",
    "CURRENT_TIME": "HH24:MI:SS",
    "TIME": "HH24:MI:SS",
}


def translate(text: str | None, target: TargetType) -> tuple[str, bool]:
    """Return the PostgreSQL default (possibly empty) and whether the translation is whole.

    >>> from howdah.typemap import BOOLEAN, TIMESTAMPTZ
    >>> translate("0", BOOLEAN), translate("CURRENT_TIMESTAMP", TIMESTAMPTZ), translate("random()", BOOLEAN)
    (("'f'", True), ('now()', True), ('', False))
    """
    if text is None:
        return "", True
    inner = _unwrapped(text.strip())
    folded = "".join(inner.split()).upper()
    if folded in _NOW:
        return _now(folded, target)
    try:
        parsed = sqlglot.parse_one(f"SELECT {inner}", read="sqlite").expressions
    except (sqlglot.errors.SqlglotError, RecursionError):
        return "", False
    if len(parsed) != 1:
        return "", False
    if isinstance(parsed[0], expressions.Null):
        return "", True
    value = _literal(parsed[0])
    name = casts.default_name(target)
    if value is None or name is None:
        return "", False
    try:
        written = casts.build(name, target, {}, [0])(value)
    except casts.CastError:
        return "", False
    return literal(written), True


def _unwrapped(text: str) -> str:
    """Take off parentheses that enclose the whole text."""
    while text.startswith("(") and text.endswith(")"):
        depth = 0
        for position, character in enumerate(text):
            depth += (character == "(") - (character == ")")
            if depth == 0 and position < len(text) - 1:
                return text
        text = text[1:-1].strip()
    return text


def _now(folded: str, target: TargetType) -> tuple[str, bool]:
    utc = "(now() AT TIME ZONE 'UTC')"
    word = folded.split("(")[0]
    if target.name == "timestamptz":
        return ("now()", True) if word in ("CURRENT_TIMESTAMP", "DATETIME") else ("", False)
    if target.name in ("timestamp", "date", "time"):
        return f"{utc}::{target.name}", True
    if target.name in ("text", "varchar"):
        return f"to_char({utc}, '{_FORMATS.get(word, 'YYYY-MM-DD HH24:MI:SS')}')", True
    return "", False


def _literal(node: expressions.Expression) -> SqliteValue | None:
    if isinstance(node, expressions.Neg):
        inner = _literal(node.this)
        return -inner if isinstance(inner, int | float) else None
    if isinstance(node, expressions.Paren):
        return _literal(node.this)
    if isinstance(node, expressions.Boolean):
        return int(bool(node.this))
    if isinstance(node, expressions.HexString):
        return bytes.fromhex(node.this) if isinstance(node.this, str) and len(node.this) % 2 == 0 else None
    if isinstance(node, expressions.Column) and node.this.quoted and not node.table:
        # DEFAULT "word": SQLite takes a quoted name that names nothing for a string.
        return str(node.name)
    if isinstance(node, expressions.Literal):
        if node.is_string:
            return str(node.this)
        try:
            return int(node.this)
        except ValueError:
            return float(node.this)
    return None
