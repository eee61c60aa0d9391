"""Column defaults of SQLite, translated where the meaning is certain."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import expressions as exp

from howdah import casts
from howdah.casts.base import SqliteValue
from howdah.catalog.model import TargetType
from howdah.pg import literal
from howdah.translate import Kind, UntranslatableError, default, emit
from howdah.translate.expressions import parse

_UTC = "(now() AT TIME ZONE 'UTC')"
# What strftime() must be asked for, so that a column of timestamps may take the clock itself.
_MOMENTS = frozenset(
    f"%Y-%m-%d{between}%H:%M:{seconds}{zone}" for between in " T" for seconds in ("%S", "%f") for zone in ("", "Z")
)
_TYPES = {
    Kind.INTEGER: ("int8", "numeric", "float8"),
    Kind.FLOAT: ("float8",),
    Kind.TEXT: ("text", "varchar"),
    Kind.BLOB: ("bytea",),
}


@dataclass(frozen=True)
class Default:
    """A translated default.

    :ivar sql: for PostgreSQL, or empty where there is none.
    :ivar problem: why the default does not move, or empty.
    :ivar computed: it is an expression, which the server is to try.
    """

    sql: str = ""
    problem: str = ""
    computed: bool = False


def translate(text: str | None, target: TargetType) -> Default:
    """Return the PostgreSQL default of a column of a type.

    >>> from howdah.typemap import BOOLEAN, TIMESTAMPTZ
    >>> translate("0", BOOLEAN).sql, translate("CURRENT_TIMESTAMP", TIMESTAMPTZ).sql
    ("'f'", 'now()')
    >>> translate("random()", BOOLEAN).problem
    'it uses rand()'
    """
    if text is None:
        return Default()
    try:
        node = parse(text).unnest()
        if isinstance(node, exp.Null):
            return Default()
        value = _literal(node)
        if value is not None:
            return Default(_written(value, target))
        return Default(_clock(node, target) or _computed(text, target), computed=True)
    except UntranslatableError as error:
        return Default(problem=str(error))


def _literal(node: exp.Expr) -> SqliteValue | None:
    if isinstance(node, exp.Neg):
        inner = _literal(node.this)
        return -inner if isinstance(inner, int | float) else None
    if isinstance(node, exp.Paren):
        return _literal(node.this)
    if isinstance(node, exp.Boolean):
        return int(bool(node.this))
    if isinstance(node, exp.HexString):
        return bytes.fromhex(node.this) if isinstance(node.this, str) and len(node.this) % 2 == 0 else None
    if isinstance(node, exp.Column) and node.this.quoted and not node.table:
        # DEFAULT "word": SQLite takes a quoted name that names nothing for a string.
        return str(node.name)
    if isinstance(node, exp.Literal):
        if node.is_string:
            return str(node.this)
        try:
            return int(node.this)
        except ValueError:
            return float(node.this)
    return None


def _written(value: SqliteValue, target: TargetType) -> str:
    name = casts.default_name(target)
    if name is None:
        raise UntranslatableError(f"no value becomes {target.sql}")
    try:
        return literal(casts.build(name, target, {}, [0])(value))
    except casts.CastError as error:
        raise UntranslatableError(f"its value does not fit {target.sql}") from error


def _clock(node: exp.Expr, target: TargetType) -> str:
    """Return the clock in the column's own type, or nothing where the default is something else."""
    shown = _shown(node)
    if target.name == "timestamptz" and (shown in _MOMENTS or shown == "%s"):
        return "now()"
    wanted = {"timestamp": shown in _MOMENTS, "date": shown == "%Y-%m-%d", "time": shown == "%H:%M:%S"}
    if wanted.get(target.name):
        return f"{_UTC}::{target.name}"
    if target.name == "int8" and shown == "%s":
        return f"floor(extract(epoch FROM now()))::{target.sql}"
    return ""


def _shown(node: exp.Expr) -> str:
    """Return the format in which a default shows the time of its insert, or nothing."""
    arguments = list(node.expressions) if isinstance(node, exp.Anonymous) else []
    now = all(argument.is_string and argument.name.lower() == "now" for argument in arguments)
    match node:
        case exp.CurrentTimestamp():
            return "%Y-%m-%d %H:%M:%S"
        case exp.CurrentDate():
            return "%Y-%m-%d"
        case exp.CurrentTime():
            return "%H:%M:%S"
        case exp.Date() if node.this is None or (node.this.is_string and node.this.name.lower() == "now"):
            return "%Y-%m-%d"
        case exp.Anonymous() if now and len(arguments) <= 1:
            shown = {"datetime": "%Y-%m-%d %H:%M:%S", "date": "%Y-%m-%d", "time": "%H:%M:%S", "unixepoch": "%s"}
            return shown.get(node.name.lower(), "")
        case exp.TimeToStr() if isinstance(node.this, exp.TsOrDsToTimestamp) and node.args["format"].is_string:
            moment = node.this.this
            if isinstance(moment, exp.CurrentTimestamp) or (moment.is_string and moment.name.lower() == "now"):
                return str(node.args["format"].name)
    return ""


def _computed(text: str, target: TargetType) -> str:
    value = default(text)
    if target.name not in _TYPES.get(value.kind, ()):
        raise UntranslatableError(f"it yields {value.kind.words}, and the column is {target.sql}")
    return f"({emit.sql(value.node)})"
