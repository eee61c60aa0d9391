"""What the ledger holds, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

RELATIONS = ("table", "index", "view")
CHOICE = "choice"
"""Kind of what a person chose for a derived schema."""
HEAD = "head"
"""Kind of the revision that an application's schema is at."""
REFUSED = "refused "
"""Before the kind of what PostgreSQL did not take: recorded with the reason, so that it is not tried in every run."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the ledger knows about one source table.

    :ivar target_rows: rows of the target table right after the load, other people's included.
    :ivar mapped: identifiers that were mapped to UUIDs.
    :ivar settled: nothing waits to be deleted.
    :ivar key_columns: name and type of each column of the keys in the chunks.
    """

    target_schema: str
    target_table: str
    run_id: UUID
    snapshot_blake3: str
    content_digest: str
    plan_digest: str
    source_rows: int
    loaded_rows: int
    quarantined_rows: int
    target_rows: int
    mapped: int
    settled: bool
    key_columns: Any
    verified_at: datetime | None


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the rows of a source table; see :class:`Load`."""

    target_schema: str
    target_table: str
    loaded_rows: int
    quarantined_rows: int
    mapped: int


@dataclass(frozen=True)
class KnownSource:
    """A source as it was at its last load.

    :ivar size: bytes of its snapshot.
    :ivar described: its schema and casts are kept too.
    :ivar stamp: what :mod:`howdah.trust` tells by whether it changed; ``None``: it must be looked at.
    """

    size: int
    blake3: str
    profile: dict[str, Any]
    described: bool
    stamp: dict[str, Any] | None


@dataclass(frozen=True)
class Quarantined:
    """A row in quarantine.

    :ivar locator: rowid, or position in key order for tables without one.
    :ivar digest: of the row's values; a row that changed since is another row.
    """

    locator: int
    column: str
    code: str
    reason: str
    key: str
    row: str
    digest: bytes


@dataclass(frozen=True)
class Ledger:
    """The ledger of one application, read at the start of a run; empty where there is none yet."""

    application: str
    exists: bool
    loads: dict[tuple[str, str], Load]
    sources: dict[str, KnownSource]
    objects: frozenset[tuple[str, str, str]]
    """(schema, kind, name) of what howdah created."""
    refused: dict[tuple[str, str, str, str], str] = field(default_factory=dict)
    """(schema, kind, table, name) of what PostgreSQL did not take → why."""
    choices: dict[tuple[str, str], str] = field(default_factory=dict)
    """(schema, option) → what was chosen for a derived schema."""
    heads: dict[str, str] = field(default_factory=dict)
    """Schema → its revision and what all revisions were like, as :mod:`howdah.heads` has it."""

    def describes(self, source: str) -> bool:
        """Return whether schema and casts of a source are kept."""
        return source in self.sources and self.sources[source].described

    def tables_made(self, schema: str) -> frozenset[str]:
        """Return names of the tables and indexes that howdah created in a schema."""
        return frozenset(name for where, kind, name in self.objects if where == schema and kind in RELATIONS)
