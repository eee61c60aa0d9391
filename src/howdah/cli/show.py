"""How results look in a terminal."""

from __future__ import annotations

import json
import shlex
import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from howdah.findings import Finding
from howdah.report import QuarantineGroup, Report, TableReport

_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_VERDICTS = {"verified": "bold green", "quarantined": "bold yellow", "salvaged": "bold yellow", "different": "bold red"}
# Findings of one kind beyond this many are counted, not listed; the report has them all.
_LISTED = 8
# Tables and reasons that a person reads in a terminal.
TABLES = 40
_REASONS = 20


def console() -> Console:
    """Return the console for people; a log gets plain lines of a bearable width."""
    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 120, soft_wrap=False)


def print_json(value: dict[str, Any]) -> None:
    """Print JSON and nothing else."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def trace(out: Console, said: str) -> None:
    """Show where in the program something failed that nobody expected, with ``--debug``."""
    if said and click.get_current_context().find_root().params["debug"]:
        out.print(Text(said.rstrip(), style="dim"))


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


def age(seconds: int) -> str:
    """Return a span of time for people.

    >>> age(59), age(3600), age(200_000)
    ('59 s', '60 min', '55 h')
    """
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


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


def plural(count: int, one: str, many: str) -> str:
    """Return a number with its noun.

    >>> plural(1, "row waits", "rows wait"), plural(1200, "row waits", "rows wait")
    ('1 row waits', '1,200 rows wait')
    """
    return f"{count:,} {one if count == 1 else many}"


def grid() -> Table:
    """Return an empty table without lines."""
    return Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))


def pairs() -> Table:
    """Return an empty table of names and what they stand for."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def result(report: Report, written: list[str], again: str, *, as_json: bool, quiet: bool) -> None:
    """Print a report as it is wanted; a quiet run has something to say only when not all is verified.

    :param again: the arguments that the command was given, as a shell takes them.
    """
    if as_json:
        print_json(report.to_dict())
    elif not quiet or report.verdict != "verified":
        summary(report, written, again)


def summary(report: Report, written: list[str], again: str) -> None:
    """Print what a run did: table by table, the verdict, where the report is, and what to type next."""
    out = console()
    tables(out, report.tables)
    if report.quarantine:
        out.print(Text("In quarantine:", style="bold"))
        reasons(out, report.quarantine)
    findings(out, report.findings)
    for difference in report.differences:
        columns = f" in {', '.join(difference.columns)}" if difference.columns else ""
        out.print(Text(f"    DIFF {difference.target} {difference.key}: {difference.kind}{columns}", style="red"))
    if report.findings or report.differences:
        out.print()
    verdict(out, report, written, again)


def tables(out: Console, found: tuple[TableReport, ...]) -> None:
    """Print what happened to each table; of very many, those with rows in quarantine and the largest."""
    shown = sorted(found, key=lambda item: (-item.quarantined_rows, -item.source_rows))[:TABLES]
    table = grid()
    for name in ("source", "table", "target"):
        table.add_column(name, overflow="fold")
    for name in ("rows", "loaded", "quarantine", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for item in found if len(found) <= TABLES else shown:
        waiting = Text(f"{item.quarantined_rows:,}", style="yellow" if item.quarantined_rows else "dim")
        loaded = Text("skipped", style="dim") if item.skipped else Text(f"{item.loaded_rows:,}")
        seconds = f"{item.seconds:.1f}" if item.seconds else "–"
        names = (Text(item.source), Text(item.table), Text(item.target))
        table.add_row(*names, f"{item.source_rows:,}", loaded, waiting, seconds)
    out.print(table)
    if len(found) > TABLES:
        rest = len(found) - TABLES
        out.print(Text(f"… and {plural(rest, 'smaller table', 'smaller tables')}; --report has them all", style="dim"))
    out.print()


def reasons(out: Console, groups: tuple[QuarantineGroup, ...]) -> None:
    """Print how many rows wait in quarantine for which reason."""
    several = len({item.application for item in groups}) > 1
    table = grid()
    table.add_column("rows", justify="right", style="yellow", no_wrap=True)
    for name in ("application", "source", "table", "column")[0 if several else 1 :]:
        table.add_column(name, overflow="fold")
    table.add_column("reason", overflow="fold")
    for item in groups[:_REASONS]:
        names = (item.application, item.source, item.table, item.column)[0 if several else 1 :]
        reason = Text.assemble(item.reason, (f" {item.code}", "dim"))
        table.add_row(f"{item.rows:,}", *(Text(name) for name in names), reason)
    out.print(table)
    if len(groups) > _REASONS:
        out.print(Text(f"… and {plural(len(groups) - _REASONS, 'more reason', 'more reasons')}", style="dim"))
    out.print()


def verdict(out: Console, report: Report, written: list[str], again: str) -> None:
    """Print how a run ended, where its reports are, and what to type next."""
    out.print(Text.assemble((report.verdict.upper(), _VERDICTS[report.verdict]), f"  {report.sentence}"))
    where = f"{report.target.database}.{report.target.schema} on PostgreSQL {report.target.server_version}"
    out.print(Text(f"{where}, {report.seconds:.1f} s, run {report.run_id[:8]}", style="dim"))
    for path in written:
        out.print(Text(f"report: {path}"))
    for word, command in zip(("next:", "then:"), next_commands(report, again), strict=False):
        # A command is one line, however long: it is there to be copied.
        out.print(Text(f"{word} {command}"), soft_wrap=True)


def next_commands(report: Report, again: str) -> tuple[str, ...]:
    """Return what to type after a run, at most two commands."""
    if report.verdict != "different" and report.quarantined_rows:
        to = shlex.split(again)
        target = f" --to {shlex.quote(to[to.index('--to') + 1])}" if "--to" in to else ""
        return (
            f"howdah quarantine list{target}",
            f"correct the source or application.yml, and howdah quarantine retry {again}",
        )
    if report.verdict == "salvaged":
        return ("look for the lost rows in an older backup of the source", f"howdah verify {again}")
    return (f"howdah migrate {again}" if report.verdict == "different" else f"howdah verify {again}",)
