"""``howdah export``: a schema of PostgreSQL back into a SQLite file, every value compared."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from howdah import export as exports
from howdah.cli import options, progress, show
from howdah.export import ExportReport
from howdah.report import write_text


@click.command()
@click.argument("file", type=options.PATH, metavar="FILE")
@click.option(
    "--from",
    "origin",
    metavar="DSN",
    help="Database to export; also HOWDAH_DSN, PGHOST…, PGSERVICE. Never with a password.",
)
@click.option("--schema", metavar="NAME", help="Schema to export (default: the application's, or public).")
@click.option("--application", metavar="DIR|NAME", help="Application folder, or the name that the ledger knows.")
@click.option("--source", metavar="NAME", help="Only the tables that this source of the migration had.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--report", type=options.PATH, metavar="FILE", help="Write the report as JSON.")
@options.result_options
def export(
    file: Path,
    origin: str | None,
    schema: str | None,
    application: str | None,
    source: str | None,
    force: bool,
    report: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a schema of PostgreSQL into a new SQLite file and compare every value; PostgreSQL is only read.

    Tables that howdah migrated get their original SQL and, where the plan calls them lossless, exactly their original
    values; others get a schema derived from PostgreSQL's. FILE is there only when every value in it was verified.

    Exit codes: 0 written and verified; 4 a difference was found; 5 a migration works there; 7 PostgreSQL refuses;
    2 usage; 1 anything else.
    """
    request = exports.Request(
        file=file,
        dsn=options.dsn(origin, "--from"),
        schema=schema,
        application=application,
        source=source,
        force=force,
    )
    with progress.told(quiet=as_json or quiet) as tell:
        done = exports.export(request, tell)
    if report:
        write_text(report, json.dumps(done.to_dict(), indent=2, ensure_ascii=False) + "\n")
    if as_json:
        show.print_json(done.to_dict())
    elif not quiet:
        _print(done, report)


def _print(done: ExportReport, report: Path | None) -> None:
    out = show.console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("table", "from", "shape"):
        table.add_column(name, overflow="fold")
    for name in ("rows", "exact columns", "seconds"):
        table.add_column(name, justify="right")
    for item in done.tables:
        exact = sum(1 for column in item.table.columns if not column.loss)
        shown = f"{exact} of {len(item.table.columns)}" if item.table.shape == "original" else "–"
        table.add_row(
            item.table.name,
            item.table.target or "–",
            Text("original" if item.table.shape == "original" else "PostgreSQL's"),
            f"{item.rows:,}",
            shown,
            f"{item.seconds:.1f}",
        )
    out.print(table)
    out.print()
    show.findings(out, done.findings)
    if done.findings:
        out.print()
    out.print(Text.assemble(("VERIFIED", "bold green"), f"  {done.sentence}"))
    where = f"{done.origin.database}.{done.origin.schema} on PostgreSQL {done.origin.server_version}"
    out.print(Text(f"{done.file}, {show.size(done.size)}, from {where}, {done.seconds:.1f} s", style="dim"))
    if report:
        out.print(Text(f"report: {report}"))
    out.print(Text(f"next: sqlite3 {done.file} .tables"))
