"""Columns as expressions see them: what SQLite stored, and what PostgreSQL holds."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import expressions as exp

from howdah.catalog.affinity import affinity
from howdah.catalog.model import SourceColumn, TargetType
from howdah.profile import ColumnProfile
from howdah.translate.kinds import Kind, Value


@dataclass(frozen=True)
class Column:
    """A column that expressions may name.

    :ivar name: in the target.
    :ivar real: SQLite stores every number of it as REAL.
    :ivar zoned: it is a timestamptz.
    :ivar plain: it comes from a table as it is, and so brings its affinity and collation along.
    """

    name: str
    kind: Kind
    collation: str = "BINARY"
    precision: int = 0
    real: bool = False
    zoned: bool = False
    plain: bool = True

    def value(self, table: str = "") -> Value:
        """Return the column as an expression."""
        return Value(
            node=exp.column(self.name, table=table or None, quoted=True),
            kind=self.kind,
            collation=self.collation,
            column=self.plain,
            precision=self.precision,
            zoned=self.zoned,
        )


def column(source: SourceColumn, name: str, target: TargetType, profile: ColumnProfile, strict: bool = False) -> Column:
    """Return how expressions see a column (of a STRICT table) that moves into a type."""
    stored = affinity(source.declared, strict)
    return Column(
        name=name,
        kind=_kind(stored, target, profile),
        collation=source.collation,
        precision=target.precision or 0 if target.name == "numeric" else 0,
        real=stored == "REAL",
        zoned=target.name == "timestamptz",
    )


def _kind(stored: str, target: TargetType, profile: ColumnProfile) -> Kind:
    match target.name:
        case "int8" if stored != "TEXT":
            return Kind.INTEGER
        case "float8" if stored == "REAL":
            return Kind.FLOAT
        case "numeric" if stored == "NUMERIC":
            return Kind.DECIMAL
        case "text" | "varchar" if stored == "TEXT" or not profile.numbers:
            return Kind.TEXT
        case "bytea":
            return Kind.BLOB
        case "bool" if not profile.texts:
            return Kind.FLAG
        case "date" if not profile.numbers:
            return Kind.DATE
        case "timestamp" | "timestamptz" if not profile.numbers:
            return Kind.MOMENT
        case "uuid":
            return Kind.UUID
        case "jsonb":
            return Kind.JSON
    return Kind.OPAQUE
