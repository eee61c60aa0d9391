"""Names within a query, and what expressions may hold only there: aggregates and subqueries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlglot import expressions as exp

from howdah.translate import emit
from howdah.translate.columns import Column
from howdah.translate.comparison import as_double
from howdah.translate.expressions import Expressions, only
from howdah.translate.kinds import NUMBERS, Kind, UntranslatableError, Value


@dataclass(frozen=True)
class Source:
    """A table, view or query of FROM.

    :ivar name: what names it in SQLite, possibly empty.
    :ivar alias: what names it in PostgreSQL.
    :ivar hidden: columns (lower case) that USING merged into those of an earlier source.
    """

    name: str
    alias: str
    columns: Mapping[str, Column]
    hidden: set[str] = field(default_factory=set)


class QueryScope(Expressions):
    """Names are columns of the sources of one SELECT, then of the query around it.

    :param subquery: translates a query within an expression; its result has ``node`` and ``outputs``.
    :ivar aliases: names of the select list, in lower case; columns come first.
    """

    def __init__(self, subquery: Callable[[exp.Expr, QueryScope], Any], parent: QueryScope | None = None) -> None:
        self._subquery = subquery
        self._parent = parent
        self.sources: list[Source] = []
        self.aliases: dict[str, Value] = {}

    def resolve(self, node: exp.Column) -> Value:
        """Return the column that a name stands for; a quoted name that names none is a string, as in SQLite."""
        found = self._find(node)
        if found is not None:
            return found
        if not node.table and node.name.lower() in self.aliases:
            value = self.aliases[node.name.lower()]
            return replace(value, node=value.node.copy())
        if node.this.quoted and not node.table:
            return Value(emit.text(node.name), Kind.TEXT, literal=node.name)
        raise UntranslatableError(f"it names {node.sql()}, which is no column of a table that moves")

    def _find(self, node: exp.Column) -> Value | None:
        for source in self.sources:
            if node.table and node.table.lower() != source.name.lower():
                continue
            column = source.columns.get(node.name.lower())
            if column is not None and (node.table or node.name.lower() not in source.hidden):
                return column.value(source.alias)
        return self._parent._find(node) if self._parent else None

    def star(self, table: str) -> Iterator[tuple[str, Value]]:
        """Yield the columns that ``*`` or ``table.*`` stands for."""
        for source in self.sources:
            if table and source.name.lower() != table:
                continue
            for name, column in source.columns.items():
                if table or name not in source.hidden:
                    yield name, column.value(source.alias)

    def shared(self, name: str, before: int) -> exp.Expr:
        """Return the condition of USING for one column; the later column hides behind the earlier one."""
        right = self.sources[before]
        left = next(
            (s for s in self.sources[:before] if name.lower() in s.columns and name.lower() not in s.hidden), None
        )
        if left is None or name.lower() not in right.columns:
            raise UntranslatableError(f"USING names {name}, which is no column of both sides")
        one, other = (source.columns[name.lower()].value(source.alias) for source in (left, right))
        right.hidden.add(name.lower())
        return self.compared(exp.EQ, one, other).node

    def stores_reals(self, node: exp.Expr) -> bool:
        """Return whether a column stores every number as REAL."""
        inner = node.unnest()
        found = [source.columns.get(inner.name.lower()) for source in self.sources] if inner.name else []
        return len([column for column in found if column]) == 1 and all(c.real for c in found if c)

    def value(self, node: exp.Expr) -> Value:
        """Translate an expression; aggregates and subqueries too."""
        node = node.unnest()
        if isinstance(node, exp.Exists):
            only(node, "this")
            return Value(exp.Exists(this=self._subquery(node.this.unnest(), self).node), Kind.TRUTH)
        if isinstance(node, exp.In) and node.args.get("query"):
            return self._member(node)
        if isinstance(node, exp.Subquery | exp.Select):
            return self._scalar(node)
        if isinstance(node, exp.Filter):
            return self._filtered(node)
        aggregate = next((function for kind, function in _AGGREGATES.items() if isinstance(node, kind)), None)
        if aggregate is not None:
            return aggregate(self, node)
        if isinstance(node, exp.Anonymous) and node.name.lower() == "total" and len(node.expressions) == 1:
            total = emit.call("sum", as_double(self.number(node.expressions[0])))
            return Value(emit.call("coalesce", total, emit.cast(emit.number(0), "double precision")), Kind.FLOAT)
        return super().value(node)

    def _filtered(self, node: exp.Filter) -> Value:
        only(node, "this", "expression")
        value = self.value(node.this)
        where = exp.Where(this=self.truth(node.expression.this))
        found = value.node.this if isinstance(value.node, exp.Cast) else value.node
        if not isinstance(node.this, exp.AggFunc) or not isinstance(found, exp.Anonymous):
            raise UntranslatableError("it uses FILTER in a way that is not understood")
        if found is value.node:
            return replace(value, node=exp.Filter(this=found, expression=where))
        value.node.set("this", exp.Filter(this=found.copy(), expression=where))
        return value

    def _scalar(self, node: exp.Expr) -> Value:
        """A query for one value: SQLite takes its first row, so it must have no more than one."""
        only(node, "this") if isinstance(node, exp.Subquery) else None
        inner = node.unnest() if isinstance(node, exp.Subquery) else node
        query = self._subquery(inner, self)
        single = inner.args.get("group") is None and any(inner.expressions[0].find_all(exp.AggFunc))
        if len(query.outputs) != 1 or not (isinstance(inner, exp.Select) and single):
            raise UntranslatableError("it takes a value from a query that may have several rows")
        value = query.outputs[0].value
        return Value(exp.Subquery(this=query.node), Kind.INTEGER if value.kind == Kind.TRUTH else value.kind)

    def _member(self, node: exp.In) -> Value:
        only(node, "this", "query")
        query = self._subquery(node.args["query"].unnest(), self)
        value = self.value(node.this)
        if len(query.outputs) != 1:
            raise UntranslatableError("it uses IN with a query of several columns")
        other = query.outputs[0].value
        plain = {value.collation or "BINARY", other.collation or "BINARY"} == {"BINARY"}
        if (
            value.kind != other.kind
            or value.kind not in (*NUMBERS, Kind.TEXT, Kind.BLOB, Kind.DATE, Kind.UUID)
            or not plain
        ):
            raise UntranslatableError(f"it looks for {value.kind.value} among {other.kind.value}")
        return Value(exp.In(this=emit.grouped(value.node), query=exp.Subquery(this=query.node)), Kind.TRUTH)


def _count(scope: QueryScope, node: exp.Count) -> Value:
    only(node, "this")
    if node.this is None or isinstance(node.this, exp.Star):
        return Value(emit.call("count", exp.Star()), Kind.INTEGER)
    if isinstance(node.this, exp.Distinct):
        value = scope.value(_only_one(node.this))
        if value.kind not in (Kind.INTEGER, Kind.FLOAT, Kind.DECIMAL, Kind.TEXT, Kind.FLAG, Kind.DATE, Kind.UUID) or (
            value.kind == Kind.TEXT and value.collation not in ("", "BINARY")
        ):
            raise UntranslatableError(f"it tells rows apart by {value.kind.words}")
        return Value(emit.call("count", exp.Distinct(expressions=[value.node])), Kind.INTEGER)
    return Value(emit.call("count", scope.value(node.this).node), Kind.INTEGER)


def _only_one(node: exp.Distinct) -> exp.Expr:
    only(node, "expressions")
    if len(node.expressions) != 1:
        raise UntranslatableError("it counts distinct rows of several columns")
    found: exp.Expr = node.expressions[0]
    return found


def _sum(scope: QueryScope, node: exp.Sum) -> Value:
    only(node, "this")
    value = scope.number(node.this)
    if value.kind == Kind.INTEGER:
        # PostgreSQL sums bigint to numeric; SQLite stays with integers, and fails beyond them as the cast does.
        return Value(emit.cast(emit.call("sum", value.node), "bigint"), Kind.INTEGER)
    return Value(emit.call("sum", as_double(value)), Kind.FLOAT)


def _average(scope: QueryScope, node: exp.Avg) -> Value:
    only(node, "this")
    value = scope.number(node.this)
    return Value(emit.call("avg", as_double(value)), Kind.FLOAT)


def _extreme(scope: QueryScope, node: exp.Min | exp.Max) -> Value:
    only(node, "this")
    value = scope.value(node.this)
    name = "min" if isinstance(node, exp.Min) else "max"
    if value.kind in (Kind.TRUTH, Kind.FLAG):
        value = scope.number(node.this)
    if value.kind == Kind.TEXT and value.collation in ("", "BINARY"):
        return Value(emit.call(name, emit.bytewise(value.node)), Kind.TEXT)
    if value.kind not in (*NUMBERS, Kind.DATE):
        raise UntranslatableError(f"it looks for the {name} of values of kind {value.kind.value} ({value.collation})")
    return Value(emit.call(name, value.node), value.kind, precision=value.precision)


def _group_concat(scope: QueryScope, node: exp.GroupConcat) -> Value:
    only(node, "this", "separator")
    separator = node.args.get("separator")
    if isinstance(node.this, exp.Distinct | exp.Order) or (separator is not None and not separator.is_string):
        raise UntranslatableError("it uses group_concat() in a way that is not understood")
    between = emit.text(separator.name if separator is not None else ",")
    return Value(emit.call("string_agg", scope.text(node.this).node, between), Kind.TEXT)


_AGGREGATES: dict[Any, Callable[[QueryScope, Any], Value]] = {
    exp.Count: _count,
    exp.Sum: _sum,
    exp.Avg: _average,
    (exp.Min, exp.Max): _extreme,
    exp.GroupConcat: _group_concat,
}
