"""``howdah status``: one page about an instance."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
from rich.table import Table
from rich.text import Text

from howdah import instance as instances
from howdah.cli import show
from howdah.status import ask, metrics
from howdah.status.model import ApplicationStatus, ArchiveStatus, BackupStatus, DrillStatus, Status


@click.command()
@click.option("--instance", "where", metavar="NAME|FILE", help="Instance (default: HOWDAH_INSTANCE, or the only one).")
@click.option("--tables", is_flag=True, help="Also show where the rows of every table are, and what to type next.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the page.")
@click.option("--metrics", "only_metrics", is_flag=True, help="Print nothing: write metrics for Prometheus (for cron).")
def status(where: str | None, tables: bool, as_json: bool, only_metrics: bool) -> None:
    """Show server, pools, backups, drills and migrations at a glance."""
    place = instances.load(where)
    if only_metrics:
        metrics.write(place)
        return
    page = ask.gather(place)
    if as_json:
        click.echo(json.dumps(page.to_dict(), indent=2))
        return
    _print(place, page)
    if tables:
        _print_tables(place, page)


def _print(place: instances.Instance, page: Status) -> None:
    out = show.console()
    well = (
        Text("all is well", style="bold green")
        if not page.problems
        else Text(f"{len(page.problems)} to look at", style="bold red")
    )
    out.print(Text.assemble((f"{page.name}  ", "bold"), well))
    out.print()
    table = show.pairs()
    for name, said in _rows(place, page):
        table.add_row(name, said)
    out.print(table)
    if page.problems:
        out.print()
    for problem in page.problems:
        out.print(Text(f"! {problem.what}", style="red"))
        if problem.next_step:
            # A command is one line, however long: it is there to be copied.
            out.print(Text(f"  next: {problem.next_step}"), soft_wrap=True)


def _rows(place: instances.Instance, page: Status) -> Iterator[tuple[str, str]]:
    if page.server:
        yield (
            "server",
            f"PostgreSQL {page.server.version} at {place.server.address}:{place.server.port},"
            f" {page.server.connections} of {page.server.max_connections} connections, {show.size(page.server.size)}",
        )
    else:
        yield "server", f"does not answer at {place.server.socket_dir}"
    used = [pool for pool in page.pools or () if pool.clients or pool.waiting or pool.servers]
    busy = f"{sum(pool.clients for pool in used)} clients on {sum(pool.servers for pool in used)} connections"
    yield "pooler", f"{place.pooler.address}:{place.pooler.port}, {'does not answer' if page.pools is None else busy}"
    if page.archive:
        yield "archive", _archive(page.archive)
        yield "pg_wal", f"{show.size(page.archive.wal_size)} of {show.size(page.archive.wal_limit)}"
    for number, held in zip(place.repository.numbers, (page.backup, page.second), strict=False):
        which = "" if number == 1 else f" {number}"
        if held:
            yield f"backup{which}", f"{held.kind} {held.label}, {show.age(held.age)} ago"
        else:
            yield f"backup{which}", "none yet" if page.server else "unknown: the server must run to ask the repository"
        yield f"repository{which}", _repository(place.repository.where(number), held)
    yield "drill", _drill(page.drill)
    if page.second_declared:
        yield "drill 2", _drill(page.second_drill, " --repo 2")
    for app in page.applications:
        yield app.name, _application(app)


def _archive(archive: ArchiveStatus) -> str:
    """Return what is said of the way into the archive.

    >>> _archive(ArchiveStatus(7, 0, "2026-11-22T01:51:36Z", False))
    'works, nothing waits; the last segment went at 2026-11-22T01:51:36Z'
    >>> _archive(ArchiveStatus(0, 9, "", True, waiting=2, waiting_size=33_554_432, waiting_seconds=600))
    'fails, 2 segments (33.6 MB) wait for 10 min; none was archived'
    """
    waits = (
        f"{show.plural(archive.waiting, 'segment', 'segments')} ({show.size(archive.waiting_size)})"
        f" wait{'s' * (archive.waiting == 1)} for {show.age(archive.waiting_seconds)}"
        if archive.waiting
        else "nothing waits"
    )
    last = f"the last segment went at {archive.last_archived_at}" if archive.last_archived_at else "none was archived"
    return f"{'fails' if archive.failing else 'works'}, {waits}; {last}"


def _repository(where: str, backup: BackupStatus | None) -> str:
    held = f"{show.plural(backup.count, 'backup', 'backups')}, {show.size(backup.stored)} " if backup else ""
    free = f", {show.size(backup.free)} free" if backup and backup.free is not None else ""
    return f"{held}in {where}{free}"


def _application(app: ApplicationStatus) -> str:
    if app.verdict == "never":
        return "not migrated yet"
    waiting = f", {app.quarantined_rows:,} in quarantine" if app.quarantined_rows else ""
    when = f", {app.finished_at}" if app.finished_at else ""
    return f"{app.verdict}: {app.loaded_rows:,} rows{waiting}{when}"


def _drill(drill: DrillStatus | None, options: str = "") -> str:
    """Return what is said of the last drill.

    >>> _drill(DrillStatus("proven", "All came back.", 7200, 7200, 12.04, 0.21))
    'proven 2 h ago: RPO 0.2 s, RTO 12.0 s'
    >>> _drill(DrillStatus("failed", "The archive has a gap.", 60, 90000, None))
    'failed 60 s ago; the last proof is 25 h old'
    """
    if drill is None:
        return f"none yet; prove the last backup with howdah drill{options}"
    figures = [
        f"{name} {seconds:.1f} s"
        for name, seconds in (("RPO", drill.rpo_seconds), ("RTO", drill.rto_seconds))
        if seconds is not None
    ]
    proof = (
        ""
        if drill.verdict == "proven"
        else "; no proof yet"
        if drill.proven_age is None
        else f"; the last proof is {show.age(drill.proven_age)} old"
    )
    return f"{drill.verdict} {show.age(drill.age)} ago{': ' * bool(figures)}{', '.join(figures)}{proof}"


def _print_tables(place: instances.Instance, page: Status) -> None:
    out = show.console()
    for app in page.applications:
        if not app.tables:
            continue
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
        for name in (f"{app.name}: source", "table", f"in {app.database}"):
            table.add_column(name, overflow="fold")
        for name in ("rows", "moved", "quarantine"):
            table.add_column(name, justify="right")
        for item in app.tables:
            waiting = Text(f"{item.quarantined_rows:,}", style="yellow" if item.quarantined_rows else "dim")
            table.add_row(
                item.source, item.table, item.target, f"{item.source_rows:,}", f"{item.loaded_rows:,}", waiting
            )
        out.print()
        out.print(table)
    out.print()
    hints = show.pairs()
    for app in page.applications:
        report = place.state_dir / "reports" / f"{app.name}.html"
        if report.exists():
            hints.add_row(f"report of {app.name}", str(report))
    services = place.configuration_dir / "services"
    hints.add_row("services' settings", f"{services}/*.env")
    for app in page.applications[:1]:
        hints.add_row("look inside", f"docker exec -it {place.server.container} psql {app.database}")
    hints.add_row("next", "howdah status · howdah backup · make plan · make migrate · make down · make help")
    out.print(hints)
