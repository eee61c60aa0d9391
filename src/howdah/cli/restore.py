"""``howdah restore``: bring an instance back as it was, or a part of it beside what is there."""

from __future__ import annotations

import sys

import click
from rich.text import Text

from howdah import instance as instances
from howdah.cli import show
from howdah.cli.options import moment
from howdah.errors import ConfigurationError
from howdah.restore import only as parts
from howdah.restore import run as engine
from howdah.restore import side, target
from howdah.restore.model import Restore
from howdah.restore.only import Part


@click.command()
@click.option("--instance", "where", metavar="NAME|FILE", help="Instance (default: HOWDAH_INSTANCE, or the only one).")
@click.option("--to", type=click.Choice(["latest"]), help="To the newest that the archive has.")
@click.option("--to-time", metavar="TIME", help="To a time, such as '2026-11-22 14:03:00+00:00'.")
@click.option("--to-lsn", metavar="LSN", help="To a place in the WAL.")
@click.option("--to-point", metavar="NAME", help="To a restore point: each backup has one, backup-LABEL.")
@click.option("--timeline", metavar="N|latest", help="History to follow (default: the one that was live then).")
@click.option("--backup", "--set", "label", metavar="LABEL", help="Backup to begin with (default: the last good one).")
@click.option("--repo", "repository", type=int, default=1, metavar="N", help="Repository to restore from (default: 1).")
@click.option("--in-place", is_flag=True, help="Change the data directory itself: less room, nothing set aside.")
@click.option("--only", metavar="DB[.SCHEMA[.TABLE]]", help="A part, beside what is there; needs --into, no --confirm.")
@click.option("--into", metavar="SCHEMA", help="Schema for the part; it must not exist yet.")
@click.option("--confirm", metavar="ENVIRONMENT", help="The instance's environment; without it nothing is done.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def restore(
    where: str | None,
    to: str | None,
    to_time: str | None,
    to_lsn: str | None,
    to_point: str | None,
    timeline: str | None,
    label: str | None,
    repository: int,
    in_place: bool,
    only: str | None,
    into: str | None,
    confirm: str | None,
    as_json: bool,
) -> None:
    """Bring an instance back as it was at a time, an LSN or a restore point; what stands there is kept."""
    place = instances.load(where)
    newest = to or ("latest" if only and not (to_time or to_lsn or to_point) else None)
    goal = target.parse(newest, moment(to_time) if to_time else None, to_lsn, to_point, timeline)
    if only or into:
        if not (only and into):
            raise ConfigurationError(
                "--only says what comes back, and --into the schema that it comes to.",
                "Say both, or neither: --only DATABASE.SCHEMA.TABLE --into SCHEMA.",
            )
        part = parts.run(place, side.parse(only), into, goal, label=label, repository=repository)
        if as_json:
            show.print_json(part.model_dump(mode="json"))
        else:
            _print_part(part)
        return
    done = engine.run(place, goal, confirm=confirm, label=label, repository=repository, in_place=in_place)
    if as_json:
        show.print_json(done.model_dump(mode="json"))
    else:
        _print(done)
    sys.exit(done.exit_code)


def _print_part(part: Part) -> None:
    out = show.console()
    out.print(Text.assemble((f"{part.instance}  ", "bold"), ("restored", "bold green"), f"  {part.identity}"))
    out.print(Text(part.sentence))
    out.print()
    table = show.grid()
    table.add_column("table")
    table.add_column("rows", justify="right")
    for name, rows in list(part.tables.items())[: show.TABLES]:
        table.add_row(name, f"{rows:,}")
    out.print(table)
    if len(part.tables) > show.TABLES:
        out.print(Text(f"… and {len(part.tables) - show.TABLES} more; --json has them all", style="dim"))
    out.print()
    phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in part.phases.items())
    out.print(Text(f"backup {part.backup}, reached LSN {part.reached_lsn}; {phases}", style="dim"))
    for left_out in part.left_out:
        out.print(Text(f"! {left_out}", style="yellow"))
    out.print(Text(f"  next: {part.next_step}"))


def _print(done: Restore) -> None:
    out = show.console()
    style = "bold red" if done.verdict == "failed" else "bold green"
    out.print(Text.assemble((f"{done.instance}  ", "bold"), (done.verdict, style), f"  {done.identity}"))
    out.print(Text(done.sentence))
    out.print()
    table = show.pairs()
    if done.backup:
        table.add_row("backup", f"{done.backup_kind} {done.backup}, {show.size(done.bytes)}")
    table.add_row("target", done.target)
    if done.reached_lsn:
        at = f", last transaction at {done.reached_time}" if done.reached_time else ""
        table.add_row("reached", f"LSN {done.reached_lsn}{at}, {done.segments} segments replayed")
    if done.timeline_after:
        table.add_row("timeline", f"{done.timeline_before or 'unknown'} before, {done.timeline_after} now")
    if done.safety_backup:
        table.add_row("safety", f"backup {done.safety_backup} of what stood there")
    if done.kept:
        table.add_row("kept", f"{done.kept} in the data volume: what stood there. {done.why_kept}")
    if done.fresh_backup:
        table.add_row("new backup", done.fresh_backup)
    if done.pooler:
        table.add_row("pooler", done.pooler)
    table.add_row("phases", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in done.phases.items()))
    out.print(table)
    show.trace(out, done.trace)
    for finding in done.findings:
        out.print(Text(f"! {finding}", style="yellow"))
    if done.next_step:
        out.print(Text(f"  next: {done.next_step}"))
