"""Whole queries: the SELECT of a view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlglot
from sqlglot import expressions as exp

from howdah.translate import emit
from howdah.translate.columns import Column
from howdah.translate.expressions import only
from howdah.translate.kinds import Kind, UntranslatableError, Value
from howdah.translate.scope import QueryScope, Source

# Rows are told apart by these; two spellings of one moment would fall together.
_SPELT = (Kind.OPAQUE, Kind.MOMENT, Kind.JSON)


@dataclass(frozen=True)
class Relation:
    """A table or view that a query may read.

    :ivar name: in the target schema.
    :ivar columns: column of SQLite in lower case → what expressions see, in their order.
    """

    schema: str
    name: str
    columns: Mapping[str, Column]


@dataclass(frozen=True)
class Output:
    """A column of a query's result: its name in SQLite and what it yields."""

    name: str
    value: Value


@dataclass(frozen=True)
class Query:
    """A translated query."""

    node: exp.Expr
    outputs: tuple[Output, ...]


@dataclass
class Translator:
    """Translates queries over known relations.

    :param relations: name in lower case → what it is; those of WITH shadow the others.
    """

    relations: Mapping[str, Relation]
    named: dict[str, dict[str, Column]] = field(default_factory=dict)

    def query(self, node: exp.Expr, parent: QueryScope | None = None, names: tuple[str, ...] = ()) -> Query:
        """Translate a SELECT or a compound of them.

        :param names: what the result's columns are to be called in PostgreSQL.
        :raises UntranslatableError: its meaning could differ.
        """
        inner = Translator(self.relations, dict(self.named))
        tables = inner.common(node)
        if isinstance(node, exp.Select):
            found = inner.select(node, parent, names)
        elif isinstance(node, exp.SetOperation):
            found = inner.compound(node, parent, names)
        else:
            raise UntranslatableError(f"it is made of {type(node).__name__.upper()}")
        if tables:
            found.node.set("with_", exp.With(expressions=tables))
        return found

    def common(self, node: exp.Expr) -> list[exp.Expr]:
        """Translate the WITH of a query."""
        made: list[exp.Expr] = []
        found = node.args.get("with_")
        for table in found.expressions if found else []:
            only(table, "this", "alias")
            wanted = tuple(column.name for column in table.args["alias"].args.get("columns") or [])
            names = wanted or named(self.query(table.this))
            query = self.query(table.this, None, names)
            alias = table.args["alias"].this.name
            self.named[alias.lower()] = columns_of(query, names)
            made.append(exp.CTE(this=query.node, alias=exp.TableAlias(this=emit.name(alias))))
        return made

    def select(self, node: exp.Select, parent: QueryScope | None, names: tuple[str, ...]) -> Query:
        """Translate one SELECT."""
        parts = ("from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct")
        only(node, "expressions", "with_", *parts)
        scope = QueryScope(self.subquery, parent)
        made = exp.Select()
        if node.args.get("from_"):
            made.set("from_", exp.From(this=self.source(node.args["from_"].this, scope)))
        made.set("joins", [self.join(join, scope) for join in node.args.get("joins") or []])
        outputs = [output for item in node.expressions for output in self.item(item, scope)]
        scope.aliases = {output.name.lower(): output.value for output in outputs}
        if node.args.get("where"):
            made.set("where", exp.Where(this=scope.truth(node.args["where"].this)))
        if node.args.get("group"):
            made.set("group", self.group(node.args["group"], scope, outputs))
        if node.args.get("having"):
            made.set("having", exp.Having(this=scope.truth(node.args["having"].this)))
        if node.args.get("distinct"):
            only(node.args["distinct"])
            for output in outputs:
                told_apart(output.value)
            made.set("distinct", exp.Distinct())
        if node.args.get("order"):
            made.set("order", ordered(node.args["order"], outputs, scope))
        limits(node, made)
        made.set("expressions", projected(outputs, names))
        return Query(made, tuple(outputs))

    def compound(self, node: Any, parent: QueryScope | None, names: tuple[str, ...]) -> Query:
        """Translate UNION, UNION ALL, EXCEPT or INTERSECT."""
        only(node, "this", "expression", "distinct", "order", "limit", "offset", "with_")
        if isinstance(node.expression, exp.SetOperation):
            raise UntranslatableError("it nests compounds in a way that is not understood")
        left, right = self.query(node.this, parent, names), self.query(node.expression, parent)
        if len(left.outputs) != len(right.outputs):
            raise UntranslatableError("the sides of a compound have different columns")
        outputs = [
            replace(one, value=alike(one.value, other.value))
            for one, other in zip(left.outputs, right.outputs, strict=True)
        ]
        if node.args.get("distinct") or not isinstance(node, exp.Union):
            for output in outputs:
                told_apart(output.value)
        distinct = bool(node.args.get("distinct"))
        made = type(node)(this=left.node, expression=right.node, distinct=distinct)
        if node.args.get("order"):
            made.set("order", ordered(node.args["order"], outputs, None))
        limits(node, made)
        return Query(made, tuple(outputs))

    def subquery(self, node: exp.Expr, scope: QueryScope) -> Query:
        """Translate a query within an expression."""
        return self.query(node, scope)

    def source(self, node: exp.Expr, scope: QueryScope) -> exp.Expr:
        """Translate a table, view or query of FROM, and put its columns in scope."""
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query) and not node.this.args.get("alias"):
            only(node, "this", "alias")
            names = named(self.query(node.this))
            query = self.query(node.this, None, names)
            alias = node.alias or f"howdah_{len(scope.sources)}"
            scope.sources.append(Source(node.alias, alias, columns_of(query, names)))
            return exp.Subquery(this=query.node, alias=exp.TableAlias(this=emit.name(alias)))
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
            raise UntranslatableError("it reads something that is neither a table nor a view")
        only(node, "this", "alias", "db")
        if node.db.lower() not in ("", "main") or (node.args.get("alias") and node.args["alias"].args.get("columns")):
            raise UntranslatableError("it reads a table of another database")
        alias = node.alias or node.name
        if not node.db and node.name.lower() in self.named:
            columns: Mapping[str, Column] = self.named[node.name.lower()]
            made = exp.Table(this=emit.name(node.name))
        else:
            relation = self.relations.get(node.name.lower())
            if relation is None:
                raise UntranslatableError(f"it reads {node.name}, which does not move")
            columns = relation.columns
            made = exp.Table(this=emit.name(relation.name), db=emit.name(relation.schema))
        scope.sources.append(Source(alias, alias, columns))
        made.set("alias", exp.TableAlias(this=emit.name(alias)))
        return made

    def join(self, node: exp.Join, scope: QueryScope) -> exp.Expr:
        """Translate one join; the left side is everything before it."""
        only(node, "this", "side", "kind", "on", "using", "pivots")
        side, kind = str(node.args.get("side") or ""), str(node.args.get("kind") or "")
        if side not in ("", "LEFT") or kind not in ("", "INNER", "OUTER", "CROSS"):
            raise UntranslatableError(f"it uses {side} {kind} JOIN".replace("  ", " "))
        before = len(scope.sources)
        table = self.source(node.this, scope)
        condition: exp.Expr | None = None
        for column in node.args.get("using") or []:
            equal = scope.shared(column.name, before)
            condition = emit.binary(exp.And, condition, equal) if condition is not None else equal
        if node.args.get("on") is not None and not isinstance(node.args["on"], exp.Boolean):
            condition = scope.truth(node.args["on"])
        if condition is None and side != "LEFT":
            return exp.Join(this=table, kind="CROSS")
        return exp.Join(this=table, side=side or None, on=exp.Boolean(this=True) if condition is None else condition)

    def item(self, node: exp.Expr, scope: QueryScope) -> list[Output]:
        """Translate one entry of the select list."""
        if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
            table = node.table.lower() if isinstance(node, exp.Column) else ""
            return [Output(name, value) for name, value in scope.star(table)]
        inner = node.this if isinstance(node, exp.Alias) else node
        name = node.alias if isinstance(node, exp.Alias) else inner.name if isinstance(inner, exp.Column) else ""
        return [Output(name, scope.value(inner))]

    def group(self, node: exp.Expr, scope: QueryScope, outputs: list[Output]) -> exp.Expr:
        """Translate GROUP BY."""
        only(node, "expressions")
        keys = []
        for key in node.expressions:
            position = place(key, outputs)
            value = outputs[position].value if position is not None else scope.value(key)
            told_apart(value)
            keys.append(value.node.copy())
        return exp.Group(expressions=keys)


