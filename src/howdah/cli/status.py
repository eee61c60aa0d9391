"""``howdah status``: one page about an instance."""

from __future__ import annotations

import click
from rich.table import Table
from rich.text import Text

from howdah import instance as instances
from howdah import status as engine
from howdah.cli import show


@click.command()
@click.option("--instance", "where", metavar="NAME|FILE", help="Instance (default: HOWDAH_INSTANCE, or the only one).")
@click.option("--tables", is_flag=True, help="Also show where the rows of every table are, and what to type next.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the page.")
def status(where: str | None, tables: bool, as_json: bool) -> None:
    """Show server, pools, backups and migrations at a glance."""
    place = instances.load(where)
    page = engine.gather(place)
    if as_json:
        click.echo(engine.as_json(page))
        return
    _print(place, page)
    if tables:
        _print_tables(place, page)


def _print(place: instances.Instance, page: engine.Status) -> None:
    out = show.console()
    well = (
        Text("all is well", style="bold green")
        if not page.problems
        else Text(f"{len(page.problems)} to look at", style="bold red")
    )
    out.print(Text.assemble((f"{page.name}  ", "bold"), well))
    out.print()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    if page.server:
        table.add_row(
            "server",
            f"PostgreSQL {page.server.version}, {page.server.connections} of {page.server.max_connections} connections,"
            f" {show.size(page.server.size)}",
            f"{place.server.address}:{place.server.port} since {page.server.started_at}",
        )
    used = [pool for pool in page.pools if pool.clients or pool.waiting or pool.servers]
    table.add_row(
        "pooler",
        f"{sum(pool.clients for pool in used)} clients on {sum(pool.servers for pool in used)} connections",
        f"{place.pooler.address}:{place.pooler.port}",
    )
    if page.backup:
        table.add_row(
            "backup",
            f"{page.backup.kind} {page.backup.label}, {show.age(page.backup.age)} ago",
            f"{page.backup.count} in {place.repository.path}",
        )
    if page.drill:
        took = f", back in {page.drill.rto_seconds:.0f} s" if page.drill.rto_seconds is not None else ""
        table.add_row(
            "drill",
            f"{page.drill.verdict}, {show.age(page.drill.age)} ago{took}",
            f"{place.state_dir}/drills/history.jsonl",
        )
    if page.archive:
        working = "failing" if page.archive.failing else "working"
        table.add_row("archive", f"{working}, {page.archive.archived} segments", page.archive.last_archived_at)
    for app in page.applications:
        waiting = f", {app.quarantined_rows:,} in quarantine" if app.quarantined_rows else ""
        table.add_row(app.name, f"{app.verdict}: {app.loaded_rows:,} rows{waiting}", app.finished_at)
    out.print(table)
    for problem in page.problems:
        out.print(Text(f"! {problem}", style="red"))


def _print_tables(place: instances.Instance, page: engine.Status) -> None:
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
    hints = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    hints.add_column(style="dim")
    hints.add_column(overflow="fold")
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
