"""What will move and how every column is cast, as values; :mod:`howdah.planning` makes them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from howdah import casts, reverse
from howdah.catalog.model import SourceCatalog, SourceTable, TargetCatalog, TargetTable, TargetType
from howdah.findings import Finding
from howdah.profile import Profile, TableProfile
from howdah.report import TargetInfo
from howdah.reverse import Stored, Way

if TYPE_CHECKING:
    from howdah.risk import Forecast


@dataclass(frozen=True)
class Inspected:
    """One source as the planner sees it.

    :ivar blake3: BLAKE3 of the snapshot's bytes.
    :ivar expected: tables that the application expects in it.
    :ivar profile: empty when nothing is decided by it any more.
    """

    name: str
    path: str
    size: int
    blake3: str
    expected: tuple[str, ...]
    catalog: SourceCatalog
    profile: Profile


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How one target column gets its value.

    :ivar source: source column, or empty for a constant.
    :ivar required: the target column is NOT NULL.
    :ivar computed: PostgreSQL computes it; the source's value is compared and not written.
    :ivar options: what the cast needs besides the type, as sorted pairs (``namespace``, ``unit``, ``value``).
    :ivar stored: what is known of the source's values; ``None`` for a constant and for a copy of another's.
    """

    source: str
    target: str
    type: TargetType
    cast: str
    required: bool = False
    options: tuple[tuple[str, str], ...] = ()
    stored: Stored | None = None
    computed: bool = False

    def option(self, name: str) -> str:
        """Return an option, or the empty text."""
        return dict(self.options).get(name, "")

    @property
    def back(self) -> Way | None:
        """Return how the values go back to SQLite; ``None`` where no source column gets them."""
        return reverse.way(self.cast, self.type, dict(self.options), self.stored) if self.stored else None

    @property
    def lossless(self) -> bool:
        """Return whether every value would come back as it was; see :mod:`howdah.reverse`."""
        return self.back is not None and self.back.lossless


