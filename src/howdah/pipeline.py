"""The stages in their order: discover → snapshot → inspect → plan → create → load → finish → verify → report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from howdah.report import Report

Progress = Callable[[str, int, int], None]
"""Called with (table, rows done, rows in total) while a table is read."""


@dataclass(frozen=True)
class Request:
    """What is to be moved, and where to.

    :ivar sources: SQLite files or folders that hold some.
    :ivar dsn: libpq connection string; empty means libpq's own variables and service files.
    :ivar application: application folder, or ``None`` to derive the schema from the source.
    :ivar schema: target schema; ``None`` means the application's, or ``public``.
    :ivar jobs: tables loaded at the same time, at least 1.
    :ivar max_quarantined: stop before more rows than this go to quarantine; ``None`` means no limit.
    :ivar work_dir: folder for the snapshots, or ``None`` for a private temporary one.
    """

    sources: tuple[Path, ...]
    dsn: str = ""
    application: Path | None = None
    schema: str | None = None
    jobs: int = 1
    max_quarantined: int | None = None
    work_dir: Path | None = None


def migrate(request: Request, progress: Progress | None = None) -> Report:
    """Move every row, verify it, and return what was done (being wired)."""
    raise NotImplementedError
