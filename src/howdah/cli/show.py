"""How results look in a terminal."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from howdah.findings import Finding
from howdah.report import Report

_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_VERDICTS = {"verified": "bold green", "quarantined": "bold yellow", "different": "bold red"}
# Findings of one kind beyond this many are counted, not listed; the report has them all.
_LISTED = 8


def console() -> Console:
    """Return the console for people; a log gets plain lines of a bearable width."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 120, soft_wrap=False)


def print_json(value: dict[str, Any]) -> None:
    """Print JSON and nothing else."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def size(count: int) -> str:
    """Return a number of bytes for people.

    >>> size(999), size(123_456), size(1_300_000_000)
    ('999 B', '123.5 kB', '1.3 GB')
    """
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.95 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{count} B" if units[0] == "B" else f"{value:.1f} {units[0]}"


def findings(out: Console, found: tuple[Finding, ...]) -> None:
    """List findings, the worst first; many of one kind are counted."""
    shown: dict[str, int] = {}
    for item in sorted(found, key=lambda f: list(_STYLES).index(f.severity)):
        shown[item.code] = shown.get(item.code, 0) + 1
        if shown[item.code] > _LISTED:
            continue
        where = ".".join(part for part in (item.table, item.column) if part)
        rows = f" ({item.rows:,} rows)" if item.rows else ""
        line = Text.assemble((f"{item.severity:>8} ", _STYLES[item.severity]), (f"{where}: " if where else "", "bold"))
        out.print(line + Text(item.message + rows))
    for code, count in shown.items():
        if count > _LISTED:
            out.print(
                Text(
                    f"         … and {count - _LISTED} more of kind {code}; the report has them all",
                    style="dim",
                )
            )


def result(report: Report, written: list[str], *, as_json: bool, quiet: bool) -> None:
    """Print a report as it is wanted; a quiet run has something to say only when not all is verified."""
    if as_json:
        print_json(report.to_dict())
    elif not quiet or report.verdict != "verified":
        summary(report, written)


def summary(report: Report, written: list[str]) -> None:
    """Print what a run did: table by table, the verdict, where the report is, and what to type next."""
    out = console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("source", "table", "target"):
        table.add_column(name, overflow="fold")
    for name in ("rows", "loaded", "quarantine", "seconds"):
        table.add_column(name, justify="right")
    for item in report.tables:
        waiting = Text(f"{item.quarantined_rows:,}", style="yellow" if item.quarantined_rows else "dim")
        loaded = Text("skipped", style="dim") if item.skipped else Text(f"{item.loaded_rows:,}")
        seconds = f"{item.seconds:.1f}" if item.seconds else "–"
        table.add_row(item.source, item.table, item.target, f"{item.source_rows:,}", loaded, waiting, seconds)
    out.print(table)
    out.print()
    findings(out, report.findings)
    for difference in report.differences:
        columns = f" in {', '.join(difference.columns)}" if difference.columns else ""
        out.print(Text(f"    DIFF {difference.target} {difference.key}: {difference.kind}{columns}", style="red"))
    if report.findings or report.differences:
        out.print()
    where = f"{report.target.database}.{report.target.schema} on PostgreSQL {report.target.server_version}"
    out.print(Text.assemble((report.verdict.upper(), _VERDICTS[report.verdict]), f"  {report.sentence}"))
    out.print(Text(f"{where}, {report.seconds:.1f} s, run {report.run_id[:8]}", style="dim"))
    for path in written:
        out.print(Text(f"report: {path}"))
    out.print(Text(f"next: {next_command(report)}"))


def next_command(report: Report) -> str:
    """Return what to type after a run."""
    if report.verdict == "quarantined":
        return (
            "psql -c 'SELECT table_name, column_name, code, reason, source_key FROM howdah.quarantine' "
            "shows why; correct the source, then run howdah migrate again"
        )
    if report.verdict == "different":
        return "howdah migrate with the same arguments moves what differs"
    return "howdah verify with the same sources and --to checks every row again, at any time"