@dataclass(frozen=True, slots=True)
class TablePlan:
    """How one source table moves.

    :ivar key: target columns that identify a row, all written by us and NOT NULL; empty: rows are a multiset.
    :ivar target: the target table with its constraints.
    :ivar keeps_orphans: rows move without the parent that they refer to.
    :ivar identity: what the ledger knows this table by, within the application.
    """

    source: str
    table: SourceTable
    target: TargetTable
    columns: tuple[ColumnPlan, ...]
    key: tuple[str, ...]
    rows: int
    keeps_orphans: bool = False
    # One for all that is known of the table by it.
    identity: tuple[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Set what follows from the others."""
        object.__setattr__(self, "identity", (self.source, self.table.name))

    @property
    def imaged(self) -> bool:
        """Return whether the ledger keeps what is known of each row: it is found by rowid there, and by key here."""
        return bool(self.key and self.table.rowid)

    @property
    def digest(self) -> str:
        """Return a digest of everything that decides what the target rows look like."""
        parts = [
            [
                c.source,
                c.target,
                c.type.name,
                c.type.length,
                c.type.precision,
                c.type.scale,
                c.cast,
                c.required,
            ]
            + [list(pair) for pair in c.options]
            for c in self.columns
        ]
        kept = ["orphans kept"] if self.keeps_orphans else []
        text = json.dumps([casts.VERSION, self.target.schema, self.target.name, self.key, parts, *kept])
        return sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SkippedTable:
    """A table that the application explicitly does not move."""

    source: str
    table: str
    rows: int


@dataclass(frozen=True)
class Plan:
    """What ``migrate`` would do.

    :ivar groups: tables in load order; a group of several is a cycle of references and loads in one
        transaction.
    :ivar statements: DDL that would be run (derived schema), or the pending Alembic revisions by name.
    :ivar forecasts: what the casts would refuse, of each table that would move; only ``plan`` looks.
    :ivar sample: rows of each table that profile and forecast are of, at most; ``None``: they are of all rows.
    :ivar pending: whether ``migrate`` would change anything; known only when the ledger was looked at.
    :ivar schema: what an application's tables are planned for; ``None`` where the schema is derived.
    """

    application: str
    target: TargetInfo
    sources: tuple[Inspected, ...]
    groups: tuple[tuple[TablePlan, ...], ...]
    skipped: tuple[SkippedTable, ...]
    findings: tuple[Finding, ...]
    statements: tuple[str, ...] = ()
    pending: bool = True
    pending_tables: tuple[tuple[str, str], ...] = field(default=())
    forecasts: tuple[Forecast, ...] = ()
    sample: int | None = None
    schema: TargetCatalog | None = None

    @cached_property
    def tables(self) -> tuple[TablePlan, ...]:
        """Return all tables that move, in load order."""
        return tuple(table for group in self.groups for table in group)

    @property
    def doomed(self) -> int:
        """Return how many rows the casts would send to quarantine; rows that refer to those come on top."""
        return sum(forecast.rows for forecast in self.forecasts)

    @property
    def sentence(self) -> str:
        """Return the plan as one sentence for a person."""
        parts = []
        if self.pending:
            due = [table for table in self.tables if table.identity in self.pending_tables]
            rows = sum(table.rows for table in due)
            parts.append(f"{rows:,} rows in {len(due)} of {len(self.tables)} tables would move")
        else:
            parts.append(f"Nothing to move: {len(self.tables)} tables are as their sources")
        if self.doomed:
            among = f"of at most {self.sample:,} rows of each table, " if self.sample else ""
            parts.append(f"{among}at least {self.doomed:,} would go to quarantine")
        elif self.sample:
            parts.append(f"of at most {self.sample:,} rows of each table, all fit")
        at_risk = sum(1 for finding in self.findings if finding.severity != "info")
        if at_risk:
            parts.append(f"{at_risk} finding{'' if at_risk == 1 else 's'} to read first")
        return "; ".join(parts) + "."

    def forecast(self, table: TablePlan) -> Forecast | None:
        """Return the forecast of a table, ``None`` where nothing would move."""
        return self._forecasts.get(table.identity)

    @cached_property
    def _forecasts(self) -> dict[tuple[str, str], Forecast]:
        return {(forecast.source, forecast.table): forecast for forecast in self.forecasts}

    def profile(self, table: TablePlan) -> TableProfile:
        """Return the profile of a table."""
        return self._sources[table.source].profile[table.table.name]

    @cached_property
    def _sources(self) -> dict[str, Inspected]:
        return {source.name: source for source in self.sources}

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-ready values."""
        return {
            "verb": "plan",
            "sentence": self.sentence,
            "application": self.application,
            "pending": self.pending,
            "target": {
                "database": self.target.database,
                "server_version": self.target.server_version,
                "schema": self.target.schema,
            },
            "sources": [{"name": s.name, "path": s.path, "size": s.size, "blake3": s.blake3} for s in self.sources],
            "sampled": self.sample,
            "quarantined_rows": self.doomed,
            "tables": [self._table_dict(table) for table in self.tables]
            + [
                {"source": s.source, "table": s.table, "target": "", "source_rows": s.rows, "skipped": True}
                for s in self.skipped
            ],
            "statements": list(self.statements),
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def _table_dict(self, table: TablePlan) -> dict[str, Any]:
        forecast, profile = self.forecast(table), self.profile(table)
        return {
            "source": table.source,
            "table": table.table.name,
            "target": f"{table.target.schema}.{table.target.name}",
            "source_rows": table.rows,
            "pending": table.identity in self.pending_tables,
            "quarantined_rows": forecast.rows if forecast else 0,
            "key": list(table.key),
            "columns": [
                {
                    "source": c.source,
                    "declared": table.table.column(c.source).declared if c.source else "",
                    "values": profile.column(c.source).classes if c.source else {},
                    "target": c.target,
                    "type": c.type.sql,
                    "cast": c.cast,
                    "options": dict(c.options),
                    "required": c.required,
                    "lossless": c.lossless,
                    "cut": dict(forecast.cut).get(c.source, 0) if forecast else 0,
                    "risks": [risk.to_dict() for risk in forecast.of(c.source)] if forecast and c.source else [],
                }
                for c in table.columns
            ],
        }
