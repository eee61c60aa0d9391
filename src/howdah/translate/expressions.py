"""Operators: the typed translation of one SQLite expression."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import expressions as exp

from howdah.translate import emit, functions
from howdah.translate.comparison import ORDERING, aligned, as_double, as_integer, choice, collation_of
from howdah.translate.kinds import NUMBERS, Kind, UntranslatableError, Value
from howdah.translate.patterns import regular

# Of the same rank and read from the left in SQLite; sqlglot ranks them otherwise, so they must stand in parentheses.
_COMPARISONS = (
    *(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ, exp.In),
    *(exp.Between, exp.Like, exp.Glob, exp.Escape, exp.Not),
)
_BITWISE = (exp.BitwiseAnd, exp.BitwiseOr)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)
_INT8 = 1 << 63

_IGNORABLE = frozenset({"big_int", "safe", "typed", "ignore_nulls", "coalesce", "charset", "zone", "nested", "_type"})


@lru_cache(maxsize=1024)
def parse(text: str) -> exp.Expr:
    """Return the syntax tree of one SQLite expression; it is shared, and never changed.

    :raises UntranslatableError: when sqlglot cannot read it.
    """
    try:
        query = sqlglot.parse_one(f"SELECT (\n{text}\n)", read="sqlite")
    except (sqlglot.errors.SqlglotError, RecursionError, UnicodeError) as error:
        raise UntranslatableError("it cannot be parsed") from error
    if not isinstance(query, exp.Select) or set(_given(query)) != {"expressions"} or len(query.expressions) != 1:
        raise UntranslatableError("it cannot be parsed")
    found = query.expressions[0]
    assert isinstance(found, exp.Expr)  # noqa: S101 - sqlglot is untyped
    return found


def _given(node: exp.Expr) -> Iterable[str]:
    return (name for name, value in node.args.items() if value not in (None, False, []) and name not in _IGNORABLE)


def only(node: exp.Expr, *names: str) -> None:
    """Let through a node with these parts and no others.

    :raises UntranslatableError: the node has a part that the translation would lose.
    """
    extra = set(_given(node)) - set(names)
    if extra:
        raise UntranslatableError(f"{describe(node)} has a part that is not understood ({', '.join(sorted(extra))})")


def describe(node: exp.Expr) -> str:
    """Return how a sentence names a node: its operator or function."""
    if isinstance(node, exp.Anonymous):
        return f"{str(node.name).lower()}()"
    return f"{node.sql_name().lower()}()" if isinstance(node, exp.Func) else type(node).__name__


class Expressions:
    """Translates expressions; what a name means is said by :meth:`resolve`, which each scope defines."""

    def resolve(self, node: exp.Column) -> Value:
        """Return the column that a name stands for.

        :raises UntranslatableError: there is none.
        """
        raise UntranslatableError(f"there is no column {node.name}")

    def stores_reals(self, node: exp.Expr) -> bool:  # noqa: ARG002 - each scope defines it
        """Return whether an expression is a column that stores every number as REAL."""
        return False

    def truth(self, node: exp.Expr) -> exp.Expr:
        """Translate a condition to a PostgreSQL boolean."""
        node = node.unnest()
        if isinstance(node, exp.And | exp.Or):
            only(node, "this", "expression")
            return emit.binary(type(node), self.truth(node.this), self.truth(node.expression))
        if isinstance(node, exp.Not):
            only(node, "this")
            return emit.negated(self.truth(node.this))
        value = self.value(node)
        if value.kind in (Kind.TRUTH, Kind.FLAG, Kind.NULL):
            return value.node
        if value.kind in NUMBERS:
            return emit.binary(exp.NEQ, value.node, emit.number(0))
        raise UntranslatableError(f"{value.kind.words} stands where a condition is wanted")

    def value(self, node: exp.Expr) -> Value:
        """Translate an expression."""
        node = node.unnest()
        if isinstance(node, exp.And | exp.Or | exp.Not):
            return Value(self.truth(node), Kind.TRUTH)
        for family, translate in _OPERATORS.items():
            if isinstance(node, family):
                return translate(self, node)
        return functions.translate(self, node)

    def number(self, node: exp.Expr) -> Value:
        """Translate an expression that must be a number; conditions count as 0 and 1."""
        value = as_integer(self.value(node))
        if value.kind not in NUMBERS:
            raise UntranslatableError(f"{value.kind.words} stands where a number is wanted")
        return value

    def text(self, node: exp.Expr) -> Value:
        """Translate an expression that must be text; integers are written out."""
        value = self.value(node)
        if value.kind == Kind.INTEGER:
            return Value(emit.cast(value.node, "text"), Kind.TEXT)
        if value.kind != Kind.TEXT:
            raise UntranslatableError(f"{value.kind.words} stands where text is wanted")
        return value

    def compared(self, operator: type[exp.Binary], left: Value, right: Value) -> Value:
        """Return a comparison of two values, by the affinities and the collation that SQLite would use."""
        left, right = aligned(left, right, equality=not issubclass(operator, ORDERING))
        one, other = left.node, right.node
        if left.kind == Kind.TEXT and right.kind == Kind.TEXT:
            collation = collation_of(left, right)
            if collation == "NOCASE":
                one, other = emit.folded(one), emit.folded(other)
            elif issubclass(operator, ORDERING):
                one = emit.bytewise(one)
        return Value(emit.binary(operator, one, other), Kind.TRUTH)


def _operand(node: exp.Expr, classes: tuple[type[exp.Expr], ...]) -> exp.Expr:
    if isinstance(node, classes):
        raise UntranslatableError("operators of the same rank stand side by side without parentheses")
    return node


def _column(scope: Expressions, node: exp.Column) -> Value:
    if node.args.get("db") or node.args.get("catalog"):
        raise UntranslatableError("it names a column of another database")
    return scope.resolve(node)


def _literal(_: Expressions, node: exp.Literal) -> Value:
    if node.is_string:
        return Value(emit.text(str(node.this)), Kind.TEXT, literal=str(node.this))
    written = str(node.this)
    if written.isdecimal() and int(written) < _INT8:
        return Value(emit.number(int(written)), Kind.INTEGER, literal=int(written))
    value = float(written)
    if value in (float("inf"), float("-inf")):
        raise UntranslatableError(f"the number {written} is infinite")
    return Value(emit.number(value), Kind.FLOAT, literal=value)


def _boolean(_: Expressions, node: exp.Boolean) -> Value:
    return Value(emit.number(int(bool(node.this))), Kind.INTEGER, literal=int(bool(node.this)))


def _blob(_: Expressions, node: exp.HexString) -> Value:
    return Value(emit.cast(emit.text(f"\\x{node.this}"), "bytea"), Kind.BLOB)


def _null(_: Expressions, __: exp.Null) -> Value:
    return Value(exp.Null(), Kind.NULL)


def _negative(scope: Expressions, node: exp.Neg) -> Value:
    value = scope.number(node.this)
    if node.this.is_number and str(node.this.name) == str(_INT8):
        return Value(emit.number(-_INT8), Kind.INTEGER, literal=-_INT8)
    if isinstance(value.literal, int | float) and value.literal:
        return Value(emit.number(-value.literal), value.kind, literal=-value.literal)
    return Value(exp.Neg(this=emit.grouped(value.node)), value.kind, precision=value.precision)


def _comparison(scope: Expressions, node: exp.Binary) -> Value:
    only(node, "this", "expression")
    left, right = (_operand(side, _COMPARISONS) for side in (node.this, node.expression))
    if isinstance(right.unnest(), exp.Subquery | exp.Select | exp.Tuple | exp.All | exp.Any):
        raise UntranslatableError("it compares with a query or a row")
    return scope.compared(type(node), scope.value(left), scope.value(right))


def _is(scope: Expressions, node: exp.Is) -> Value:
    only(node, "this", "expression")
    inner = _operand(node.this, _COMPARISONS)
    if isinstance(node.expression, exp.Null):
        return Value(exp.Is(this=emit.grouped(scope.value(inner).node), expression=exp.Null()), Kind.TRUTH)
    if isinstance(node.expression, exp.Boolean):
        truth = emit.grouped(scope.truth(inner))
        return Value(exp.Is(this=truth, expression=exp.Boolean(this=node.expression.this)), Kind.TRUTH)
    raise UntranslatableError("it uses IS in a way that is not understood")


def _in(scope: Expressions, node: exp.In) -> Value:
    only(node, "this", "expressions")
    if not node.expressions:
        raise UntranslatableError("it uses IN with an empty list")
    left = scope.value(_operand(node.this, _COMPARISONS))
    # Affinity and collation are the left side's alone (https://sqlite.org/datatype3.html sections 4.2 and 7.1).
    members = [replace(scope.value(item), column=False, explicit=False) for item in node.expressions]
    tests = [scope.compared(exp.EQ, left, member).node for member in members]
    parts = [test.expression for test in tests]
    heads = {emit.sql(test.this) for test in tests}
    if len(heads) == 1:
        return Value(exp.In(this=tests[0].this, expressions=parts), Kind.TRUTH)
    return Value(exp.or_(*tests), Kind.TRUTH)


def _between(scope: Expressions, node: exp.Between) -> Value:
    only(node, "this", "low", "high")
    value = scope.value(_operand(node.this, _COMPARISONS))
    low = scope.compared(exp.GTE, value, scope.value(_operand(node.args["low"], _COMPARISONS)))
    high = scope.compared(exp.LTE, value, scope.value(_operand(node.args["high"], _COMPARISONS)))
    return Value(emit.binary(exp.And, low.node, high.node), Kind.TRUTH)


def _like(scope: Expressions, node: exp.Like | exp.Escape) -> Value:
    escape = ""
    negate = False
    if isinstance(node, exp.Escape):
        only(node, "this", "expression")
        if not isinstance(node.this, exp.Like) or not node.expression.is_string or len(node.expression.name) != 1:
            raise UntranslatableError("it uses ESCAPE in a way that is not understood")
        escape = node.expression.name
        node = node.this
    only(node, "this", "expression", "negate")
    negate = bool(node.args.get("negate"))
    value = scope.text(_operand(node.this, _COMPARISONS))
    pattern = scope.value(_operand(node.expression, _COMPARISONS))
    if not isinstance(pattern.literal, str) or escape in ("%", "_"):
        raise UntranslatableError("it uses LIKE with a pattern that is no literal")
    _escapes(pattern.literal, escape)
    # Under collation "C" ILIKE folds A to Z and nothing else, which is what LIKE does in SQLite.
    matched = exp.ILike(this=emit.bytewise(value.node), expression=pattern.node)
    found = exp.Escape(this=matched, expression=emit.text(escape))
    return Value(emit.negated(found) if negate else found, Kind.TRUTH)


def _escapes(pattern: str, escape: str) -> None:
    """Refuse an escape before an ordinary character or at the end, of which both make something of their own."""
    at = 0
    while escape and at < len(pattern):
        if pattern[at] == escape:
            at += 1
            if pattern[at : at + 1] not in ("%", "_", escape):
                raise UntranslatableError("a LIKE pattern escapes an ordinary character")
        at += 1


def _glob(scope: Expressions, node: exp.Glob) -> Value:
    only(node, "this", "expression")
    value = scope.text(_operand(node.this, _COMPARISONS))
    pattern = scope.value(_operand(node.expression, _COMPARISONS))
    if not isinstance(pattern.literal, str):
        raise UntranslatableError("it uses GLOB with a pattern that is no literal")
    found = exp.RegexpLike(this=emit.bytewise(value.node), expression=emit.text(regular(pattern.literal)))
    return Value(found, Kind.TRUTH)


def _arithmetic(scope: Expressions, node: exp.Binary) -> Value:
    only(node, "this", "expression")
    left, right = scope.number(node.this), scope.number(node.expression)
    divides = isinstance(node, exp.Div | exp.Mod)
    if left.kind == right.kind == Kind.INTEGER:
        divisor = _divisor(right) if divides else right.node
        return Value(_operation(node, left.node, divisor), Kind.INTEGER)
    if isinstance(node, exp.Mod):
        raise UntranslatableError("it takes the remainder of numbers that are no integers")
    if divides and Kind.FLOAT not in (left.kind, right.kind):
        raise UntranslatableError("it divides decimals, which SQLite stores as integers or as reals")
    one, other = as_double(left), as_double(right)
    if divides:
        other = _divisor(Value(other, Kind.FLOAT, literal=right.literal))
    return Value(_operation(node, one, other), Kind.FLOAT)


def _divisor(value: Value) -> exp.Expr:
    """Return the divisor; by zero SQLite gives NULL where PostgreSQL raises an error."""
    return value.node if value.literal else emit.call("nullif", value.node, emit.number(0))


def _operation(node: exp.Binary, left: exp.Expr, right: exp.Expr) -> exp.Expr:
    # Typed, and not safe: sqlglot then leaves the operator as it is.
    extra = {"typed": True, "safe": False} if isinstance(node, exp.Div) else {}
    return type(node)(this=emit.grouped(left), expression=emit.grouped(right), **extra)


def _bitwise(scope: Expressions, node: exp.Binary) -> Value:
    only(node, "this", "expression")
    left, right = (scope.number(_operand(side, _BITWISE)) for side in (node.this, node.expression))
    if left.kind != Kind.INTEGER or right.kind != Kind.INTEGER:
        raise UntranslatableError("it combines bits of numbers that are no integers")
    return Value(emit.binary(type(node), left.node, right.node), Kind.INTEGER)


def _concatenation(scope: Expressions, node: exp.DPipe) -> Value:
    only(node, "this", "expression")
    left, right = scope.text(node.this), scope.text(node.expression)
    return Value(emit.binary(exp.DPipe, left.node, right.node), Kind.TEXT)


def _collate(scope: Expressions, node: exp.Collate) -> Value:
    value = scope.value(node.this)
    name = str(node.expression.name).upper()
    if name not in ("BINARY", "NOCASE"):
        raise UntranslatableError(f"text compares by collation {name}")
    return Value(value.node, value.kind, name, explicit=True, literal=value.literal)


def _case(scope: Expressions, node: exp.Case) -> Value:
    only(node, "this", "ifs", "default")
    subject = scope.value(node.this) if node.this else None
    conditions = []
    for branch in node.args["ifs"]:
        only(branch, "this", "true")
        if subject is None:
            conditions.append(scope.truth(branch.this))
        else:
            conditions.append(scope.compared(exp.EQ, subject, scope.value(branch.this)).node)
    results = [scope.value(branch.args["true"]) for branch in node.args["ifs"]]
    default = node.args.get("default")
    return choice(conditions, results, scope.value(default) if default else None)


def _if(scope: Expressions, node: exp.If) -> Value:
    only(node, "this", "true", "false")
    if node.args.get("false") is None:
        raise UntranslatableError("it uses iif() without a third argument")
    return choice([scope.truth(node.this)], [scope.value(node.args["true"])], scope.value(node.args["false"]))


def _cast(scope: Expressions, node: exp.Cast) -> Value:
    only(node, "this", "to")
    value = as_integer(scope.value(node.this))
    wanted = str(node.args["to"].this.name)
    match wanted:
        case "INT" | "BIGINT" if value.kind == Kind.INTEGER:
            return Value(emit.cast(value.node, "bigint"), Kind.INTEGER)
        case "INT" | "BIGINT" if value.kind == Kind.FLOAT and value.literal is None:
            return Value(emit.cast(emit.call("trunc", value.node), "bigint"), Kind.INTEGER)
        case "TEXT" if value.kind in (Kind.INTEGER, Kind.TEXT):
            return Value(emit.cast(value.node, "text"), Kind.TEXT, value.collation, column=value.column)
        case "FLOAT" | "DOUBLE" if value.kind in NUMBERS:
            return Value(emit.cast(as_double(value), "double precision"), Kind.FLOAT)
    raise UntranslatableError(f"it casts {value.kind.words} to {wanted}")


_OPERATORS: dict[Any, Callable[[Expressions, Any], Value]] = {
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Boolean: _boolean,
    exp.HexString: _blob,
    exp.Null: _null,
    exp.Neg: _negative,
    (exp.EQ, exp.NEQ, *ORDERING, exp.NullSafeEQ, exp.NullSafeNEQ): _comparison,
    exp.Is: _is,
    exp.In: _in,
    exp.Between: _between,
    (exp.Like, exp.Escape): _like,
    exp.Glob: _glob,
    _ARITHMETIC: _arithmetic,
    _BITWISE: _bitwise,
    exp.DPipe: _concatenation,
    exp.Collate: _collate,
    exp.Case: _case,
    exp.If: _if,
    exp.Cast: _cast,
}
