"""What a derivation consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from howdah import identifiers
from howdah.catalog.model import SourceTable, TargetCatalog, TargetTable, TargetUnique
from howdah.findings import Finding
from howdah.plan import Inspected


@dataclass(frozen=True, slots=True)
class Statement:
    """One piece of DDL.

    :ivar kind: ``table``, ``index``, ``constraint`` or ``view``.
    :ivar name: of the object, within the schema (of a constraint: within its table).
    :ivar table: target table that it belongs to.
    """

    kind: str
    name: str
    table: str
    sql: str


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the schema that was translated, and that PostgreSQL may refuse all the same.

    :ivar kind: ``check``, ``default``, ``generated``, ``index`` or ``view``.
    :ivar table: target table; of a view its own name.
    :ivar name: of the constraint, column or index.
    :ivar sql: a statement that adds it to the table, to try it by.
    :ivar reads: the tables and views that a view reads.
    """

    kind: str
    table: str
    name: str
    sql: str
    reads: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what the part is known by within a schema."""
        return (self.kind, self.table, self.name)


Refusals = Mapping[tuple[str, str, str], str]
"""Key of a part → why PostgreSQL does not take it."""


@dataclass(slots=True)
class Draft:
    """One table while its schema is put together.

    :ivar names: source column → target column.
    :ivar style: how names become names of PostgreSQL.
    :ivar constraints: the unique keys that CREATE TABLE declares; other unique keys are indexes.
    :ivar taken: names of constraints within the table.
    """

    source: Inspected
    table: SourceTable
    target: TargetTable
    names: dict[str, str]
    style: str = "lower"
    constraints: list[TargetUnique] = field(default_factory=list)
    indexes: list[Statement] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def fresh(self, kind: str, name: str, *taken: set[str]) -> str:
        """Return a free name for an index or constraint that the source calls ``name``; the first set takes it."""
        found = identifiers.fresh(name, *taken, style=self.style)
        if found != identifiers.styled(name, self.style):
            self.say("renamed", f"The {kind} {name} of {self.table.name} becomes {found}.")
        return found

    def warn(self, code: str, message: str, column: str = "", rows: int | None = None, sql: str = "") -> None:
        """Report something about the table."""
        self.findings.append(Finding("warning", code, message, self.source.name, self.table.name, column, rows, sql))

    def say(self, code: str, message: str, column: str = "", sql: str = "") -> None:
        """Record something about the table."""
        self.findings.append(Finding("info", code, message, self.source.name, self.table.name, column, None, sql))


@dataclass(frozen=True)
class Derived:
    """The schema that a set of sources asks for.

    :ivar catalog: the tables as they will be, foreign keys included.
    :ivar names: (source, table) → target table and its column names by source column.
    :ivar tables: statements that must run before the load (tables with their unique keys).
    :ivar after: statements that run after it (other indexes, foreign keys, views).
    :ivar parts: what is to be tried before it is relied on.
    :ivar refused: the parts that PostgreSQL does not take, which are left out.
    """

    catalog: TargetCatalog
    names: dict[tuple[str, str], tuple[str, dict[str, str]]]
    tables: tuple[Statement, ...]
    after: tuple[Statement, ...]
    parts: tuple[Part, ...]
    findings: tuple[Finding, ...]
    refused: Refusals = field(default_factory=dict)
