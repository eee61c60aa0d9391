"""Killed, locked out, refused: what was committed is whole, and running again finishes."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import psycopg
import pytest

from howdah import ledger, pg, resume, stages
from howdah.errors import LockHeld
from howdah.pipeline import Request, migrate, verify
from howdah.progress import Event
from howdah.vector import batches

KILLS = 15  # of each way to load a table
PAUSE = 0.02  # seconds between what is told of, at most
TABLES = 4
ROWS = 4_000


@pytest.fixture
def source(make_source):
    script = "".join(
        f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY AUTOINCREMENT, p INT REFERENCES t{max(n - 1, 0)}(id), v TEXT);"
        for n in range(TABLES)
    )
    return make_source(script, **{f"t{n}": [(i, i, f"row {i}") for i in range(1, ROWS + 1)] for n in range(TABLES)})


def start(database, *sources):
    environment = {**os.environ, "HOWDAH_DSN": database.dsn}
    command = [sys.executable, "-c", "from howdah.cli import main; main()", "migrate", *map(str, sources)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def half_loaded(database):
    """Tables whose rows and ledger do not agree."""
    if database.value("SELECT to_regclass('howdah.load')") is None:
        return []
    recorded = dict(database.query("SELECT target_table, loaded_rows FROM howdah.load"))
    wrong = []
    for n in range(TABLES):
        if database.value(f"SELECT to_regclass('public.t{n}')") is None:
            continue
        rows = database.value(f"SELECT count(*) FROM t{n}")
        if rows != recorded.get(f"t{n}", 0):
            wrong.append((f"t{n}", rows, recorded.get(f"t{n}")))
    return wrong


STAGED = {(resume, "LARGE_BYTES"): 0, (resume, "GROUP_BYTES"): 1, (batches, "UNIT_ROWS"): 1024}
"""Takes every table for a large one."""


def move(dsn, path, staged, told, end=None, after=0.0):
    """Migrate, and count in ``told`` what it tells of its progress.

    :param end: how often it tells before it is killed.
    :param after: seconds from then on.
    """
    for (module, name), value in STAGED.items() if staged else ():
        setattr(module, name, value)

    def tell(_: Event) -> None:
        told.value += 1
        if told.value == end:
            threading.Timer(after, os.kill, (os.getpid(), signal.SIGKILL)).start()

    migrate(Request((path,), dsn), tell)


@pytest.fixture(scope="module")
def processes():
    """Processes that have all modules loaded when they start: most of a short run would be imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__, "howdah.load", "howdah.verify"])
    return context


