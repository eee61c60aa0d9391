"""``howdah discover``: which SQLite files are there, what is in them, and what lies beside them."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from howdah import discover as engine
from howdah import header
from howdah.cli import show
from howdah.cli.options import PATH
from howdah.errors import SourceError
from howdah.facts import FileFacts, facts
from howdah.header import shown

# Ignored files beyond this many are counted, not listed; --json has them all.
_LISTED = 10


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH, metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def discover(paths: tuple[Path, ...], as_json: bool) -> None:
    """List SQLite files, found by their header and not by their name."""
    candidates: list[Path] = []
    ignored: list[engine.Ignored] = []
    damaged: list[SourceError] = []
    for path in paths:
        header.status(path)
        if path.is_dir():
            scan = engine.scan(path)
            candidates += scan.databases
            ignored += scan.ignored
            damaged += scan.unreadable
        else:
            candidates.append(path)
    found: list[FileFacts] = []
    for path in candidates:
        try:
            found.append(facts(path))
        except SourceError as error:
            damaged.append(error)
    if as_json:
        show.print_json(
            {
                "files": [
                    {
                        "path": shown(item.path),
                        "size": item.size,
                        "journal_mode": item.journal_mode,
                        "sha256": item.sha256,
                        "tables": [{"table": name, "rows": rows} for name, rows in item.tables],
                    }
                    for item in found
                ],
                "ignored": [{"path": shown(item.path), "why": item.why, "suspect": item.suspect} for item in ignored],
                "damaged": [error.what for error in damaged],
            }
        )
    else:
        _print(found, ignored, damaged)
    if damaged:
        raise damaged[0]
    if not found:
        raise SourceError(f"There is no SQLite database in {', '.join(map(shown, paths))}.", "Check the path.")


def _print(found: list[FileFacts], ignored: list[engine.Ignored], damaged: list[SourceError]) -> None:
    out = show.console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("table", overflow="fold")
    for name in ("rows", "size"):
        table.add_column(name, justify="right")
    table.add_column("journal")
    table.add_column("sha256")
    for item in found:
        table.add_row(
            Text(shown(item.path)),
            f"{len(item.tables)} tables",
            f"{sum(n for _, n in item.tables):,}",
            show.size(item.size),
            item.journal_mode,
            item.sha256[:12],
            style="bold",
        )
        for name, rows in item.tables:
            table.add_row("", Text(name), f"{rows:,}", "", "", "")
    if found:
        out.print(table)
    for other in sorted(ignored, key=lambda item: not item.suspect)[:_LISTED]:
        out.print(Text(f"ignored: {shown(other.path)} {other.why}", style="yellow" if other.suspect else "dim"))
    if len(ignored) > _LISTED:
        out.print(Text(f"ignored: {len(ignored) - _LISTED:,} more; --json lists them all", style="dim"))
    for error in damaged:
        out.print(Text(f"damaged: {error.what}", style="red"))
