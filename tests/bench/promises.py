"""What the engine promises about speed and memory, and whether the figures keep it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from tests.bench.results import Results

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Promise:
    """One promise beside what was measured.

    :ivar kept: ``None`` when it was not measured in this run.
    """

    what: str
    promised: str
    measured: str
    kept: bool | None


def promises(results: Results) -> tuple[Promise, ...]:
    """Return every promise; ratios are the median of those of single rounds."""
    return (
        _at_least("load, against pgloader", ratio(results, "pgloader", "howdah-load"), 4.0, "× as fast"),
        _at_least("load, against DuckDB", ratio(results, "duckdb", "howdah-load"), 1.4, "× as fast"),
        _at_most("load, against the ceiling", ratio(results, "howdah-load", "ceiling"), 1.7, "× its time"),
        _at_most("whole migration, against pgloader's load", ratio(results, "howdah", "pgloader"), 1.0, "× its time"),
        _at_most("verification, against the load of the same run", _verification(results), 1.0, "× its time"),
        _at_most("again, nothing changed", ratio(results, "again", "howdah", 100), 5, " % of the first run"),
        _at_most("again, 1 % changed", ratio(results, "changed", "howdah", 100), 25, " % of the first run"),
        _at_most("memory of all processes", _peak(results, "howdah"), 350, " MB"),
        _at_most("memory with many tables", _peak(results, "many-tables"), 350, " MB"),
        _at_most("memory with ten times the tables", _growth(results), 1.2, "× of before"),
        _at_most(
            "drill, all of it, against plain pgbackrest restore", ratio(results, "drill", "restore"), 2.0, "× its time"
        ),
        _at_most(
            "drill, verification against restore and replay", _verification_of_drill(results), 1.0, "× their time"
        ),
        _at_most("manifest, against a reading scan", ratio(results, "manifest", "scan"), 1.5, "× its time"),
        _at_most("memory of a drill", _peak(results, "drill"), 200, " MB"),
        _at_most("memory of a manifest", _peak(results, "manifest"), 200, " MB"),
        _at_least("many small files", _files(results), 20, " files a second per worker"),
    )


def ratio(results: Results, one: str, other: str, scale: float = 1.0) -> float | None:
    """Return how long one step took in terms of another, round by round: the host drifts less within a round."""
    others = {run.round: run.seconds for run in results.of(other)}
    found = [scale * run.seconds / others[run.round] for run in results.of(one) if others.get(run.round)]
    return median(found) if found else None


def _verification(results: Results) -> float | None:
    found = [
        run.stages["verify"] / run.stages["load"]
        for run in results.of("howdah")
        if run.stages.get("load") and "verify" in run.stages
    ]
    return median(found) if found else None


def _verification_of_drill(results: Results) -> float | None:
    found = [run.stages["verify"] / (run.stages["restore"] + run.stages["replay"]) for run in results.of("drill")]
    return median(found) if found else None


def _peak(results: Results, step: str) -> float | None:
    found = [run.usage.peak for run in results.of(step)]
    return max(found) / MEGABYTE if found else None


def _growth(results: Results) -> float | None:
    few, many = _peak(results, "few-tables"), _peak(results, "many-tables")
    return many / few if few and many else None


def _files(results: Results) -> float | None:
    found = [results.options["files"] / run.seconds / results.options["workers"] for run in results.of("files")]
    return max(found) if found else None


def _at_least(what: str, measured: float | None, limit: float, unit: str) -> Promise:
    return Promise(what, f"≥ {limit:g}{unit}", _figure(measured, unit), None if measured is None else measured >= limit)


def _at_most(what: str, measured: float | None, limit: float, unit: str) -> Promise:
    return Promise(what, f"≤ {limit:g}{unit}", _figure(measured, unit), None if measured is None else measured <= limit)


def _figure(measured: float | None, unit: str) -> str:
    return "not measured" if measured is None else f"{measured:.3g}{unit}"
