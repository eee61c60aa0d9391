"""Options that several verbs share, and what becomes of them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from howdah import pg
from howdah.choices import IDENTIFIERS, ORPHANS
from howdah.errors import ConfigurationError
from howdah.pipeline import Request

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


def target_option(command: Command) -> Command:
    """Add --to."""
    return click.option(
        "--to", metavar="DSN", help="Target; also HOWDAH_DSN, PGHOST…, PGSERVICE. Never with a password."
    )(command)


def request_options(command: Command) -> Command:
    """Add SOURCE…, --to, --application, --schema and --salvage."""
    for decorate in (
        click.option(
            "--salvage", is_flag=True, help="Take what can still be read of a damaged source; what is lost is listed."
        ),
        click.option("--schema", metavar="NAME", help="Target schema (default: the application's, or public)."),
        click.option(
            "--application",
            type=PATH,
            metavar="DIR",
            help="Application folder; without it the schema is derived.",
        ),
        target_option,
        click.argument("sources", nargs=-1, required=True, type=PATH, metavar="SOURCE..."),
    ):
        command = decorate(command)
    return command


def derived_options(command: Command) -> Command:
    """Add --identifiers and --orphans, for schemas that are derived from the source."""
    for decorate in (
        click.option(
            "--orphans",
            type=click.Choice(ORPHANS),
            help="Rows without the parent they refer to: set aside, or moved with the foreign key NOT VALID."
            " Default: as before, else quarantine.",
        ),
        click.option(
            "--identifiers",
            type=click.Choice(IDENTIFIERS),
            help="How names are written in PostgreSQL. Default: as before, else lower.",
        ),
    ):
        command = decorate(command)
    return command


def result_options(command: Command) -> Command:
    """Add --json and --quiet."""
    for decorate in (
        click.option("--quiet", "-q", is_flag=True, help="Say nothing when all is verified."),
        click.option("--json", "as_json", is_flag=True, help="Print the report as JSON instead of a summary."),
    ):
        command = decorate(command)
    return command


def request(
    sources: tuple[Path, ...], to: str | None, application: Path | None, schema: str | None, **more: Any
) -> Request:
    """Return the request that the options describe.

    :raises ConfigurationError: as :func:`dsn`.
    """
    return Request(sources=sources, dsn=dsn(to), application=application, schema=schema, **more)


def typed(
    *,
    sources: tuple[Path, ...],
    to: str | None,
    application: Path | None,
    schema: str | None,
    salvage: bool = False,
    **_: object,
) -> str:
    """Return the arguments of :func:`request` as a shell takes them, to be put behind any command.

    Those of :func:`derived_options` are left out: not every command has them, and the ledger remembers them.
    """
    pairs = (("--to", to), ("--application", application), ("--schema", schema))
    options = [part for name, value in pairs if value is not None for part in (name, str(value))]
    flags = ["--salvage"] if salvage else []
    return shlex.join([*(str(source) for source in sources), *options, *flags])


def dsn(given: str | None, option: str = "--to") -> str:
    """Return the connection string: what the option says, else ``HOWDAH_DSN``, else libpq's own variables (empty).

    :raises ConfigurationError: no database, or a password where every user of the machine can read it.
    """
    if given and pg.has_password(given):
        raise ConfigurationError(
            "The connection string on the command line holds a password, which any user of this machine can read.",
            "Put it into HOWDAH_DSN, a PGPASSFILE or a service file.",
        )
    found = given if given is not None else os.environ.get("HOWDAH_DSN", "")
    if not pg.names_a_target(found):
        raise ConfigurationError(
            "No target was given." if option == "--to" else "No database was given.",
            f"Add {option} DSN, or set HOWDAH_DSN, PGHOST or PGSERVICE.",
        )
    return found


def moment(text: str) -> datetime:
    """Return a time that was typed with its zone.

    :raises ConfigurationError: it is none, or has no zone.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is no time.", "Write it like 2026-11-22T14:03:00+00:00.") from error
    if found.tzinfo is None:
        raise ConfigurationError(f"{text!r} has no time zone.", "Write it with one, like 2026-11-22T14:03:00+00:00.")
    return found
