"""``howdah verify``: every row of the source compared with what PostgreSQL holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from howdah import pipeline
from howdah.cli import show
from howdah.cli.options import PATH, request, request_options
from howdah.report import write_text


@click.command()
@request_options
@click.option("--report", type=PATH, metavar="FILE", help="Write the report as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON instead of a summary.")
def verify(report: Path | None, as_json: bool, **options: Any) -> None:
    """Compare the sources as they are now with the target, row by row; no row is written."""
    done = pipeline.verify(request(**options))
    if report:
        write_text(report, done.to_json())
    if as_json:
        show.as_json(done.to_dict())
    else:
        show.summary(done, [str(report)] if report else [])
    sys.exit(done.exit_code)
