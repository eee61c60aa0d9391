"""A finding: something about the data or the schemas that a person should know."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation, of a plan or of a run.

    An ``error`` stops ``migrate`` before anything is changed; a ``warning`` deserves a look; an ``info`` is a
    record.

    :ivar code: machine word, stable between versions, e.g. ``view_not_moved``.
    :ivar message: one sentence.
    :ivar source: name of the source, if it concerns one.
    :ivar table: source table, if it concerns one.
    :ivar column: source column, if it concerns one.
    :ivar rows: how many rows it concerns, if that is known.
    :ivar sql: original SQL of what did not move as it was, or SQL that is offered.
    """

    severity: Severity
    code: str
    message: str
    source: str = ""
    table: str = ""
    column: str = ""
    rows: int | None = None
    sql: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-ready values, without the empty ones."""
        return {key: value for key, value in asdict(self).items() if value not in ("", None)}


def errors(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return the findings that forbid a migration."""
    return tuple(finding for finding in findings if finding.severity == "error")
