"""What the page about an instance says, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Problem:
    """Something that needs attention.

    :ivar what: one sentence.
    :ivar next_step: what to type or look at; may be empty.
    """

    what: str
    next_step: str = ""

    def __str__(self) -> str:
        """Return both on one line."""
        return f"{self.what} {self.next_step}".strip()


@dataclass(frozen=True)
class ServerStatus:
    """The server; times are ISO 8601 in UTC, sizes bytes."""

    version: str
    started_at: str
    connections: int
    max_connections: int
    size: int
    checksum_failures: int


@dataclass(frozen=True)
class PoolStatus:
    """One pool of the pooler."""

    database: str
    user: str
    clients: int
    waiting: int
    servers: int


@dataclass(frozen=True)
class ArchiveStatus:
    """WAL and its way into the archive; counts since the server's statistics began, sizes in bytes.

    :ivar failing: the last try to archive failed, or archiving is switched off.
    :ivar waiting: complete segments that are not in the archive yet.
    :ivar waiting_seconds: how long the oldest of them waits; 0: none does.
    :ivar wal_size: of ``pg_wal``.
    :ivar wal_limit: ``max_wal_size``, which ``pg_wal`` keeps to where nothing holds it back.
    """

    archived: int
    failed: int
    last_archived_at: str
    failing: bool
    waiting: int = 0
    waiting_size: int = 0
    waiting_seconds: int = 0
    wal_size: int = 0
    wal_limit: int = 0


@dataclass(frozen=True)
class BackupStatus:
    """The newest good backup, and where all good ones are; ages in seconds, sizes in bytes.

    :ivar oldest_age: of the oldest good one.
    :ivar stored: what the good backups take in the repository.
    :ivar free: room on the repository's disk; ``None``: it is not a folder of this host.
    """

    label: str
    kind: str
    age: int
    count: int
    oldest_age: int = 0
    stored: int = 0
    free: int | None = None


@dataclass(frozen=True)
class DrillStatus:
    """The last restore drill of a repository.

    :ivar verdict: ``proven``, ``restored`` or ``failed``.
    :ivar age: seconds since it began.
    :ivar proven_age: seconds since the last one began that proved a backup; ``None``: none ever did.
    :ivar next_step: what to do about one that failed.
    """

    verdict: str
    sentence: str
    age: int
    proven_age: int | None
    rto_seconds: float | None
    rpo_seconds: float | None = None
    next_step: str = ""


@dataclass(frozen=True)
class RestoreStatus:
    """A restore that was interrupted and that nobody finishes.

    :ivar target: where it was to go, for people; empty where its note cannot be read.
    :ivar step: the last one that is done: see :class:`howdah.restore.state.State`.
    :ivar age: seconds since then.
    :ivar command: what finishes it.
    """

    target: str
    step: str
    age: int
    command: str


@dataclass(frozen=True)
class TableStatus:
    """Where the rows of one source table are, by the ledger."""

    source: str
    table: str
    target: str
    source_rows: int
    loaded_rows: int
    quarantined_rows: int


@dataclass(frozen=True)
class ApplicationStatus:
    """The last run of an application's migration, and where its rows are.

    :ivar verdict: ``verified``, ``quarantined``, ``different``, ``unfinished``, or ``never``.
    """

    name: str
    database: str
    verdict: str
    finished_at: str
    tables: tuple[TableStatus, ...] = ()

    @property
    def loaded_rows(self) -> int:
        """Rows that are in PostgreSQL."""
        return sum(table.loaded_rows for table in self.tables)

    @property
    def quarantined_rows(self) -> int:
        """Rows that wait in quarantine."""
        return sum(table.quarantined_rows for table in self.tables)


@dataclass(frozen=True)
class Status:
    """The page.

    :ivar pools: ``None``: the pooler does not answer.
    :ivar problems: what needs attention, worst first; empty when all is well.
    :ivar second: the newest good backup in the second repository.
    :ivar second_declared: whether there is a second repository.
    :ivar second_drill: the last drill of the second repository.
    :ivar restore: a restore that is not finished.
    """

    name: str
    environment: str
    server: ServerStatus | None
    pools: tuple[PoolStatus, ...] | None
    archive: ArchiveStatus | None
    backup: BackupStatus | None
    applications: tuple[ApplicationStatus, ...]
    problems: tuple[Problem, ...] = field(default=())
    drill: DrillStatus | None = None
    second: BackupStatus | None = None
    second_declared: bool = False
    second_drill: DrillStatus | None = None
    restore: RestoreStatus | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the page as JSON-ready values."""
        return asdict(self)
