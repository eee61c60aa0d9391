"""``howdah verify``: every row of the source compared with what PostgreSQL holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from howdah import pipeline
from howdah.cli import progress, show
from howdah.cli.options import PATH, request, request_options, result_options, typed
from howdah.report import write


@click.command()
@request_options
@click.option("--report", type=PATH, metavar="FILE", help="Write the report: as a page (FILE.html) or as JSON.")
@result_options
def verify(report: Path | None, as_json: bool, quiet: bool, **options: Any) -> None:
    """Compare the sources as they are now with the target, row by row; no row is written."""
    with progress.told(quiet=as_json or quiet) as tell:
        done = pipeline.verify(request(**options), tell)
    if report:
        write(report, done)
    show.result(done, [str(report)] if report else [], typed(**options), as_json=as_json, quiet=quiet)
    sys.exit(done.exit_code)
