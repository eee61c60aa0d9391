"""What two values have in common: how they compare, and what they are beside each other."""

from __future__ import annotations

import re

from sqlglot import expressions as exp

from howdah.translate import emit
from howdah.translate.kinds import NUMBERS, Kind, UntranslatableError, Value

ORDERING = (exp.LT, exp.LTE, exp.GT, exp.GTE)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# A double holds every decimal of up to 15 digits, and every integer up to 2^53.
_DIGITS = 15
_EXACT = 1 << 53


def as_integer(value: Value) -> Value:
    """Return a condition or a flag as the number that SQLite takes it for."""
    if value.kind in (Kind.TRUTH, Kind.FLAG):
        return Value(emit.cast(value.node, "integer"), Kind.INTEGER)
    return value


def collation_of(left: Value, right: Value) -> str:
    """Return the collation of a comparison (https://sqlite.org/datatype3.html section 7.1)."""
    ranked = [v for v in (left, right) if v.explicit] or [v for v in (left, right) if v.column]
    collation = (ranked[0].collation if ranked else "") or "BINARY"
    if collation not in ("BINARY", "NOCASE"):
        raise UntranslatableError(f"text compares by collation {collation}")
    return collation


def aligned(left: Value, right: Value, *, equality: bool) -> tuple[Value, Value]:
    """Return both sides so that PostgreSQL compares them as SQLite does.

    :raises UntranslatableError: the outcome could differ.
    """
    pair = {left.kind, right.kind}
    if Kind.NULL in pair:
        return left, right
    if Kind.FLAG in pair and equality:
        one, other = _flag(left), _flag(right)
        if one and other:
            return one, other
    left, right = as_integer(left), as_integer(right)
    pair = {left.kind, right.kind}
    if pair == {Kind.TEXT, Kind.INTEGER}:
        left, right = _texted(left, right), _texted(right, left)
        pair = {left.kind, right.kind}
    if pair == {Kind.DATE, Kind.TEXT}:
        left, right = _dated(left), _dated(right)
        pair = {left.kind, right.kind}
    if pair <= set(NUMBERS) and _exact(left, right):
        return left, right
    if len(pair) == 1 and left.kind in (Kind.TEXT, Kind.BLOB, Kind.DATE):
        return left, right
    if len(pair) == 1 and left.kind == Kind.UUID and equality:
        return left, right
    raise UntranslatableError(f"values of kind {left.kind.value} and {right.kind.value} are compared")


def _flag(value: Value) -> Value | None:
    if value.kind == Kind.FLAG:
        return value
    if value.kind == Kind.INTEGER and value.literal in (0, 1):
        return Value(exp.Boolean(this=bool(value.literal)), Kind.FLAG)
    return None


def _texted(value: Value, other: Value) -> Value:
    """A number beside a TEXT column is taken for its text."""
    if value.kind == Kind.INTEGER and isinstance(value.literal, int) and other.column:
        return Value(emit.text(str(value.literal)), Kind.TEXT)
    return value


def _dated(value: Value) -> Value:
    if value.kind == Kind.TEXT and isinstance(value.literal, str) and _DAY.fullmatch(value.literal):
        return Value(emit.cast(emit.text(value.literal), "date"), Kind.DATE)
    return value


def _exact(left: Value, right: Value) -> bool:
    """Whether both sides compare exactly; bigint with double does not beyond 2^53."""
    if left.kind == right.kind:
        return True
    for one, other in ((left, right), (right, left)):
        if one.kind == Kind.FLOAT and one.literal is None and other.literal is None:
            return other.kind == Kind.DECIMAL and 0 < other.precision <= _DIGITS
        if one.kind == Kind.FLOAT and one.literal is None and isinstance(other.literal, int):
            return abs(other.literal) <= _EXACT
    return True


def as_double(value: Value) -> exp.Expr:
    """Return a number as the double that SQLite would compute with.

    :raises UntranslatableError: a decimal that no double holds.
    """
    if value.kind == Kind.FLOAT and value.literal is None:
        return value.node
    if value.kind == Kind.DECIMAL and not 0 < value.precision <= _DIGITS:
        raise UntranslatableError("it computes with a decimal of more than 15 digits")
    return emit.cast(value.node, "double precision")


def choice(conditions: list[exp.Expr], results: list[Value], default: Value | None) -> Value:
    """Return a CASE whose results are all of one kind."""
    every, kind, precision = unified([*results, *([default] if default else [])])
    branches = [
        exp.If(this=condition, true=result.node)
        for condition, result in zip(conditions, every[: len(conditions)], strict=True)
    ]
    otherwise = every[-1].node if default else None
    return Value(exp.Case(ifs=branches, default=otherwise), kind, precision=precision)


def unified(values: list[Value]) -> tuple[list[Value], Kind, int]:
    """Return values of one kind, as they are; NULL goes with all.

    :raises UntranslatableError: their kinds differ, so the type would vary by row in SQLite.
    """
    if any(value.kind == Kind.FLAG for value in values):
        flags = [value if value.kind == Kind.NULL else _flag(value) for value in values]
        if all(flags):
            return [flag for flag in flags if flag], Kind.FLAG, 0
    values = [as_integer(value) for value in values]
    kinds = {value.kind for value in values} - {Kind.NULL}
    if len(kinds) > 1:
        raise UntranslatableError(f"it yields {' or '.join(sorted(kind.value for kind in kinds))} by row")
    kind = kinds.pop() if kinds else Kind.NULL
    precisions = [value.precision for value in values if value.kind == Kind.DECIMAL]
    precision = max(precisions) if precisions and all(precisions) else 0
    return values, kind, precision
