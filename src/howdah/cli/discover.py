"""``howdah discover``: which SQLite files are there, and what is in them."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from howdah import discover as engine
from howdah.cli import show
from howdah.cli.options import PATH
from howdah.errors import SourceError


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH, metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def discover(paths: tuple[Path, ...], as_json: bool) -> None:
    """List SQLite files, found by their header and not by their name."""
    for path in paths:
        if not path.exists():
            raise SourceError(f"{path} does not exist.", "Check the path.")
    found: list[engine.FileFacts] = []
    damaged: list[SourceError] = []
    for path in engine.walk(paths):
        try:
            found.append(engine.facts(path))
        except SourceError as error:
            damaged.append(error)
    if as_json:
        show.print_json(
            {
                "files": [
                    {
                        "path": str(item.path),
                        "size": item.size,
                        "journal_mode": item.journal_mode,
                        "sha256": item.sha256,
                        "tables": [{"table": name, "rows": rows} for name, rows in item.tables],
                    }
                    for item in found
                ],
                "damaged": [error.what for error in damaged],
            }
        )
    else:
        _print(found, damaged)
    if damaged:
        raise damaged[0]
    if not found:
        raise SourceError(f"There is no SQLite database in {', '.join(map(str, paths))}.", "Check the path.")


def _print(found: list[engine.FileFacts], damaged: list[SourceError]) -> None:
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
            str(item.path),
            f"{len(item.tables)} tables",
            f"{sum(n for _, n in item.tables):,}",
            show.size(item.size),
            item.journal_mode,
            item.sha256[:12],
            style="bold",
        )
        for name, rows in item.tables:
            table.add_row("", name, f"{rows:,}", "", "", "")
    out.print(table)
    for error in damaged:
        out.print(Text(f"damaged: {error.what}", style="red"))
