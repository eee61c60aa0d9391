"""Progress of a run as a person sees it: a live bar in a terminal, now and then a line in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from howdah.progress import Lines, Progress, silent


@contextmanager
def told(*, quiet: bool) -> Iterator[Progress]:
    """Give what the engine tells its progress to; nothing of it reaches standard output.

    :param quiet: tell nobody.
    """
    if quiet:
        yield silent
    elif sys.stderr.isatty():
        # What draws loads only for a terminal.
        from howdah.cli import bars

        with bars.live() as progress:
            yield progress
    else:
        yield Lines(lambda line: click.echo(line, err=True))
