"""Building blocks of PostgreSQL expressions."""

from __future__ import annotations

from sqlglot import expressions as exp

_ATOMS = (exp.Column, exp.Literal, exp.Func, exp.Cast, exp.Paren, exp.Null, exp.Boolean, exp.Case, exp.Subquery)


def sql(node: exp.Expr) -> str:
    """Return an expression or query as PostgreSQL writes it."""
    return str(node.sql(dialect="postgres", normalize_functions=False))


def grouped(node: exp.Expr) -> exp.Expr:
    """Return the expression in parentheses, unless nothing could tear it apart."""
    # Operators such as AND and COLLATE are functions too to sqlglot.
    atom = isinstance(node, _ATOMS) and not isinstance(node, exp.Binary)
    return node if atom else exp.Paren(this=node)


def binary(operator: type[exp.Binary], left: exp.Expr, right: exp.Expr) -> exp.Expr:
    """Return ``left operator right``."""
    return operator(this=grouped(left), expression=grouped(right))


def name(identifier: str) -> exp.Expr:
    """Return a quoted name."""
    return exp.to_identifier(identifier, quoted=True)


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Return a call of a PostgreSQL function."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def cast(node: exp.Expr, kind: str) -> exp.Expr:
    """Return ``CAST(node AS kind)``."""
    return exp.Cast(this=node, to=exp.DataType.build(kind, dialect="postgres"))


def text(value: str) -> exp.Expr:
    """Return a string literal."""
    return exp.Literal.string(value)


def number(value: int | float) -> exp.Expr:
    """Return a number; a double as its shortest exact decimal."""
    node = exp.Literal.number(repr(abs(value)))
    return exp.Paren(this=exp.Neg(this=node)) if value < 0 else node


def bytewise(node: exp.Expr) -> exp.Expr:
    """Return a text that compares byte by byte and whose case folds for A to Z only, whatever the database's locale."""
    return exp.Collate(this=grouped(node), expression=exp.to_identifier("C", quoted=True))


def folded(node: exp.Expr) -> exp.Expr:
    """Return a text as NOCASE compares it: A to Z as a to z, nothing else."""
    return call("lower", bytewise(node))


def negated(node: exp.Expr) -> exp.Expr:
    """Return ``NOT (node)``."""
    return exp.Not(this=exp.Paren(this=node))


def utc(node: exp.Expr) -> exp.Expr:
    """Return a timestamptz as the timestamp of a clock in UTC."""
    return exp.Paren(this=exp.AtTimeZone(this=grouped(node), zone=text("UTC")))