@pytest.mark.parametrize("staged", [False, True])
def test_killed_at_any_moment_the_next_run_finishes(database, source, processes, staged, monkeypatch):
    for (module, name), value in STAGED.items() if staged else ():
        monkeypatch.setattr(module, name, value)

    told = processes.Value("i")

    def run(*end):
        database.query("DROP SCHEMA IF EXISTS howdah CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        told.value = 0
        started = processes.Process(target=move, args=(database.dsn, source, staged, told, *end))
        started.start()
        started.join()
        return started.exitcode

    assert run() == 0
    steps = told.value
    moments = random.Random(KILLS)
    seen = set()
    for attempt in range(KILLS):
        # One in every part of the run, so that all of them are hit, however busy the machine is.
        step, rest = divmod((attempt + moments.random()) / KILLS * steps, 1)
        assert run(int(step) + 1, rest * PAUSE) in (-signal.SIGKILL, 0)
        assert half_loaded(database) == []
        there = database.value("SELECT to_regclass('howdah.load') IS NOT NULL")
        seen.add(database.value("SELECT count(*) FROM howdah.load") if there else None)
        report = migrate(Request((source,), database.dsn))
        assert report.verdict == "verified"
        assert [t.loaded_rows for t in report.tables] == [ROWS] * TABLES
        assert database.value("INSERT INTO t0 (v) VALUES ('next') RETURNING id") == ROWS + 1
        assert not database.query("SELECT 1 FROM pg_class WHERE relname LIKE 'stage\\_%' AND relkind = 'r'")
    # The kills hit different stages, some of them between tables.
    assert len(seen) >= 3


def test_what_was_committed_before_a_kill_is_not_loaded_again(database, source):
    class StopError(Exception):
        pass

    def stop(event: Event) -> None:
        if event.table == "t2":
            raise StopError

    with pytest.raises(StopError):
        migrate(Request((source,), database.dsn), stop)
    before = dict(database.query("SELECT target_table, run_id FROM howdah.load"))
    assert set(before) == {"t0", "t1"}
    report = migrate(Request((source,), database.dsn))
    assert report.verdict == "verified"
    assert [t.table for t in report.tables if t.changed] == ["t2", "t3"]
    assert verify(Request((source,), database.dsn)).exit_code == 0


def test_a_second_run_is_refused_while_the_first_works(database, source):
    with psycopg.connect(database.dsn, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [ledger.lock_key("schema public")])
        run = start(database, source)
        _, errors = run.communicate()
        assert run.returncode == 5
        assert "Another howdah run" in errors
        with pytest.raises(LockHeld):
            verify(Request((source,), database.dsn))
    assert database.value("SELECT to_regnamespace('howdah')") is None


def test_another_application_may_work_at_the_same_time(database, source):
    with psycopg.connect(database.dsn, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [ledger.lock_key("schema other")])
        assert migrate(Request((source,), database.dsn)).verdict == "verified"


@pytest.mark.parametrize("large", [False, True])
def test_two_runs_may_make_the_ledger_at_the_same_moment(database, large):
    plan = SimpleNamespace(identity=("shop", "t"), digest="")

    def make(connection, name):
        if large:
            stages.make(connection, name, plan, "", "id bigint")
        else:
            ledger.create(connection)

    with pg.connect(database.dsn) as one, pg.connect(database.dsn) as other, ThreadPoolExecutor(1) as pool:
        if large:
            ledger.create(one)
        # Both have seen that there is nothing yet.
        ledger.read(other, "second")
        stages.find(other, "second", plan, "")
        with one.transaction():
            make(one, "first")
            second = pool.submit(make, other, "second")
            while not database.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
                assert not second.done()
        assert second.result() is None


def test_a_dropped_connection_leaves_nothing_half_done(database, source):
    def cut(event: Event) -> None:
        if event.table == "t1":
            database.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'howdah' AND"
                " datname = current_database()"
            )

    with pytest.raises(Exception, match="PostgreSQL refused"):
        migrate(Request((source,), database.dsn), cut)
    assert half_loaded(database) == []
    assert migrate(Request((source,), database.dsn)).verdict == "verified"


def test_a_reader_never_sees_half_a_table(database, source):
    seen = set()

    def look(event: Event) -> None:
        if event.stage == "load" and event.done == event.total and event.table:
            seen.add(database.value(f"SELECT count(*) FROM {event.table}"))

    migrate(Request((source,), database.dsn), look)
    assert seen == {0}


def test_a_terminated_run_removes_its_snapshot_and_lets_go_of_the_lock(database, source, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "snapshots"))
    (tmp_path / "snapshots").mkdir()
    migrate(Request((source,), database.dsn))
    with psycopg.connect(database.dsn) as other:
        # As long as this is held, the run cannot end by itself.
        other.execute("LOCK TABLE t0 IN ACCESS EXCLUSIVE MODE")
        run = start(database, source)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not list((tmp_path / "snapshots").rglob("*.sqlite")):
            time.sleep(0.05)
        run.terminate()
        assert run.wait(timeout=30) == 1
        said = run.stderr.read().splitlines()
    assert said[-2:] == [
        "howdah: Stopped by SIGTERM before the end; what was finished stays.",
        "  next: Run the same command again.",
    ]
    assert list((tmp_path / "snapshots").iterdir()) == []
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
