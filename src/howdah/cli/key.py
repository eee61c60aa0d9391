"""``howdah key``: the key that the repository is encrypted with, and the operator's copy of it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from howdah import escrow
from howdah import instance as instances
from howdah import key as engine
from howdah.cli import show

_INSTANCE = click.option(
    "--instance", "where", metavar="NAME|FILE", help="Instance (default: HOWDAH_INSTANCE, or the only one)."
)
_COPY = click.argument("copy", type=click.Path(path_type=Path), metavar="FILE")


@click.group()
def key() -> None:
    """Check the operator's copy of the repository's key, put it back, or begin anew without it."""


@key.command()
@_INSTANCE
@_COPY
def check(where: str | None, copy: Path) -> None:
    """Say whether FILE is a copy of the key in use."""
    place = instances.load(where)
    click.echo(f"{copy} is the key of {place.name} (fingerprint {engine.check(place, copy)}).")


@key.command()
@_INSTANCE
@_COPY
def restore(where: str | None, copy: Path) -> None:
    """Put the copy in FILE back as the key, when it opens the repository."""
    place = instances.load(where)
    click.echo(f"{copy} opens the repository and is the key again (fingerprint {engine.restore(place, copy)}).")
    click.echo("  next: howdah drill")


@key.command()
@_INSTANCE
@click.option("--confirm", metavar="ENVIRONMENT", default="", help="The environment, to say that you mean it.")
@_COPY
def renew(where: str | None, confirm: str, copy: Path) -> None:
    """Set unreadable backups aside, make a new key with its copy in FILE, and take a full backup."""
    place = instances.load(where)
    if confirm != place.environment:
        click.echo(
            f"This would set aside every backup of {place.name}, which then can only be read with the old key, make"
            " a new key, and take a full backup. Nothing was changed."
        )
        click.echo(f"  next: howdah key renew --confirm {place.environment} {copy}")
        sys.exit(2)
    for taken in engine.renew(place, copy):
        click.echo(f"{place.name}: full backup {taken.label} with the new key, {show.size(taken.size)}.")
    click.echo(f"The new key (fingerprint {escrow.fingerprint(copy.read_text(encoding='utf-8'))}) is in {copy}.")
    click.echo("  next: store it elsewhere, away from this host and from the repository; then howdah drill")
