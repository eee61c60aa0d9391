"""What is to be made in SQLite, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from howdah.catalog.affinity import Affinity
from howdah.catalog.model import TargetTable, TargetType
from howdah.reverse import Storage

Shape = Literal["original", "derived"]
"""As SQLite had it before the migration, or as PostgreSQL has it now."""


@dataclass(frozen=True)
class Mapped:
    """An identifier that was mapped to a UUID by its text.

    :ivar namespace: of the mapping (RFC 9562, version 5).
    :ivar kept: column of the same table that holds the original text, or empty.
    """

    namespace: str
    kept: str = ""


@dataclass(frozen=True)
class Column:
    """One column, and how its values are written.

    :ivar target: column in PostgreSQL; empty when nothing is written to it.
    :ivar unit: clock by which moments are numbers; see :class:`howdah.reverse.Way`.
    :ivar loss: why it would not be as it was before the migration; empty when it is, or when it never was in SQLite.
    """

    name: str
    target: str
    type: TargetType
    storage: Storage
    affinity: Affinity
    unit: str = ""
    loss: str = ""
    mapped: Mapped | None = None


@dataclass(frozen=True)
class Index:
    """A CREATE INDEX of SQLite."""

    name: str
    sql: str


@dataclass(frozen=True)
class Table:
    """One table of the file.

    :ivar held: the table in PostgreSQL; ``None`` when it has none and is made empty.
    :ivar create: statements that make it, without indexes.
    :ivar columns: those that are written, in the order of ``create``.
    :ivar sequence: column in PostgreSQL whose sequence AUTOINCREMENT goes on from, or empty.
    :ivar only: rows of tables that inherit from it are not its own.
    """

    name: str
    held: TargetTable | None
    shape: Shape
    create: tuple[str, ...]
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()
    sequence: str = ""
    only: bool = True

    @property
    def target(self) -> str:
        """Return ``schema.table`` in PostgreSQL, or the empty text."""
        return f"{self.held.schema}.{self.held.name}" if self.held else ""

    @property
    def key(self) -> tuple[str, ...]:
        """Return columns of PostgreSQL that identify a row, all of them written; empty where there are none."""
        written = {column.target for column in self.columns}
        uniques = self.held.uniques if self.held else ()
        for unique in uniques:
            found = [self.held.find(name) for name in unique.columns] if self.held else []
            if found and all(column and column.not_null and column.name in written for column in found):
                return unique.columns
        return ()


@dataclass(frozen=True)
class Names:
    """What tables and columns of PostgreSQL are called in SQLite.

    :ivar tables: (schema, table) → name.
    :ivar columns: (schema, table) → column → name.
    """

    tables: dict[tuple[str, str], str] = field(default_factory=dict)
    columns: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
