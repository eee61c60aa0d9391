"""The command line: ``howdah VERB …``. The engine raises; only here is anything printed."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from howdah import __version__
from howdah.cli.backup import backup
from howdah.cli.discover import discover
from howdah.cli.export import export
from howdah.cli.migrate import migrate
from howdah.cli.plan import plan
from howdah.cli.quarantine import group as quarantine
from howdah.cli.status import status
from howdah.cli.verify import verify
from howdah.errors import HowdahError
from howdah.stopping import stoppable


class _Verbs(click.Group):
    """A group that turns failures into one sentence, the next step, and an exit code."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            with stoppable():
                return super().invoke(ctx)
        except HowdahError as error:
            if ctx.params.get("debug"):
                raise
            fail(error)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            first = (str(error).splitlines() or [""])[0]
            click.echo(f"howdah: unexpected {type(error).__name__}: {first}", err=True)
            click.echo("  next: run it again with --debug and report what it prints", err=True)
            sys.exit(1)


def fail(error: HowdahError) -> NoReturn:
    """Print a failure and end with its exit code."""
    click.echo(f"howdah: {error.what}", err=True)
    if error.next_step:
        click.echo(f"  next: {error.next_step}", err=True)
    sys.exit(error.exit_code)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="howdah")
@click.option("--debug", is_flag=True, default=lambda: bool(os.environ.get("HOWDAH_DEBUG")), help="Show tracebacks.")
def main(debug: bool) -> None:
    """Move SQLite databases into PostgreSQL, every row accounted for and verified."""


for verb in (discover, plan, migrate, verify, quarantine, export, backup, status):
    main.add_command(verb)