def named(query: Query) -> tuple[str, ...]:
    """Return the names of a result's columns."""
    names = tuple(output.name for output in query.outputs)
    if not all(names):
        raise UntranslatableError("a query within it has a column without a name")
    return names


def columns_of(query: Query, names: tuple[str, ...]) -> dict[str, Column]:
    """Return the columns of a query as another query sees them; of two alike the first counts."""
    found: dict[str, Column] = {}
    for name, output in zip(names, query.outputs, strict=True):
        value = shown(output.value)
        column = Column(
            name, value.kind, value.collation or "BINARY", value.precision, False, value.zoned, value.column
        )
        found.setdefault(name.lower(), column)
    return found


def shown(value: Value) -> Value:
    """Return a value as a result has it: conditions as 0 and 1, literals with a type."""
    if value.kind == Kind.TRUTH:
        return Value(emit.cast(value.node, "integer"), Kind.INTEGER)
    if value.kind == Kind.FLOAT and value.literal is not None:
        return Value(emit.cast(value.node, "double precision"), Kind.FLOAT)
    if value.kind == Kind.NULL:
        return Value(emit.cast(value.node, "text"), Kind.NULL)
    return value


def projected(outputs: list[Output], names: tuple[str, ...]) -> list[exp.Expr]:
    """Return the select list."""
    if names and len(names) != len(outputs):
        raise UntranslatableError("its columns cannot be told")
    nodes = [shown(output.value).node for output in outputs]
    if not names:
        return nodes
    return [exp.Alias(this=node, alias=emit.name(name)) for node, name in zip(nodes, names, strict=True)]


