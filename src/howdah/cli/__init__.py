"""The command line: ``howdah VERB …``. The engine raises; only here is anything printed."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import NoReturn

import click

from howdah import __version__
from howdah.errors import HowdahError
from howdah.stopping import stoppable

VERBS = {
    "discover": "List SQLite files, found by their header and not by their name.",
    "plan": "Show what migrate would do; nothing is changed anywhere.",
    "migrate": "Move every row into PostgreSQL and verify it; safe to run again at any time.",
    "verify": "Compare the sources as they are now with the target, row by row; no row is written.",
    "quarantine": "Look at the rows that did not fit, take them out as a file, or try them again.",
    "export": "Write a schema of PostgreSQL into a new SQLite file and compare every value; PostgreSQL is only read.",
    "backup": "Back an instance up.",
    "drill": "Restore the last backup into a throw-away container and prove that it is what the instance holds.",
    "key": "Check the operator's copy of the repository's key, put it back, or begin anew without it.",
    "restore": "Bring an instance back as it was at a time, an LSN or a restore point; what stands there is kept.",
    "status": "Show server, pools, backups, drills and migrations at a glance.",
}
"""Verb → what the list of all verbs says about it; its module loads when it is asked for."""


class _Verbs(click.Group):
    """A group that turns failures into one sentence, the next step, and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        if cmd_name not in VERBS:
            return None
        with _loading():
            command = getattr(import_module(f"howdah.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - narrows the type; a test loads every verb
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, VERBS[verb]) for verb in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> object:
        try:
            with stoppable():
                return super().invoke(ctx)
        except HowdahError as error:
            if ctx.params.get("debug"):
                raise
            fail(error)
        except KeyboardInterrupt as stopped:
            by = f" by {stopped}" if str(stopped) else ""
            fail(HowdahError(f"Stopped{by} before the end; what was finished stays.", "Run the same command again."))
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            first = (str(error).splitlines() or [""])[0]
            click.echo(f"howdah: unexpected {type(error).__name__}: {first}", err=True)
            click.echo("  next: run it again with --debug and report what it prints", err=True)
            sys.exit(1)


@contextmanager
def _loading() -> Iterator[None]:
    """Look for no garbage while modules load, and not among what they consist of later: it stays to the end."""
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if looked:
            gc.enable()


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
