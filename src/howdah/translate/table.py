"""Expressions within one table: CHECKs, formulas, parts of indexes, defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from sqlglot import expressions as exp

from howdah.translate import emit
from howdah.translate.columns import Column
from howdah.translate.expressions import Expressions, parse
from howdah.translate.kinds import Kind, UntranslatableError, Value


class TableScope(Expressions):
    """Names are columns of one table.

    :param table: its name in SQLite.
    :param columns: column of SQLite in lower case → what expressions see.
    :ivar columns: the same.
    :ivar used: target columns that were named.
    """

    def __init__(self, table: str, columns: Mapping[str, Column]) -> None:
        self._table = table.lower()
        self.columns = columns
        self.used: set[str] = set()

    def resolve(self, node: exp.Column) -> Value:
        """Return the column that a name stands for; a quoted name that names none is a string, as in SQLite."""
        found = self._find(node)
        if found is None:
            if node.this.quoted and not node.table:
                return Value(emit.text(node.name), Kind.TEXT, literal=node.name)
            raise UntranslatableError(f"it names {node.name}, which is no column of the table")
        self.used.add(found.name)
        return found.value()

    def stores_reals(self, node: exp.Expr) -> bool:
        """Return whether a column stores every number as REAL."""
        found = self._find(node.unnest())
        return found is not None and found.real

    def _find(self, node: exp.Expr) -> Column | None:
        if not isinstance(node, exp.Column) or node.table.lower() not in ("", self._table):
            return None
        return self.columns.get(node.name.lower())


def check(scope: TableScope, text: str) -> str:
    """Translate the condition of a CHECK or of a partial index.

    :raises UntranslatableError: its meaning could differ.
    """
    return emit.sql(scope.truth(parse(text)))


predicate = check


def formula(scope: TableScope, text: str, kind: Kind) -> str:
    """Translate the formula of a generated column that holds values of a kind.

    :raises UntranslatableError: its meaning could differ, or its result is of another kind.
    """
    value = scope.value(parse(text))
    if value.kind == Kind.TRUTH and kind == Kind.INTEGER:
        value = Value(emit.cast(value.node, "bigint"), Kind.INTEGER)
    if value.kind == Kind.INTEGER and kind == Kind.FLAG:
        raise UntranslatableError("it yields a number where the column holds a boolean")
    if value.kind not in (kind, Kind.NULL) and not (value.kind == Kind.TRUTH and kind == Kind.FLAG):
        raise UntranslatableError(f"it yields {value.kind.words}, and the column holds {kind.value}")
    return emit.sql(value.node)


def key_column(scope: TableScope, name: str, collation: str) -> str:
    """Return a column as a part of an index.

    :param collation: how SQLite compares it.
    :raises UntranslatableError: by a collation that PostgreSQL does not have.
    """
    return _keyed(scope.resolve(exp.column(name, quoted=True)), collation)


def key_part(scope: TableScope, text: str, collation: str) -> str:
    """Translate an expression that an index is built on; the result needs no further parentheses.

    :param collation: how SQLite compares it.
    :raises UntranslatableError: its meaning could differ.
    """
    value = scope.value(parse(text))
    if value.kind == Kind.OPAQUE and not value.column:
        raise UntranslatableError("its values are converted")
    return _keyed(value, collation)


def _keyed(value: Value, collation: str) -> str:
    if value.kind == Kind.TEXT and collation == "NOCASE":
        return emit.sql(emit.folded(value.node))
    if value.kind == Kind.TEXT and collation != "BINARY":
        _refuse_collation(collation)
    if value.column:
        return emit.sql(value.node)
    return f"({emit.sql(value.node)})"


def _refuse_collation(collation: str) -> NoReturn:
    raise UntranslatableError(f"text compares by collation {collation}")


def default(text: str) -> Value:
    """Translate the expression of a default, which names no column.

    :raises UntranslatableError: its meaning could differ.
    """
    return TableScope("", {}).value(parse(text))
