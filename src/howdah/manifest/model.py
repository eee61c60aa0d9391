"""What a manifest holds, as plain values and as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Facts = dict[str, dict[str, str]]
"""Kind of object → name → what is to stay the same about it; names and values are text for people."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TableImage(_Strict):
    """The rows of one table.

    :ivar rows: how many.
    :ivar digest: sum of the rows' 64-bit hashes, a whole number as text: it does not depend on their order.
    :ivar way: what was hashed of each row, ``binary`` or ``text``; see :mod:`howdah.manifest.digest`.
    """

    rows: int
    digest: str
    way: Literal["binary", "text"]


class SequenceImage(_Strict):
    """Where a sequence stood just before and just after the restore point.

    Values are drawn outside transactions, and WAL holds them up to 32 steps ahead: a restored sequence may have
    skipped a few, but never goes back.

    :ivar before: its last value, ``None`` when none was ever drawn.
    :ivar after: the same a moment later.
    :ivar ahead: how far a restored one may be beyond that.
    """

    before: int | None
    after: int | None
    ahead: int


class DatabaseImage(_Strict):
    """One database; tables and sequences by ``schema.name``.

    :ivar unlogged: tables that come back empty, by their own declaration; their rows are not compared.
    """

    tables: dict[str, TableImage]
    sequences: dict[str, SequenceImage]
    facts: Facts
    unlogged: tuple[str, ...] = ()


class Probe(_Strict):
    """What an application's role sees.

    :ivar setting: set to the tenant for the query; empty where no policy reads one.
    :ivar rows: the query's answer.
    """

    database: str
    role: str
    query: str
    setting: str
    tenant: str
    rows: int


class Manifest(_Strict):
    """What an instance held at a restore point.

    :ivar point: name of the restore point.
    :ivar lsn: where it is in the WAL.
    :ivar segment: the WAL file that holds it.
    :ivar backup: label of the newest backup at that time, from which the point can be reached.
    :ivar taken_at: ISO 8601, UTC.
    :ivar seconds: how long it took.
    :ivar barrier: writers were held back for a moment, as the instance never was quiet enough.
    :ivar facts: of the whole cluster: roles, memberships, databases.
    """

    version: Literal[1] = 1
    instance: str
    environment: str
    point: str
    lsn: str
    segment: str
    backup: str
    taken_at: str
    seconds: float
    barrier: bool
    server_version: str
    facts: Facts
    databases: dict[str, DatabaseImage]
    probes: tuple[Probe, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for database in self.databases.values() for table in database.tables.values())

    @property
    def table_count(self) -> int:
        """Tables of all databases."""
        return sum(len(database.tables) for database in self.databases.values())
