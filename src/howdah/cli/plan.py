"""``howdah plan``: what would move, and what is at risk in the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from howdah import pipeline, planview
from howdah.cli import progress, show
from howdah.cli.options import PATH, derived_options, request, request_options, typed
from howdah.errors import ConfigurationError
from howdah.findings import errors
from howdah.plan import Plan
from howdah.planview import ColumnLine, TableLine
from howdah.report import is_page, write_text
from howdah.risk import Risk

# Columns and risks that a person reads in a terminal; the page has them all.
_COLUMNS = 120
_RISKS = 25


@click.command()
@request_options
@derived_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--report", type=PATH, metavar="FILE", help="Write the plan: as a page (FILE.html) or as JSON.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Look at no more than N rows of each table (default: all).",
)
def plan(as_json: bool, report: Path | None, sample: int | None, **options: Any) -> None:
    """Show what migrate would do; nothing is changed anywhere.

    Every row is read and its casts are tried, so that what would not fit is known before anything moves.
    """
    with progress.told(quiet=as_json) as tell:
        made = pipeline.plan(request(**options, sample=sample), tell)
    command = f"howdah migrate {typed(**options)}"
    if report and is_page(report):
        write_text(report, planview.render_html(made, command))
    elif report:
        write_text(report, json.dumps(made.to_dict(), indent=2, ensure_ascii=False) + "\n")
    if as_json:
        show.print_json(made.to_dict())
    else:
        _print(made, report, command)
    found = errors(made.findings)
    if found:
        raise ConfigurationError(
            f"The plan has {len(found)} errors; migrate would refuse it.", "Correct them, then plan again."
        )


def _print(made: Plan, report: Path | None, command: str) -> None:
    out = show.console()
    lines = planview.tables(made)
    _columns(out, lines)
    _tables(out, lines)
    found = planview.risks(lines)
    if found:
        out.print(Text("Would not fit:", style="bold"))
        _risks(out, found)
        more = "More may follow while the server loads: rows that refer to one of these or to none, duplicates, CHECKs."
        out.print(Text(more, style="dim"))
        out.print()
    show.findings(out, made.findings)
    if made.findings:
        out.print()
    refused = bool(errors(made.findings))
    word, style = ("PENDING", "bold yellow") if made.pending else ("UP TO DATE", "bold green")
    out.print(Text.assemble(("REFUSED", "bold red") if refused else (word, style), f"  {made.sentence}"))
    target = f"{made.target.database}.{made.target.schema} on PostgreSQL {made.target.server_version}"
    schema = f"; {show.plural(len(made.statements), 'statement', 'statements')} would make the schema"
    out.print(Text(target + (schema if made.statements else "") + "; nothing was changed", style="dim"))
    if made.sample:
        warning = "Sampled: migrate reads every row and may decide on other types and casts."
        out.print(Text(warning, style="yellow"))
    if report:
        out.print(Text(f"report: {report}"))
    if made.pending and not refused:
        if made.doomed:
            out.print(Text("next: correct those rows in the source, or let them go to quarantine, and"))
        out.print(Text(f"next: {command}" if not made.doomed else f"then: {command}"), soft_wrap=True)


def _columns(out: Console, lines: tuple[TableLine, ...]) -> None:
    """Print what becomes of each column; of very many, those that change or are at risk."""
    many = sum(len(line.columns) for line in lines) > _COLUMNS
    grid = show.grid()
    for name in ("column", "declared", "values", "becomes", "type", "how"):
        grid.add_column(name, overflow="fold")
    left = 0
    for line in lines:
        shown = [column for column in line.columns if not many or column.cast or column.risks]
        shown = shown[: max(_COLUMNS - grid.row_count, 0)]
        left += len(line.columns) - len(shown)
        if not shown:
            continue
        heading = (Text(line.table, style="bold"), "", Text(f"{line.rows:,} rows"), Text(line.target, style="bold"))
        grid.add_row(*heading)
        for column in shown:
            style = "yellow" if column.risks else ""
            label = Text(f"  {column.source}", style=style) if column.source else Text("  (constant)", style="dim")
            words = (column.declared, column.values, column.target, column.type, column.cast)
            grid.add_row(label, *(Text(word, style=style) for word in words))
    out.print(grid)
    if left:
        more = show.plural(left, "more column", "more columns")
        out.print(Text(f"… and {more} that stay as they are; --report FILE.html has them all", style="dim"))
    out.print()


def _tables(out: Console, lines: tuple[TableLine, ...]) -> None:
    grid = show.grid()
    for name in ("source", "table", "target"):
        grid.add_column(name, overflow="fold")
    for name in ("rows", "would not fit"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("")
    for line in sorted(lines, key=lambda item: (-item.doomed, -item.rows))[: show.TABLES]:
        doomed = Text(f"{line.doomed:,}" if line.state == "moves" else "–", style="yellow" if line.doomed else "dim")
        names = (Text(line.source), Text(line.table), Text(line.target or "–"))
        grid.add_row(*names, f"{line.rows:,}", doomed, Text(line.state, style="dim"))
    out.print(grid)
    if len(lines) > show.TABLES:
        words = show.plural(len(lines) - show.TABLES, "smaller table", "smaller tables")
        out.print(Text(f"… and {words}; --report has them all", style="dim"))
    out.print()


def _risks(out: Console, found: tuple[tuple[TableLine, ColumnLine, Risk], ...]) -> None:
    grid = show.grid()
    grid.add_column("rows", justify="right", style="yellow", no_wrap=True)
    for name in ("column", "why not", "what to do"):
        grid.add_column(name, overflow="fold")
    for table, column, risk in found[:_RISKS]:
        where = Text.assemble(f"{table.table}.{column.source}", (f"\n{planview.examples(risk)}", "dim"))
        grid.add_row(f"{risk.rows:,}", where, Text(risk.reason), Text(risk.advice))
    out.print(grid)
    if len(found) > _RISKS:
        words = show.plural(len(found) - _RISKS, "more reason", "more reasons")
        out.print(Text(f"… and {words}; --report has them all", style="dim"))
    out.print()
