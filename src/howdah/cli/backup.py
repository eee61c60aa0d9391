"""``howdah backup``: take a backup, or check that archiving works."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import click

from howdah import backup as engine
from howdah import instance as instances
from howdah import key
from howdah.cli import show


@click.command()
@click.option("--instance", "where", metavar="NAME|FILE", help="Instance (default: HOWDAH_INSTANCE, or the only one).")
@click.option(
    "--type",
    "kind",
    type=click.Choice(["auto", *engine.KINDS]),
    default="auto",
    show_default=True,
    help="auto: full where there is none yet, else differential.",
)
@click.option("--check", is_flag=True, help="Only check that WAL reaches the archive, and that it has no gap.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def backup(where: str | None, kind: str, check: bool, as_json: bool) -> None:
    """Back an instance up. One backup runs at a time; a damaged one is a failure, and so is a gap in the archive."""
    place = instances.load(where)
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if check:
        engine.check(place)
        click.echo(f"{stamp} {place.name}: archiving works, and the archive has no gap.")
        return
    everywhere = engine.take_each(place, kind)
    if doubt := key.doubt(place):
        click.echo(f"warning: {doubt}", err=True)
    if as_json:
        show.print_json(asdict(everywhere[0]) | {"repositories": [asdict(taken) for taken in everywhere]})
        return
    for taken in everywhere:
        where = f" in {place.repository.where(taken.repository)}" if place.repository.second else ""
        click.echo(
            f"{stamp} {place.name}: {taken.kind} backup {taken.label}{where}, {show.size(taken.size)},"
            f" {show.size(taken.repository_size)} added to the repository, {taken.stopped - taken.started} s."
        )
