"""What an SQL expression yields, seen from both sides."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sqlglot import expressions as exp


class UntranslatableError(ValueError):
    """The meaning in PostgreSQL would differ, or nobody knows; the text says what stood in the way."""


class Kind(Enum):
    """What SQLite and PostgreSQL agree that a value is."""

    INTEGER = "integer"
    FLOAT = "real"
    DECIMAL = "decimal"
    """numeric in PostgreSQL, REAL or INTEGER per row in SQLite."""
    TEXT = "text"
    BLOB = "blob"
    TRUTH = "truth"
    """A condition: 0 or 1 in SQLite, boolean in PostgreSQL."""
    FLAG = "boolean"
    """A boolean column whose source holds 0 and 1."""
    DATE = "date"
    """A date column whose source holds ``YYYY-MM-DD``."""
    MOMENT = "timestamp"
    """A timestamp column whose source holds ISO texts."""
    UUID = "uuid"
    JSON = "json"
    NULL = "NULL"
    OPAQUE = "converted"
    """Its values are converted on the way, so they do not compare as before."""

    @property
    def words(self) -> str:
        """Return what such a value is called in a sentence."""
        if self is Kind.OPAQUE:
            return "a value that means something else once it is converted"
        return "NULL" if self is Kind.NULL else f"a value of kind {self.value}"


@dataclass(frozen=True)
class Value:
    """A translated expression.

    :ivar node: the expression for PostgreSQL.
    :ivar collation: SQLite's name of how its text compares, where something says so.
    :ivar explicit: ``collation`` stands in a COLLATE of the expression, which wins over a column's.
    :ivar column: it is a column, so its affinity applies to what it is compared with.
    :ivar literal: the Python value of a literal.
    :ivar precision: digits of a DECIMAL, 0 where unlimited.
    :ivar zoned: a MOMENT that is a timestamptz.
    """

    node: exp.Expr
    kind: Kind
    collation: str = ""
    explicit: bool = False
    column: bool = False
    literal: int | float | str | None = None
    precision: int = 0
    zoned: bool = False


NUMBERS = (Kind.INTEGER, Kind.FLOAT, Kind.DECIMAL)
