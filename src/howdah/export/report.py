"""What an export did."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from howdah import __version__
from howdah.export.values import Table
from howdah.findings import Finding
from howdah.report import TargetInfo


@dataclass(frozen=True)
class Written:
    """One table of the file, verified."""

    table: Table
    rows: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the table as JSON-ready values."""
        return {
            "table": self.table.name,
            "from": self.table.target,
            "shape": self.table.shape,
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "columns": [
                {
                    "name": column.name,
                    "from": column.target,
                    "type": column.type.sql,
                    "storage": column.storage,
                    **({"lossless": not column.loss} if self.table.shape == "original" else {}),
                }
                for column in self.table.columns
            ],
        }


@dataclass(frozen=True)
class ExportReport:
    """A finished, verified export.

    :ivar origin: the database and schema that it was made from.
    :ivar size: bytes of the file.
    :ivar stages: seconds by stage.
    """

    file: Path
    size: int
    origin: TargetInfo
    applications: tuple[str, ...]
    tables: tuple[Written, ...]
    findings: tuple[Finding, ...]
    seconds: float
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Return the rows of all tables."""
        return sum(written.rows for written in self.tables)

    @property
    def sentence(self) -> str:
        """Return the outcome as one sentence for a person."""
        rows, tables = "row" if self.rows == 1 else "rows", "table" if len(self.tables) == 1 else "tables"
        return f"{self.rows:,} {rows} in {len(self.tables)} {tables}, every value read back and compared."

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values; docs/operator-guide.md describes them."""
        return {
            "verb": "export",
            "verdict": "verified",
            "sentence": self.sentence,
            "file": str(self.file),
            "size": self.size,
            "from": {
                "database": self.origin.database,
                "server_version": self.origin.server_version,
                "schema": self.origin.schema,
                "applications": list(self.applications),
            },
            "seconds": round(self.seconds, 3),
            "stages": {stage: round(seconds, 3) for stage, seconds in self.stages.items()},
            "howdah_version": __version__,
            "tables": [written.to_dict() for written in self.tables],
            "findings": [finding.to_dict() for finding in self.findings],
        }
