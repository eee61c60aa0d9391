"""The benchmark itself: at a tiny size, and nothing of it is about time."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from tests.bench import generate, output
from tests.bench.bench import Options, remove_left_over, run
from tests.bench.contest import CONTESTANTS, PROGRAMS, STEPS, Contestant, Step, chosen
from tests.bench.generate import Size
from tests.bench.measure import Usage, measure
from tests.bench.promises import promises, ratio
from tests.bench.results import Results, Run
from tests.bench.tools import ROOT
from tests.packages import Missing
from tests.servers import LABEL

TINY = Options(
    size=Size(50, 500, 500),
    contestants=CONTESTANTS,
    rounds=1,
    folder=ROOT / ".local" / "bench",
    limit=120,
    files=3,
    tables=20,
)


def test_all_contestants_move_exactly_the_same_rows():
    results = run(TINY)
    assert results.absent == {}
    assert {done.step: done.wrong for done in results.runs} == dict.fromkeys(STEPS, "")
    assert all(done.usage.client_cpu > 0 and done.usage.peak > 1_000_000 for done in results.runs)
    assert all(promise.kept is not None for promise in promises(results))
    page = output.to_markdown(results)
    assert all(step.title in page for step in STEPS.values())


def _liar(name: str, *commands: str) -> Contestant:
    """Return a contestant that loads all rows and then spoils it."""

    def command(job):
        python = job.tools.python()
        load = f"{python} {PROGRAMS}/with_psycopg.py {job.source} 1 text"
        scripts = [f"import psycopg; psycopg.connect(autocommit=True).execute({sql!r})" for sql in commands]
        return ["sh", "-ec", "\n".join([load, *(f"{python} -c {shlex.quote(script)}" for script in scripts)])]

    return Contestant(name, (Step(name, name, command),))


def _absent(job):
    raise Missing("not on this host")


def test_what_is_lost_altered_late_or_absent_does_not_count():
    results = run(
        replace(
            TINY,
            limit=10,
            contestants=(
                _liar("honest"),
                _liar("loses a row", "DELETE FROM metrics WHERE id = 1"),
                _liar("alters a row", "UPDATE messages SET is_read = NOT is_read WHERE ctid = '(0,1)'"),
                _liar("fails", "SELECT 1/0"),
                _liar("hangs", "SELECT pg_sleep(60)"),
                Contestant("absent", (Step("absent", "absent", _absent),)),
            ),
        )
    )
    wrong = {done.step: done.wrong for done in results.runs}
    assert wrong.pop("fails").startswith("exit code 1: ")
    assert wrong == {
        "honest": "",
        "loses a row": "metrics has 499 rows, not 500",
        "alters a row": "messages has other values",
        "hangs": "stopped after 10 s",
    }
    assert results.absent == {"absent": "not on this host"}


def test_children_count_and_none_is_left_over(tmp_path: Path):
    burn = "import time; data = bytearray(60_000_000)\nwhile time.process_time() < 0.6: pass"
    pid = tmp_path / "pid"
    script = f"{sys.executable} -c '{burn}'; sleep 300 & echo $! > {pid}"
    usage = measure(["sh", "-c", script], {}, 30, lambda: 0.0)
    assert (usage.exit_code, usage.stopped) == (0, False)
    assert usage.client_cpu >= 0.5
    assert usage.peak > 60_000_000
    left = Path("/proc", pid.read_text().strip(), "status")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _runs(left):
        time.sleep(0.01)
    assert not _runs(left)


def _runs(status: Path) -> bool:
    try:
        return "State:\tZ" not in status.read_text()
    except OSError:
        return False


def test_nothing_is_left_when_it_is_ended():
    command = [sys.executable, "-u", "-m", "tests.bench", "--rows", "500", "--only", "psycopg-text", "--rounds", "1000"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as bench:
        assert any(line.startswith("round 1 of 1000") for line in bench.stdout)
        bench.terminate()
        assert bench.wait(60) == 143
    client = docker.from_env(timeout=60)
    assert client.containers.list(all=True, filters={"label": f"{LABEL}={bench.pid}"}) == []
    client.close()
    assert list(TINY.folder.glob(f"run-{bench.pid}-*")) == []


def test_what_a_killed_run_left_is_removed(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    left, ours = tmp_path / f"run-{ended.pid}-a", tmp_path / f"run-{os.getpid()}-b"
    left.mkdir()
    ours.mkdir()
    remove_left_over(tmp_path)
    assert (left.exists(), ours.exists()) == (False, True)


def test_the_same_arguments_give_the_same_rows(tmp_path: Path):
    for name, seed in (("one.db", 1), ("same.db", 1), ("other.db", 2)):
        generate.write(tmp_path / name, Size(20, 200, 200), seed)
    one, same, other = ((tmp_path / name).read_bytes() for name in ("one.db", "same.db", "other.db"))
    assert one == same
    assert one != other


def test_one_row_in_a_hundred_is_changed_everywhere(tmp_path: Path):
    path = tmp_path / "source.db"
    generate.write(path, Size(1000, 2000, 3000))

    def rows(table: str) -> list[tuple]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid").fetchall()

    tables = ("conversations", "messages", "metrics")
    before = {table: rows(table) for table in tables}
    assert generate.change(path) == 60
    for table, count in zip(tables, (10, 20, 30), strict=True):
        places = [n for n, (old, new) in enumerate(zip(before[table], rows(table), strict=True)) if old != new]
        assert places == list(range(6, 100 * count, 100))


def test_a_size_is_a_name_or_a_number():
    assert generate.size("reference") == Size(200_000, 2_000_000, 2_000_000)
    assert generate.size("5,000") == Size(500, 5000, 5000)
    for wrong in ("0", "-5", "large"):
        with pytest.raises(ValueError):
            generate.size(wrong)


def test_contestants_are_chosen_by_name():
    assert [one.name for one in chosen(("howdah", "ceiling"))] == ["ceiling", "howdah"]
    assert [one.name for one in chosen(("tables",))] == ["few-tables", "many-tables"]
    with pytest.raises(ValueError, match="nobody is called sling"):
        chosen(("sling",))


def _results(**seconds: tuple[float, ...]) -> Results:
    usage = Usage(0, 1.0, 1.0, 300_000_000, 0, False, "")
    runs = [Run(step, n, s, usage) for step, found in seconds.items() for n, s in enumerate(found)]
    return Results(
        {"load when it began": "0.3"},
        {"version": "15", "data": ""},
        {"files": 100, "workers": 2, "rounds": 3},
        0,
        0,
        tuple(runs),
        {},
    )


def test_ratios_are_taken_round_by_round():
    # The host was twice as slow in the second round, and for howdah alone in the third.
    results = _results(**{"pgloader": (8.0, 16.0, 8.0), "howdah-load": (2.0, 4.0, 8.0)})
    assert ratio(results, "pgloader", "howdah-load") == 4.0
    kept = {promise.what: (promise.measured, promise.kept) for promise in promises(results)}
    assert kept["load, against pgloader"] == ("4× as fast", True)
    assert kept["load, against DuckDB"] == ("not measured", None)


def test_a_promise_that_is_not_kept_says_so():
    results = _results(
        **{"pgloader": (7.0,), "howdah-load": (2.0,), "howdah": (7.1,), "again": (0.5,), "files": (2.6,)}
    )
    kept = {promise.what: promise.kept for promise in promises(results) if promise.kept is not None}
    assert kept == {
        "load, against pgloader": False,
        "whole migration, against pgloader's load": False,
        "again, nothing changed": False,
        "memory of all processes": True,
        "many small files": False,
    }


def test_a_wrong_run_counts_for_nothing():
    results = _results(**{"pgloader": (8.0,), "howdah-load": (2.0,)})
    spoilt = replace(results, runs=tuple(replace(one, wrong="messages has other values") for one in results.runs))
    assert ratio(spoilt, "pgloader", "howdah-load") is None


def test_a_drill_is_judged_as_a_whole_and_by_its_verification():
    results = _results(restore=(10.0,), drill=(19.0,), scan=(2.0,), manifest=(4.0,))
    phases = {"prepare": 1.0, "restore": 8.0, "replay": 1.0, "verify": 9.0}
    runs = tuple(replace(one, stages=phases) if one.step == "drill" else one for one in results.runs)
    kept = {promise.what: promise.kept for promise in promises(replace(results, runs=runs)) if promise.kept is not None}
    assert kept == {
        "drill, all of it, against plain pgbackrest restore": True,
        "drill, verification against restore and replay": True,
        "manifest, against a reading scan": False,
        "memory of a drill": False,
        "memory of a manifest": False,
    }


def test_what_was_not_measured_again_comes_from_earlier_results():
    earlier = _results(ceiling=(1.0,), manifest=(9.0, 9.0))
    later = replace(_results(manifest=(4.0,), scan=(2.0,)), machine=earlier.machine | {"load when it began": "7.5"})
    both = later.joined(Results.from_json(output.to_json(earlier)))
    assert {run.step: run.seconds for run in both.runs} == {"ceiling": 1.0, "manifest": 4.0, "scan": 2.0}
    assert "7.5" in output.remarks(both)[0]
    once = replace(later, options=later.options | {"rounds": 1})
    assert once.joined(once.joined(both)).options["rounds"] == "1 or 3"
    with pytest.raises(ValueError, match="earlier results are of"):
        later.joined(replace(earlier, rows=earlier.rows + 1))


def test_figures_of_a_busy_machine_say_so():
    quiet = _results(pgloader=(7.0,))
    assert output.remarks(quiet) == []
    busy = replace(quiet, machine={"load when it began": "4.5"})
    assert "The machine was busy when it began (load 4.5)" in output.to_markdown(
        replace(busy, options={**busy.options, "conversations": 1, "messages": 1, "metrics": 1, "rounds": 1})
    )


def test_it_can_be_run_by_hand():
    shown = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert all(contestant.name in shown for contestant in CONTESTANTS)
