"""``howdah migrate``: schema and rows into PostgreSQL, every row accounted for and verified."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from howdah import pipeline
from howdah.cli import progress, show
from howdah.cli.options import PATH, derived_options, request, request_options, result_options, typed
from howdah.report import render_html, write, write_text


@click.command()
@request_options
@derived_options
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Tables loaded at the same time."
)
@click.option("--report", type=PATH, metavar="FILE", help="Write the report: as a page (FILE.html) or as JSON.")
@click.option("--html", type=PATH, metavar="FILE", help="Write the report as a page, whatever its name is.")
@click.option(
    "--max-quarantined",
    type=click.IntRange(min=0),
    metavar="N",
    help="Stop before more rows than N go to quarantine.",
)
@result_options
def migrate(
    jobs: int,
    report: Path | None,
    html: Path | None,
    max_quarantined: int | None,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Move every row into PostgreSQL and verify it; safe to run again at any time.

    Exit codes: 0 everything moved and verified; 3 some rows are in quarantine, or were lost in a damaged
    source (--salvage); 4 a difference was found; 5 another run works; 6 a source is damaged; 7 the target
    refuses; 2 usage; 1 anything else.
    """
    wanted = request(**options, jobs=jobs, max_quarantined=max_quarantined)
    with progress.told(quiet=as_json or quiet) as tell:
        done = pipeline.migrate(wanted, tell)
    written = []
    if report:
        write(report, done)
        written.append(str(report))
    if html:
        write_text(html, render_html(done))
        written.append(str(html))
    show.result(done, written, typed(**options), as_json=as_json, quiet=quiet)
    sys.exit(done.exit_code)
