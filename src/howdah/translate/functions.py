"""Functions whose meaning on known kinds is the same on both sides, or can be written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlglot import expressions as exp

from howdah.translate import emit
from howdah.translate import expressions as operators
from howdah.translate.comparison import unified
from howdah.translate.kinds import Kind, UntranslatableError, Value

if TYPE_CHECKING:
    from howdah.translate.expressions import Expressions

# strftime's letters that to_char writes the same, zero-padded.
_FORMATS = {"Y": "YYYY", "m": "MM", "d": "DD", "H": "HH24", "M": "MI", "S": "SS", "j": "DDD", "f": "SS.MS"}
_LETTERS = {"date": "%Y-%m-%d", "time": "%H:%M:%S", "datetime": "%Y-%m-%d %H:%M:%S"}
_TYPEOF = {Kind.INTEGER: "integer", Kind.TEXT: "text", Kind.BLOB: "blob", Kind.FLOAT: "real"}


def translate(scope: Expressions, node: exp.Expr) -> Value:
    """Translate a function call.

    :raises UntranslatableError: a function, or an operator, that is not known to mean the same.
    """
    if isinstance(node, exp.Anonymous):
        named = _NAMED.get(str(node.name).lower())
        if named is not None:
            return named(scope, str(node.name).lower(), node.expressions)
    found = next((function for kind, function in _TYPED.items() if isinstance(node, kind)), None)
    if found is None:
        raise UntranslatableError(f"it uses {operators.describe(node)}")
    return found(scope, node)


def _case_fold(scope: Expressions, node: exp.Lower | exp.Upper) -> Value:
    operators.only(node, "this")
    name = "lower" if isinstance(node, exp.Lower) else "upper"
    return Value(emit.call(name, emit.bytewise(scope.text(node.this).node)), Kind.TEXT)


def _length(scope: Expressions, node: exp.Length) -> Value:
    operators.only(node, "this")
    value = scope.value(node.this)
    if value.kind != Kind.BLOB:
        value = scope.text(node.this)
    return Value(emit.call("length", value.node), Kind.INTEGER)


def _trim(scope: Expressions, node: exp.Trim) -> Value:
    operators.only(node, "this", "expression", "position")
    name = {"": "btrim", "LEADING": "ltrim", "TRAILING": "rtrim"}[str(node.args.get("position") or "")]
    set_of = [scope.text(node.expression).node] if node.expression else []
    return Value(emit.call(name, scope.text(node.this).node, *set_of), Kind.TEXT)


def _substring(scope: Expressions, node: exp.Substring) -> Value:
    operators.only(node, "this", "start", "length")
    limits = [scope.value(node.args[name]) for name in ("start", "length") if node.args.get(name)]
    least = (1, 0)
    if any(not isinstance(v.literal, int) or v.literal < low for v, low in zip(limits, least, strict=False)):
        raise UntranslatableError("it uses substr() with other positions than positive numbers")
    return Value(emit.call("substr", scope.text(node.this).node, *(v.node for v in limits)), Kind.TEXT)


def _position(scope: Expressions, node: exp.StrPosition) -> Value:
    operators.only(node, "this", "substr")
    found = emit.call("strpos", scope.text(node.this).node, scope.text(node.args["substr"]).node)
    return Value(found, Kind.INTEGER)


def _replace(scope: Expressions, node: exp.Replace) -> Value:
    operators.only(node, "this", "expression", "replacement")
    parts = (scope.text(node.args[name]).node for name in ("this", "expression", "replacement"))
    return Value(emit.call("replace", *parts), Kind.TEXT)


def _absolute(scope: Expressions, node: exp.Abs) -> Value:
    operators.only(node, "this")
    value = scope.number(node.this)
    return Value(emit.call("abs", value.node), value.kind, precision=value.precision)


def _coalesce(scope: Expressions, node: exp.Coalesce) -> Value:
    operators.only(node, "this", "expressions")
    values, kind, precision = unified([scope.value(item) for item in (node.this, *node.expressions)])
    return Value(emit.call("coalesce", *(value.node for value in values)), kind, precision=precision)


def _nullif(scope: Expressions, node: exp.Nullif) -> Value:
    operators.only(node, "this", "expression")
    value = scope.value(node.this)
    equal = scope.compared(exp.EQ, value, scope.value(node.expression)).node
    result = exp.Case(ifs=[exp.If(this=equal, true=exp.Null())], default=value.node)
    return Value(result, value.kind, precision=value.precision)


def _typeof(scope: Expressions, node: exp.Typeof) -> Value:
    operators.only(node, "this")
    value = scope.value(node.this)
    name = _TYPEOF.get(value.kind)
    if name is None or not value.column or (value.kind == Kind.FLOAT and not scope.stores_reals(node.this)):
        raise UntranslatableError(f"it asks for the storage class of {value.kind.words}")
    null = exp.Is(this=emit.grouped(value.node), expression=exp.Null())
    branch = exp.If(this=null, true=emit.text("null"))
    return Value(exp.Case(ifs=[branch], default=emit.text(name)), Kind.TEXT)


def _hex(scope: Expressions, node: exp.Hex) -> Value:
    operators.only(node, "this")
    value = scope.value(node.this)
    if value.kind != Kind.BLOB:
        raise UntranslatableError(f"it uses hex() on {value.kind.words}")
    # hex(NULL) is the empty text in SQLite.
    written = emit.call("upper", emit.call("encode", value.node, emit.text("hex")))
    return Value(emit.call("coalesce", written, emit.text("")), Kind.TEXT)


def _json_valid(scope: Expressions, _: str, arguments: list[exp.Expr]) -> Value:
    value = scope.value(arguments[0]) if len(arguments) == 1 else None
    if value is None or value.kind != Kind.JSON:
        raise UntranslatableError("it uses json_valid() on something that is not stored as jsonb")
    null = exp.Is(this=emit.grouped(value.node), expression=exp.Null())
    return Value(exp.Case(ifs=[exp.If(this=exp.Not(this=null), true=exp.Boolean(this=True))]), Kind.TRUTH)


def _hint(scope: Expressions, _: str, arguments: list[exp.Expr]) -> Value:
    """``likely(x)`` and its like are ``x``."""
    return scope.value(arguments[0])


def clock(scope: Expressions, node: exp.Expr | None) -> exp.Expr:
    """Return a point in time as a timestamp in UTC: a column, or the moment of the statement.

    :raises UntranslatableError: anything else.
    """
    if node is None or (node.is_string and str(node.name).lower() == "now"):
        return emit.utc(emit.call("now"))
    value = scope.value(node)
    if value.kind == Kind.MOMENT:
        return emit.utc(value.node) if value.zoned else value.node
    if value.kind == Kind.DATE:
        return emit.cast(value.node, "timestamp")
    raise UntranslatableError(f"it takes {value.kind.words} for a time")


def formatted(scope: Expressions, pattern: str, moment: exp.Expr | None) -> Value:
    """Translate ``strftime(pattern, moment)``.

    :raises UntranslatableError: a letter that ``to_char`` does not write the same.
    """
    if pattern == "%s":
        whole = emit.call("floor", exp.Extract(this=exp.var("epoch"), expression=clock(scope, moment)))
        return Value(emit.cast(emit.cast(whole, "bigint"), "text"), Kind.TEXT)
    result, at = [], 0
    while at < len(pattern):
        step = 2 if pattern[at] == "%" else 1
        letter = pattern[at + 1 : at + 2]
        if step == 2 and letter in _FORMATS:
            result.append(_FORMATS[letter])
        elif step == 2 or pattern[at] in '"\\':
            raise UntranslatableError(f"it uses strftime() with {pattern[at : at + 2]}")
        else:
            # Quoted: to_char reads letters of its own in ordinary text.
            result.append(f'"{pattern[at]}"' if pattern[at].isalpha() else pattern[at])
        at += step
    return Value(emit.call("to_char", clock(scope, moment), emit.text("".join(result))), Kind.TEXT)


def _strftime(scope: Expressions, node: exp.TimeToStr) -> Value:
    operators.only(node, "this", "format")
    inner, pattern = node.this, node.args["format"]
    if not isinstance(inner, exp.TsOrDsToTimestamp) or not pattern.is_string:
        raise UntranslatableError("it uses strftime() in a way that is not understood")
    moment = None if isinstance(inner.this, exp.CurrentTimestamp) else inner.this
    return formatted(scope, str(pattern.name), moment)


def _date(scope: Expressions, node: exp.Date) -> Value:
    operators.only(node, "this")
    return formatted(scope, _LETTERS["date"], node.this)


def _dated(scope: Expressions, name: str, arguments: list[exp.Expr]) -> Value:
    if len(arguments) > 1:
        raise UntranslatableError(f"it uses {name}() with a modifier")
    return formatted(scope, _LETTERS[name], arguments[0] if arguments else None)


def _epoch(scope: Expressions, name: str, arguments: list[exp.Expr]) -> Value:
    if len(arguments) > 1:
        raise UntranslatableError(f"it uses {name}() with a modifier")
    written = formatted(scope, "%s", arguments[0] if arguments else None)
    return Value(written.node.this, Kind.INTEGER)


def _now(pattern: str) -> Callable[[Expressions, Any], Value]:
    return lambda scope, _: formatted(scope, pattern, None)


_TYPED: dict[Any, Callable[[Expressions, Any], Value]] = {
    (exp.Lower, exp.Upper): _case_fold,
    exp.Length: _length,
    exp.Trim: _trim,
    exp.Substring: _substring,
    exp.StrPosition: _position,
    exp.Replace: _replace,
    exp.Abs: _absolute,
    exp.Coalesce: _coalesce,
    exp.Nullif: _nullif,
    exp.Typeof: _typeof,
    exp.Hex: _hex,
    exp.TimeToStr: _strftime,
    exp.Date: _date,
    exp.CurrentTimestamp: _now(_LETTERS["datetime"]),
    exp.CurrentDate: _now(_LETTERS["date"]),
    exp.CurrentTime: _now(_LETTERS["time"]),
}
_NAMED: dict[str, Callable[[Expressions, str, list[exp.Expr]], Value]] = {
    "json_valid": _json_valid,
    **dict.fromkeys(("likely", "unlikely"), _hint),
    **dict.fromkeys(("time", "datetime", "date"), _dated),
    "unixepoch": _epoch,
}
