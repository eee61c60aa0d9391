"""``howdah drill``: prove that the last backup brings the data back."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.text import Text

from howdah import instance as instances
from howdah.cli import show
from howdah.cli.options import moment
from howdah.drill import history, page
from howdah.drill import run as engine
from howdah.drill.model import Drill
from howdah.errors import ConfigurationError
from howdah.report import write_text

_LISTED = 20


@click.command()
@click.option("--instance", "where", metavar="NAME|FILE", help="Instance (default: HOWDAH_INSTANCE, or the only one).")
@click.option("--backup", "label", metavar="LABEL", help="Backup to restore (default: the last one).")
@click.option(
    "--repo", "repository", type=int, metavar="N", help="Repository to restore from (default: 1; with --last: any)."
)
@click.option("--pitr", metavar="TIME", help="Go back to a time, such as '2026-11-22 14:03:00+00:00'.")
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.html", help="Also write a page about it."
)
@click.option(
    "--max-rto", type=click.FloatRange(min=0), default=0.0, help="Fail when restore and replay take longer (s)."
)
@click.option("--max-rpo", type=click.FloatRange(min=0), default=0.0, help="Fail when nothing newer comes back (s).")
@click.option("--if-older", type=float, metavar="HOURS", help="Do nothing when its last drill is not older than that.")
@click.option("--last", is_flag=True, help="Show the last drill again, and end with its exit code; restore nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def drill(
    where: str | None,
    label: str | None,
    repository: int | None,
    pitr: str | None,
    report: Path | None,
    max_rto: float,
    max_rpo: float,
    if_older: float | None,
    last: bool,
    as_json: bool,
) -> None:
    """Restore the last backup into a throw-away container and prove that it is what the instance holds."""
    place = instances.load(where)
    number = repository or 1
    drilled = place.repository.where(number)
    if if_older is not None and (young := _fresh(place, number, if_older)):
        of = f" of {drilled}" if place.repository.second else ""
        click.echo(
            f"{place.name}: the last drill{of} began at {young.started_at} and is not older than {if_older:g} h."
        )
        return
    if last:
        found = _last(place, repository)
    else:
        time = moment(pitr) if pitr else None
        found = engine.run(place, pitr=time, label=label, repository=number, max_rto=max_rto, max_rpo=max_rpo)
    if report:
        write_text(report, page.render(found, history.read(place)))
    if as_json:
        show.print_json(found.model_dump(mode="json"))
    else:
        _print(found)
    sys.exit(found.exit_code)


def _last(place: instances.Instance, number: int | None) -> Drill:
    drills = history.of(place, number) if number else history.read(place)
    if not drills:
        of = f" from {place.repository.where(number)}" if number else ""
        raise ConfigurationError(f"{place.name} was never drilled{of}.", "Drill it: howdah drill.")
    return drills[-1]


def _fresh(place: instances.Instance, number: int, hours: float) -> Drill | None:
    """Return the last drill of a repository when it is young enough."""
    last = history.of(place, number)[-1:]
    young = [
        found for found in last if datetime.now(UTC) - datetime.fromisoformat(found.started_at) < timedelta(hours=hours)
    ]
    return young[0] if young else None


def _print(found: Drill) -> None:
    out = show.console()
    style = "bold red" if found.verdict == "failed" else "bold green"
    out.print(Text.assemble((f"{found.instance}  ", "bold"), (found.verdict, style), f"  {found.identity}"))
    out.print(Text(found.sentence))
    out.print()
    table = show.pairs()
    if found.backup:
        age = show.age(found.backup_age_seconds or 0)
        table.add_row("backup", f"{found.backup_kind} {found.backup}, {age} old, {show.size(found.bytes)}")
        table.add_row("from", found.repository)
    if found.point:
        table.add_row("target", " at ".join(part for part in (found.point, found.target_lsn) if part))
    if found.reached_lsn:
        table.add_row("reached", f"{found.reached_lsn}, {found.segments} segments replayed")
    if found.rpo_seconds is not None:
        table.add_row("RPO", f"{found.rpo_seconds:.1f} s before the drill began: the newest heartbeat that came back")
    if found.rto_seconds is not None:
        table.add_row("RTO", f"{found.rto_seconds:.1f} s")
    table.add_row("phases", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in found.phases.items()))
    if found.tables:
        table.add_row(
            "compared",
            f"{found.rows:,} rows in {found.tables:,} tables of {found.databases} databases,"
            f" {found.facts:,} roles, grants and definitions; {found.logins} logins",
        )
    out.print(table)
    show.trace(out, found.trace)
    for finding in found.findings[:_LISTED]:
        out.print(Text(f"! {finding.check}: {finding.message}", style="red"))
    if len(found.findings) > _LISTED:
        out.print(Text(f"  … and {len(found.findings) - _LISTED} more; --json has them all", style="dim"))
    if found.next_step:
        out.print(Text(f"  next: {found.next_step}"))
    if found.verdict == "failed":
        out.print(Text(f"  more: docs/runbooks/drill.md, exit code {found.exit_code}", style="dim"))
