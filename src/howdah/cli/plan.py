"""``howdah plan``: what would move, and what is at risk in the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from howdah import pipeline
from howdah.cli import progress, show
from howdah.cli.options import PATH, request, request_options
from howdah.errors import ConfigurationError
from howdah.findings import errors
from howdah.plan import Plan
from howdah.report import write_text


@click.command()
@request_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--report", type=PATH, metavar="FILE", help="Write the plan as JSON.")
def plan(as_json: bool, report: Path | None, **options: Any) -> None:
    """Show what migrate would do; nothing is changed anywhere."""
    with progress.told(quiet=as_json) as tell:
        made = pipeline.plan(request(**options), tell)
    if report:
        write_text(report, json.dumps(made.to_dict(), indent=2, ensure_ascii=False) + "\n")
    if as_json:
        show.print_json(made.to_dict())
    else:
        _print(made, report)
    found = errors(made.findings)
    if found:
        raise ConfigurationError(
            f"The plan has {len(found)} errors; migrate would refuse it.", "Correct them, then plan again."
        )


def _print(made: Plan, report: Path | None) -> None:
    out = show.console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("source", "table", "column", "target", "type", "cast"):
        table.add_column(name, overflow="fold")
    table.add_column("rows", justify="right")
    for item in made.tables:
        due = "" if item.identity in made.pending_tables else " (unchanged)"
        table.add_row(
            item.source,
            item.table.name,
            "",
            f"{item.target.schema}.{item.target.name}{due}",
            "",
            "",
            f"{item.rows:,}",
            style="bold",
        )
        for column in item.columns:
            source = column.source or Text("(constant)", style="dim")
            table.add_row("", "", source, column.target, column.type.sql, column.cast, "")
    for skipped in made.skipped:
        table.add_row(skipped.source, skipped.table, "", "skipped", "", "", f"{skipped.rows:,}", style="dim")
    out.print(table)
    out.print()
    show.findings(out, made.findings)
    word = "statement" if len(made.statements) == 1 else "statements"
    schema = f"; the schema needs {len(made.statements)} {word}" if made.statements else ""
    verdict = "PENDING" if made.pending else "UP TO DATE"
    count = len(made.pending_tables)
    out.print(
        Text.assemble(
            (verdict, "bold yellow" if made.pending else "bold green"),
            f"  {count} of {len(made.tables)} tables to load{schema}.",
        )
    )
    if report:
        out.print(f"report: {report}")
    if made.pending and not errors(made.findings):
        out.print("next: howdah migrate with the same arguments")
