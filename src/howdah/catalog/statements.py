"""What only the text of a CREATE statement says: CHECKs, formulas, collations, the parts of an index.

SQLite's pragmas do not tell these. The statement is split into tokens by sqlglot and cut where its grammar allows
only one reading; the pieces are kept as they were written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlglot import TokenType
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError

from howdah.catalog.model import SourceCheck

_QUOTED = (TokenType.IDENTIFIER, TokenType.STRING)
# Where many sources are merged, most of them are declared alike.
_KNOWN = lru_cache(500)


class UnreadableError(ValueError):
    """The text of a statement cannot be split into tokens."""


@dataclass(frozen=True)
class Table:
    """What a CREATE TABLE says beyond the pragmas.

    :ivar expressions: position of a generated column → its formula.
    :ivar collations: position of a column → name of its collation, in upper case.
    :ivar deferred: for each foreign key, as declared, whether it is checked at the end of a transaction.
    """

    checks: tuple[SourceCheck, ...] = ()
    expressions: dict[int, str] = field(default_factory=dict)
    collations: dict[int, str] = field(default_factory=dict)
    deferred: tuple[bool, ...] = ()


@_KNOWN
def table(sql: str, columns: int) -> Table:
    """Read a CREATE TABLE.

    :param columns: how many columns the table has; they come before the table's constraints.
    :raises UnreadableError: when the text cannot be split.

    >>> found = table("CREATE TABLE t (a INT CHECK (a > 0), b AS (a * 2), c TEXT COLLATE nocase)", 3)
    >>> found.checks[0].expression, found.expressions, found.collations
    ('a > 0', {1: 'a * 2'}, {2: 'NOCASE'})
    """
    found = Table()
    checks: list[SourceCheck] = []
    deferred: list[bool] = []
    for position, item in enumerate(_items(_tokens(sql))):
        name = ""
        # The first word of a column is its name, whatever it looks like.
        start = 1 if position < columns else 0
        for at, word in _outer(item, start):
            if word == "CONSTRAINT" and at + 1 < len(item):
                name = item[at + 1].text
            elif word == "CHECK":
                checks.append(SourceCheck(name, _enclosed(sql, item, at + 1)))
            elif word == "REFERENCES":
                deferred.append(False)
            elif word == "DEFERRED" and deferred:
                before = [_word(token) for token in item[max(at - 3, 0) : at]]
                deferred[-1] = before[-2:] == ["DEFERRABLE", "INITIALLY"] and before[0] != "NOT"
            elif word == "AS" and position < columns:
                found.expressions[position] = _enclosed(sql, item, at + 1)
            elif word == "COLLATE" and position < columns and at + 1 < len(item):
                found.collations[position] = item[at + 1].text.upper()
    return Table(tuple(checks), found.expressions, found.collations, tuple(deferred))


@_KNOWN
def index(sql: str) -> tuple[tuple[str, ...], str]:
    """Read a CREATE INDEX: the text of each part without order and collation, and the WHERE of a partial one.

    :raises UnreadableError: when the text cannot be split.

    >>> index("CREATE INDEX i ON t (lower(a) DESC, b COLLATE NOCASE) WHERE b > ''")
    (('lower(a)', 'b'), "b > ''")
    """
    tokens = _tokens(sql)
    parts = []
    for item in _items(tokens):
        kept = len(item)
        if _word(item[kept - 1]) in ("ASC", "DESC"):
            kept -= 1
        if kept > 2 and _word(item[kept - 2]) == "COLLATE":
            kept -= 2
        parts.append(sql[item[0].start : item[kept - 1].end + 1])
    depth = 0
    for token in tokens:
        depth += _step(token)
        if depth == 0 and _word(token) == "WHERE":
            return tuple(parts), sql[token.end + 1 : tokens[-1].end + 1].strip()
    return tuple(parts), ""


def module(sql: str) -> tuple[str, tuple[str, ...]]:
    """Read a CREATE VIRTUAL TABLE: the module's name in lower case and its arguments as they were written.

    :raises UnreadableError: when the text cannot be split.

    >>> module("CREATE VIRTUAL TABLE f USING FTS5(title, body, content='')")
    ('fts5', ('title', 'body', "content=''"))
    """
    tokens = _tokens(sql)
    at = next((number for number, token in enumerate(tokens) if _word(token) == "USING"), len(tokens))
    name = tokens[at + 1].text.lower() if at + 1 < len(tokens) else ""
    return name, tuple(sql[item[0].start : item[-1].end + 1] for item in _items(tokens))


@_KNOWN
def words(sql: str) -> frozenset[str]:
    """Return the bare words of a statement in upper case; strings, quoted names and comments hold none.

    >>> sorted(words("CREATE TABLE t (a TEXT DEFAULT 'CHECK' /* NOCASE */)"))
    ['A', 'CREATE', 'DEFAULT', 'T', 'TABLE', 'TEXT']
    """
    try:
        return frozenset(word for token in _tokens(sql) if (word := _word(token)).isidentifier())
    except UnreadableError:
        return frozenset()


def _tokens(sql: str) -> list[Any]:
    try:
        return list(SQLite().tokenize(sql))
    except (SqlglotError, UnicodeError) as error:
        raise UnreadableError(str(error)) from error


def _word(token: Any) -> str:
    return "" if token.token_type in _QUOTED else str(token.text).upper()


def _step(token: Any) -> int:
    return int(token.token_type == TokenType.L_PAREN) - int(token.token_type == TokenType.R_PAREN)


def _items(tokens: Sequence[Any]) -> list[list[Any]]:
    """Return the tokens between the commas of the first parenthesis."""
    items: list[list[Any]] = [[]]
    depth = 0
    for token in tokens:
        depth += _step(token)
        if depth == 0 and items[-1]:
            break
        if depth == 1 and token.token_type == TokenType.COMMA:
            items.append([])
        elif depth > 1 or (depth == 1 and (items[-1] or token.token_type != TokenType.L_PAREN)):
            items[-1].append(token)
    return [item for item in items if item]


def _outer(item: Sequence[Any], start: int) -> Iterator[tuple[int, str]]:
    """Yield position and word of the tokens that stand in no parenthesis of their own."""
    depth = 0
    for at, token in enumerate(item):
        if depth == 0 and at >= start and (word := _word(token)):
            yield at, word
        depth += _step(token)


def _enclosed(sql: str, item: Sequence[Any], opening: int) -> str:
    """Return the text inside the parenthesis that opens at a position."""
    depth = 0
    for token in item[opening:]:
        depth += _step(token)
        if depth == 0:
            return sql[item[opening].end + 1 : token.start].strip()
    raise UnreadableError(sql)
