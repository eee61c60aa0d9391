"""Shows results: a table in the terminal, JSON, and the Markdown of docs/benchmarks.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.bench.contest import STEPS
from tests.bench.promises import MEGABYTE, promises, ratio
from tests.bench.results import Results

HEAD = ("", "best s", "median s", "× ceiling", "client CPU s", "server CPU s", "peak MB")
QUIET = 1.0  # runnable processes, averaged over a minute
KEPT = {True: "yes", False: "no", None: "–"}


def to_json(results: Results) -> str:
    """Return everything as JSON text, promises included."""
    content = {**results.to_dict(), "promises": [asdict(promise) for promise in promises(results)]}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def show(results: Results) -> None:
    """Print the tables."""
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print()
    console.print(_table(HEAD, figures(results)))
    if stages(results):
        console.print(_table(_stage_head(results), stages(results)))
    console.print(_table(("promise", "promised", "measured", "kept"), _promise_rows(results), left=3))
    for remark in remarks(results):
        console.print(remark, highlight=False)


def figures(results: Results) -> list[list[str]]:
    """Return a row of figures for each step that was measured, those that moved a whole source fastest first."""
    rows = []
    for name, step in STEPS.items():
        runs = results.of(name)
        if not runs:
            continue
        seconds = [run.seconds for run in runs]
        times = (
            ratio(results, name, "ceiling") if step.expects == "source" and name not in ("verify", "again") else None
        )
        rows.append(
            [
                step.title,
                f"{min(seconds):.2f}",
                f"{median(seconds):.2f}",
                f"{times:.1f}" if times else "",
                f"{median(run.usage.client_cpu for run in runs):.1f}",
                f"{median(run.usage.server_cpu for run in runs):.1f}",
                f"{max(run.usage.peak for run in runs) / MEGABYTE:.0f}",
            ]
        )
    return rows


def stages(results: Results) -> list[list[str]]:
    """Return howdah's own stages of each of its steps, in median seconds."""
    names = _stages(results)
    rows = []
    for name, step in STEPS.items():
        runs = [run for run in results.of(name) if run.stages]
        if runs:
            found = [[run.stages[stage] for run in runs if stage in run.stages] for stage in names]
            rows.append([step.title, *(f"{median(seconds):.2f}" if seconds else "" for seconds in found)])
    return rows


def remarks(results: Results) -> list[str]:
    """Return what does not count, and what to doubt."""
    load = float(results.machine["load when it began"])
    busy = [f"The machine was busy when it began (load {load}): do not trust even the ratios."] if load > QUIET else []
    wrong = [f"{STEPS[run.step].title}: round {run.round + 1}: {run.wrong}" for run in results.runs if run.wrong]
    return busy + wrong + [f"{name} could not take part: {why}" for name, why in results.absent.items()]


def to_markdown(results: Results) -> str:
    """Return the page for docs/benchmarks.md."""
    options = results.options
    described = ", ".join(
        f"{name} {value}" for name, value in results.server.items() if name not in ("version", "data")
    )
    doubts = remarks(results)
    parts = [
        "# Benchmarks",
        "",
        f"{results.rows:,} rows ({options['conversations']:,} conversations, {options['messages']:,} messages,"
        f" {options['metrics']:,} metrics) from one SQLite file of {results.source_bytes / MEGABYTE:,.0f} MB into typed"
        " tables: uuid, jsonb, timestamptz, boolean, double precision, bigint. Every contestant works with"
        f" {options['workers']} connections, processes or threads in the same run, {options['rounds']} rounds,"
        " interleaved. What it leaves in the tables is compared, by hashes of rows, with what PostgreSQL itself makes"
        " of the source's text; only equal rows count. Client and server share the machine: look at the ratios.",
        "",
        "Made by `make bench ROWS=reference`, or `.venv/bin/python -m tests.bench --help`.",
        "",
        *_markdown(("promise", "promised", "measured", "kept"), _promise_rows(results), left=3),
        "",
        *_markdown(HEAD, figures(results)),
        "",
        "Peers load tables without keys. *howdah, tables without keys* counts the stages that do the same (profile,"
        " plan, create, load); its CPU and memory are those of the whole command. Peak: all processes of the client"
        " together (proportional set size, sampled 20 times a second).",
        "",
        "Drill and manifest are measured on an instance with the same rows, 512 MB of memory and its data in a volume;"
        " manifest and scan without the start of their interpreter. A drill is all of it: a manifest of the instance,"
        " the archive, restore, replay, comparison, `pg_amcheck`, `pg_checksums`, and the removal of the copy.",
        "",
    ]
    if stages(results):
        parts += ["Stages of howdah, median seconds:", "", *_markdown(_stage_head(results), stages(results)), ""]
    if doubts:
        parts += ["Remarks:", "", *(f"- {remark}" for remark in doubts), ""]
    parts += [
        "Machine: " + "; ".join(f"{name}: {value}" for name, value in results.machine.items()) + ".",
        "",
        f"Server: PostgreSQL {results.server['version']}, data {results.server['data']}; {described}.",
        "",
    ]
    return "\n".join(parts)


def _promise_rows(results: Results) -> list[list[str]]:
    return [[one.what, one.promised, one.measured, KEPT[one.kept]] for one in promises(results)]


def _stages(results: Results) -> list[str]:
    return list(dict.fromkeys(stage for run in results.runs for stage in run.stages))


def _stage_head(results: Results) -> list[str]:
    return ["", *_stages(results)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(head):
        table.add_column(name, justify="left" if place < left else "right", no_wrap=place == 0)
    for row in rows:
        table.add_row(*row)
    return table


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> list[str]:
    rule = ["---" if place < left else "---:" for place in range(len(head))]
    return ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]