def alike(one: Value, other: Value) -> Value:
    """Return what a column of a compound yields."""
    one, other = shown(one), shown(other)
    if one.kind == Kind.NULL or other.kind == Kind.NULL or one.kind != other.kind or one.zoned != other.zoned:
        raise UntranslatableError(f"the sides of a compound yield {one.kind.value} and {other.kind.value}")
    return Value(one.node, one.kind, one.collation, column=one.column and other.column, zoned=one.zoned)


def told_apart(value: Value) -> None:
    """Refuse what groups or distinct rows cannot be made of with certainty."""
    if value.kind in _SPELT or (value.kind == Kind.TEXT and value.collation not in ("", "BINARY")):
        raise UntranslatableError(f"it tells rows apart by {value.kind.words} ({value.collation})")


def place(node: exp.Expr, outputs: list[Output]) -> int | None:
    """Return the position of the result column that a term of ORDER BY or GROUP BY names, if it names one."""
    if isinstance(node, exp.Literal) and not node.is_string and node.name.isdecimal():
        number = int(node.name)
        if not 1 <= number <= len(outputs):
            raise UntranslatableError("it names a column of its result that is not there")
        return number - 1
    return None


def ordered(order: exp.Expr, outputs: list[Output], scope: QueryScope | None) -> exp.Expr:
    """Translate ORDER BY; of a compound (without a scope) only result columns can be named."""
    only(order, "expressions")
    terms = []
    for term in order.expressions:
        only(term, "this", "desc", "nulls_first")
        position = place(term.this, outputs)
        named = [output.name.lower() for output in outputs]
        if position is None and isinstance(term.this, exp.Column) and not term.this.table:
            position = named.index(term.this.name.lower()) if term.this.name.lower() in named else None
        if position is not None:
            value = outputs[position].value
        elif scope is not None:
            value = scope.value(term.this)
        else:
            raise UntranslatableError("a compound is ordered by an expression")
        desc, first = bool(term.args.get("desc")), bool(term.args.get("nulls_first"))
        key = sortable(value).copy()
        if scope is None:
            if value.kind == Kind.TEXT:
                raise UntranslatableError("a compound is ordered by text")
            key = emit.number((position or 0) + 1)
        terms.append(exp.Ordered(this=key, desc=desc, nulls_first=first))
    return exp.Order(expressions=terms)


def sortable(value: Value) -> exp.Expr:
    """Return a value as ORDER BY takes it."""
    if value.kind == Kind.TEXT and value.collation == "NOCASE":
        return emit.folded(value.node)
    if value.kind == Kind.TEXT and value.collation in ("", "BINARY"):
        return emit.bytewise(value.node)
    if value.kind in (*_SPELT, Kind.UUID, Kind.TEXT):
        raise UntranslatableError(f"it is ordered by {value.kind.words} ({value.collation})")
    return value.node


def limits(node: exp.Expr, made: exp.Expr) -> None:
    """Copy LIMIT and OFFSET, where they are plain numbers."""
    for name in ("limit", "offset"):
        found = node.args.get(name)
        if found is None:
            continue
        only(found, "expression")
        if not (isinstance(found.expression, exp.Literal) and found.expression.name.isdecimal()):
            raise UntranslatableError(f"its {name.upper()} is no plain number")
        made.set(name, type(found)(expression=emit.number(int(found.expression.name))))


def view(relations: Mapping[str, Relation], sql: str, names: tuple[str, ...]) -> Query:
    """Translate the query of a CREATE VIEW.

    :param names: what its columns are to be called in PostgreSQL.
    :raises UntranslatableError: its meaning could differ.
    """
    try:
        created = sqlglot.parse_one(sql, read="sqlite")
    except (sqlglot.errors.SqlglotError, RecursionError, UnicodeError) as error:
        raise UntranslatableError("it cannot be parsed") from error
    if not isinstance(created, exp.Create) or not isinstance(created.expression, exp.Query):
        raise UntranslatableError("it cannot be parsed")
    return Translator(relations).query(created.expression, None, names)
