"""What a run did: one value that feeds ``--json``, the HTML page, the text summary and the Ansible result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from howdah import __version__, files
from howdah.findings import Finding
from howdah.plain import json_parts

Verdict = Literal["verified", "quarantined", "salvaged", "different"]

EXIT_CODES: dict[Verdict, int] = {"verified": 0, "quarantined": 3, "salvaged": 3, "different": 4}


@dataclass(frozen=True)
class TargetInfo:
    """Where the rows went.

    :ivar server_version: as the server prints it, e.g. ``15.20``.
    """

    database: str
    server_version: str
    schema: str


@dataclass(frozen=True)
class SourceReport:
    """One source file of the run.

    :ivar size: bytes of the snapshot.
    :ivar blake3: BLAKE3 of the snapshot's bytes.
    """

    name: str
    path: str
    size: int
    blake3: str


@dataclass(frozen=True, slots=True)
class TableReport:
    """What happened to one source table.

    :ivar changed: rows of this table were inserted, updated, deleted or quarantined anew in this run.
    :ivar skipped: explicitly not moved (``skip: true``).
    :ivar columns: source column (empty for a constant), target column, PostgreSQL type, and whether its values
        would come back to SQLite exactly as they were.
    """

    source: str
    table: str
    target: str
    source_rows: int
    loaded_rows: int = 0
    quarantined_rows: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    skipped: bool = False
    changed: bool = False
    seconds: float = 0.0
    columns: tuple[tuple[str, str, str, bool], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the table as JSON-ready values; docs/operator-guide.md describes them."""
        return {
            "source": self.source,
            "table": self.table,
            "target": self.target,
            "source_rows": self.source_rows,
            "loaded_rows": self.loaded_rows,
            "quarantined_rows": self.quarantined_rows,
            "inserted": self.inserted,
            "updated": self.updated,
            "deleted": self.deleted,
            "skipped": self.skipped,
            "changed": self.changed,
            "seconds": round(self.seconds, 3),
            "columns": [
                {"source": s, "target": t, "type": kind, "lossless": lossless} for s, t, kind, lossless in self.columns
            ],
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """One row on which the snapshot and PostgreSQL disagree.

    :ivar kind: ``missing`` (not in the target), ``different``, ``doubled`` or ``left_over`` (ours, gone from
        the source).
    :ivar key: where it is, readable.
    :ivar columns: target columns that differ.
    """

    source: str
    table: str
    target: str
    kind: str
    key: str
    columns: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as JSON-ready values."""
        return {
            "source": self.source,
            "table": self.table,
            "target": self.target,
            "kind": self.kind,
            "key": self.key,
            "columns": list(self.columns),
        }


@dataclass(frozen=True)
class QuarantineGroup:
    """Rows of one column that wait in quarantine for one reason.

    :ivar application: as the ledger calls it.
    :ivar column: source column, or several separated by commas.
    :ivar code: machine word for the reason.
    :ivar reason: one sentence; it names no value. Where rows differ in it, that of one of them.
    """

    application: str
    source: str
    table: str
    column: str
    code: str
    reason: str
    rows: int


@dataclass(frozen=True)
class Report:
    """The outcome of ``migrate`` or ``verify``.

    :ivar verdict: ``verified``, ``quarantined`` (all else verified), ``salvaged`` (a source was damaged; what
        could be read of it is verified, quarantined rows aside) or ``different``.
    :ivar changed: anything was written to the target.
    :ivar finished_at: when this report was made, in UTC.
    :ivar differences: a sample; ``difference_count`` is the whole number.
    :ivar quarantine: why rows wait in quarantine, counted.
    :ivar stages: seconds by stage; see :class:`howdah.clock.Clock`.
    """

    verb: str
    verdict: Verdict
    run_id: str
    changed: bool
    seconds: float
    application: str
    target: TargetInfo
    sources: tuple[SourceReport, ...]
    tables: tuple[TableReport, ...]
    findings: tuple[Finding, ...]
    differences: tuple[Difference, ...] = ()
    difference_count: int = 0
    created: tuple[str, ...] = field(default=())
    quarantine: tuple[QuarantineGroup, ...] = ()
    finished_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """Return the process exit code that scripts rely on (0, 3 or 4)."""
        return EXIT_CODES[self.verdict]

    @property
    def quarantined_rows(self) -> int:
        """Return how many rows wait in ``howdah.quarantine``."""
        return sum(table.quarantined_rows for table in self.tables)

    @property
    def sentence(self) -> str:
        """Return the verdict as one sentence for a person."""
        moved = sum(table.loaded_rows for table in self.tables)
        count = sum(1 for table in self.tables if not table.skipped)
        noun = "table" if count == 1 else "tables"
        rows = "row" if moved == 1 else "rows"
        if self.verdict == "different":
            many = "row differs" if self.difference_count == 1 else "rows differ"
            return f"{self.difference_count:,} {many} between the snapshot and PostgreSQL."
        if self.verdict == "salvaged":
            lost = sum(finding.rows or 0 for finding in self.findings if finding.code == "salvaged")
            uncounted = any(finding.code == "rows_lost" and finding.rows is None for finding in self.findings)
            many = f"at least {lost:,} are" if uncounted else f"{lost:,} are known to be"
            return (
                f"{moved:,} {rows} in {count} {noun} verified, {self.quarantined_rows:,} wait in quarantine; the source"
                f" is damaged, and {many} lost."
            )
        if self.verdict == "quarantined":
            waiting = self.quarantined_rows
            verb = "row waits" if waiting == 1 else "rows wait"
            return f"{moved:,} {rows} in {count} {noun} verified; {waiting:,} {verb} in quarantine."
        nothing = "" if self.changed or self.verb == "verify" else "; nothing had to change"
        return f"{moved:,} {rows} in {count} {noun}, every one verified{nothing}."

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values; docs/operator-guide.md describes them."""
        return {name: list(value) if isinstance(value, Iterator) else value for name, value in self.content().items()}

    def content(self) -> dict[str, Any]:
        """Return the same, with iterators in the place of what may be many."""
        return {
            "verb": self.verb,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "run_id": self.run_id,
            "changed": self.changed,
            "finished_at": self.finished_at.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 3),
            "stages": {stage: round(seconds, 3) for stage, seconds in self.stages.items()},
            "howdah_version": __version__,
            "application": self.application,
            "target": {
                "database": self.target.database,
                "server_version": self.target.server_version,
                "schema": self.target.schema,
            },
            "sources": [{"name": s.name, "path": s.path, "size": s.size, "blake3": s.blake3} for s in self.sources],
            "tables": map(TableReport.to_dict, self.tables),
            "quarantine": [asdict(group) for group in self.quarantine],
            "findings": map(Finding.to_dict, self.findings),
            "differences": map(Difference.to_dict, self.differences),
            "difference_count": self.difference_count,
            "created": iter(self.created),
        }

    def to_json(self) -> Iterator[str]:
        """Yield :meth:`to_dict` as parts of indented JSON text with a final newline."""
        yield from json_parts(self.content(), indent=2, ensure_ascii=False)
        yield "\n"


def templates_folder() -> Path:
    """Return the folder of the documents: inside an installed wheel, else the checkout's ``templates/``."""
    inside = Path(__file__).parent / "_templates"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "templates"


def render_html(report: Report) -> str:
    """Return the report as one self-contained HTML page."""
    return page("report.html.j2", report=report)


def is_page(path: Path) -> bool:
    """Return whether a name asks for an HTML page."""
    return path.suffix.lower() in (".html", ".htm")


def write(path: Path, report: Report) -> None:
    """Write a report as a page or as JSON, as its name asks for; whole or not at all."""
    write_parts(path, [render_html(report)] if is_page(path) else report.to_json())


def page(template: str, **values: Any) -> str:
    """Return a page that is made from one of the documents' templates."""
    import jinja2

    loader = jinja2.FileSystemLoader(templates_folder())
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(**values, version=__version__)


def write_text(path: Path, text: str) -> None:
    """Write a report whole or not at all; see :func:`write_parts`."""
    write_parts(path, [text])


def write_parts(path: Path, parts: Iterable[str]) -> None:
    """Write the parts of a report, whole or not at all.

    A reader (a monitoring job, an Ansible task) never sees half a report.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as stream:
        stream.writelines(parts)
