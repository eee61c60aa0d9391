"""``howdah backup``: take a backup, or check that archiving works."""

from __future__ import annotations

import time
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
@click.option(
    "--if-older",
    type=float,
    metavar="HOURS",
    help="Do nothing when every repository has a good backup not older than that; with --type full, a full one.",
)
@click.option("--check", is_flag=True, help="Only check that WAL reaches the archive, and that it has no gap.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def backup(where: str | None, kind: str, if_older: float | None, check: bool, as_json: bool) -> None:
    """Back an instance up. One backup runs at a time; a damaged one is a failure, and so is a gap in the archive."""
    place = instances.load(where)
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if check:
        warnings = engine.check(place)
        _warn(*warnings)
        gap = "has no gap since the newest backup" if warnings else "has no gap"
        click.echo(f"{stamp} {place.name}: archiving works, and the archive {gap}.")
        return
    if if_older is not None and (age := _age(place, kind)) is not None and age <= if_older * 3600:
        full = "full " if kind == "full" else ""
        click.echo(f"{stamp} {place.name}: the last {full}backup is {show.age(int(age))} old, and none is due.")
        return
    done = engine.take_each(place, kind)
    _warn(*done.warnings, key.doubt(place))
    if as_json:
        show.print_json(
            asdict(done.backups[0])
            | {"repositories": [asdict(taken) for taken in done.backups], "warnings": list(done.warnings)}
        )
        return
    for taken in done.backups:
        where = f" in {place.repository.where(taken.repository)}" if place.repository.second else ""
        click.echo(
            f"{stamp} {place.name}: {taken.kind} backup {taken.label}{where}, {show.size(taken.size)},"
            f" {show.size(taken.repository_size)} added to the repository, {taken.stopped - taken.started} s."
        )


def _warn(*warnings: str) -> None:
    for warning in warnings:
        if warning:
            click.echo(f"warning: {warning}", err=True)


def _age(place: instances.Instance, kind: str) -> float | None:
    """Return how old the last good backup is, in seconds, where that is longest ago; ``None``: a repository has none.

    :param kind: ``full``: only full ones count.
    """
    ages = []
    for number in place.repository.numbers:
        good = [found for found in engine.list_backups(place, number) if not found.error]
        counting = [found.stopped for found in good if found.kind == "full" or kind != "full"]
        if not counting:
            return None
        ages.append(time.time() - counting[-1])
    return max(ages)
