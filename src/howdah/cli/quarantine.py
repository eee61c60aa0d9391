"""``howdah quarantine``: the rows that did not fit, and another try."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from howdah import quarantine as engine
from howdah.cli import progress, show
from howdah.cli.options import (
    PATH,
    derived_options,
    dsn,
    request,
    request_options,
    result_options,
    target_option,
    typed,
)
from howdah.quarantine import QuarantinedRow, Selection
from howdah.retry import Retried, retry

# Rows that a person reads in a terminal; all of them are in an export.
_LISTED = 20
_WIDEST = 40


@click.group()
def quarantine() -> None:
    """Look at the rows that did not fit, take them out as a file, or try them again."""


def _selection_options(command: Any) -> Any:
    """Add --to, --application and --table."""
    for decorate in (
        click.option("--table", metavar="NAME", help="Only rows of this source table."),
        click.option(
            "--application", metavar="NAME", help="Only rows of this application ('schema NAME' without a folder)."
        ),
        target_option,
    ):
        command = decorate(command)
    return command


@quarantine.command("list")
@_selection_options
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"Show so many rows (default: {_LISTED}, with --json all).",
)
@click.option("--values", is_flag=True, help="Show the values that do not fit, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def list_(
    to: str | None, application: str | None, table: str | None, limit: int | None, values: bool, as_json: bool
) -> None:
    """Show which rows wait and why: first counted, then row by row."""
    selection = Selection(application, table)
    with engine.opened(dsn(to), selection) as connection:
        groups = engine.groups(connection, selection)
        shown = limit if limit is not None or as_json else _LISTED
        rows = list(engine.rows(connection, selection, shown))
        database = connection.info.dbname
    if as_json:
        show.print_json({"groups": [asdict(item) for item in groups], "rows": [row.to_dict() for row in rows]})
        return
    out = show.console()
    waiting = sum(item.rows for item in groups)
    if not waiting:
        out.print(Text.assemble(("EMPTY", "bold green"), f"  No row waits in the quarantine of {database}."))
        return
    show.reasons(out, groups)
    _print_rows(out, rows, values=values)
    if waiting > len(rows):
        out.print(Text(f"… and {waiting - len(rows):,} more", style="dim"))
    out.print()
    out.print(Text(f"{show.plural(waiting, 'row waits', 'rows wait')} in the quarantine of {database}."))
    pairs = (("--to", to), ("--application", application), ("--table", table))
    chosen = shlex.join(part for name, value in pairs if value is not None for part in (name, value))
    out.print(Text(f"next: howdah quarantine export FILE.jsonl {chosen}".rstrip()), soft_wrap=True)
    out.print(Text("then: correct the source or application.yml, and howdah quarantine retry as you migrated"))


def _print_rows(out: Console, rows: list[QuarantinedRow], *, values: bool) -> None:
    if not rows:
        return
    grid = show.grid()
    for name in ("source", "table", "key", "column"):
        grid.add_column(name, overflow="fold")
    if values:
        grid.add_column("value", overflow="fold")
    grid.add_column("reason", overflow="fold")
    for row in rows:
        cells = [row.source, row.table, _pairs(row.key), row.column]
        if values:
            named = {name: row.row[name] for name in row.column.split(", ") if name in row.row}
            cells.append(_short(json.dumps(list(named.values()), ensure_ascii=False)[1:-1]))
        grid.add_row(*(Text(cell) for cell in (*cells, row.code)))
    out.print(grid)


def _pairs(key: dict[str, Any]) -> str:
    return _short(", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in key.items()))


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


@quarantine.command()
@click.argument("file", type=PATH)
@_selection_options
def export(file: Path, to: str | None, application: str | None, table: str | None) -> None:
    """Write the rows into FILE, whole and with the reason: FILE.jsonl or FILE.csv.

    The file appears when all of it is written, readable by its owner only.
    """
    selection = Selection(application, table)
    with engine.opened(dsn(to), selection) as connection:
        count = engine.export(connection, selection, file)
    click.echo(f"{show.plural(count, 'row', 'rows')} in quarantine written to {file}")


@quarantine.command("retry")
@request_options
@derived_options
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Tables loaded at the same time."
)
@result_options
def retry_(as_json: bool, quiet: bool, **options: Any) -> None:
    """Try the rows again, after SOURCE or application.yml was corrected: same arguments as for migrate.

    Runs a migration that loads every table with rows in quarantine again, and says what became of them.

    Exit codes: 0 nothing waits any more; 3 some rows still do; others as for migrate.
    """
    with progress.told(quiet=as_json or quiet) as tell:
        done = retry(request(**options), tell)
    if as_json:
        show.print_json(done.to_dict())
    elif not quiet or done.exit_code:
        _print_retried(done, typed(**options))
    sys.exit(done.exit_code)


def _print_retried(done: Retried, again: str) -> None:
    out = show.console()
    if done.report is None:
        out.print(Text.assemble(("EMPTY", "bold green"), "  No row of this migration waits in quarantine."))
        return
    grid = show.grid()
    for name in ("source", "table"):
        grid.add_column(name, overflow="fold")
    for name in ("left quarantine", "still waits", "new"):
        grid.add_column(name, justify="right")
    for item in done.tables:
        grid.add_row(
            Text(item.source),
            Text(item.table),
            Text(f"{item.left:,}", style="green" if item.left else "dim"),
            Text(f"{item.stays:,}", style="yellow" if item.stays else "dim"),
            Text(f"{item.new:,}", style="yellow" if item.new else "dim"),
        )
    out.print(grid)
    out.print()
    if done.report.quarantine:
        out.print(Text("Why rows still wait:", style="bold"))
        show.reasons(out, done.report.quarantine)
    show.verdict(out, done.report, [], again)
