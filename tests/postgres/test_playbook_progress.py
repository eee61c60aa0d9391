"""A real playbook on a real server: lines while the task runs, the module's own result, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg import conninfo

from howdah.pipeline import Request, migrate

ROOT = Path(__file__).parents[2]
SECONDS = 60


class Play:
    """Runs one task of howdah_migration with everything temporary in a folder of its own."""

    def __init__(self, folder, database):
        self.temporary = folder / "tmp"
        self.remote = folder / "remote"
        self.temporary.mkdir()
        parameters = conninfo.conninfo_to_dict(database.dsn)
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PG"))},
            "PGPASSWORD": parameters.pop("password", ""),
            "TMPDIR": str(self.temporary),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_REMOTE_TMP": str(self.remote),
            "ANSIBLE_NOCOLOR": "1",
        }
        self.book = folder / "play.yml"
        self.dsn = conninfo.make_conninfo(**parameters)

    def command(self, source, *options, **more):
        arguments = {"sources": [str(source)], "dsn": self.dsn, "interval": 0, **more}
        tasks = [{"name": "Move it", "howdah_migration": arguments}]
        play = {"name": "Test", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
        self.book.write_text(yaml.safe_dump([play]))
        program = Path(sys.executable).with_name("ansible-playbook")
        variables = ["-e", f"ansible_python_interpreter={sys.executable}"]
        return [program, "-i", "localhost,", *variables, self.book, *options]

    def run(self, source, *options, **more):
        return subprocess.run(
            self.command(source, *options, **more),
            cwd=ROOT,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
        )

    def left_behind(self):
        """Return what is there after Ansible's own background watcher had time to tidy up."""
        wait_for(lambda: not self._left())
        return self._left()

    def _left(self):
        ours = list(self.temporary.iterdir())
        return ours + (list(self.remote.iterdir()) if self.remote.exists() else [])


def wait_for(is_so):
    until = time.monotonic() + SECONDS / 2
    while time.monotonic() < until and not is_so():
        time.sleep(0.2)


def connections(database):
    return database.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'howdah'"
    )


def recap(output):
    return {name: int(value) for name, value in re.findall(r"(changed|failed)=(\d+)", output)}


@pytest.fixture
def play(tmp_path, database):
    return Play(tmp_path, database)


@pytest.fixture
def source(make_source):
    return make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)", t=[(n, n) for n in range(12_000)])


def test_lines_are_shown_and_the_result_is_the_modules(play, source, database):
    done = play.run(source)
    assert done.returncode == 0, done.stdout
    told = re.findall(r"^  \[localhost\] Move it: (\w+)", done.stdout, re.MULTILINE)
    assert list(dict.fromkeys(told)) == ["snapshot", "profile", "compare", "create", "load", "indexes", "verify"]
    assert "load: t, 10,000 of 12,000 rows" in done.stdout or "load: t, 12,000 of 12,000 rows" in done.stdout
    assert recap(done.stdout) == {"changed": 1, "failed": 0}
    assert database.value("SELECT count(*) FROM t") == 12_000
    assert play.left_behind() == []
    again = play.run(source, interval=10)
    assert (recap(again.stdout), "Move it:" in again.stdout) == ({"changed": 0, "failed": 0}, False)


def test_check_mode_and_diff_look_ahead_and_change_nothing(play, source, database):
    done = play.run(source, "--check", "--diff")
    assert done.returncode == 0, done.stdout
    assert recap(done.stdout) == {"changed": 1, "failed": 0}
    assert database.value("SELECT to_regclass('t')") is None
    assert play.left_behind() == []


def test_a_failure_is_the_engines_sentence_and_leaves_nothing(play, tmp_path):
    (tmp_path / "no.db").write_text("not a database")
    done = play.run(tmp_path / "no.db")
    assert (done.returncode, recap(done.stdout)) == (2, {"changed": 0, "failed": 1})
    words = " ".join(done.stdout.split())
    assert "is no SQLite database" in words
    assert "exit_code: 6" in words
    assert "ansible_job_id" not in words
    assert play.left_behind() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_play_that_is_ended_leaves_nothing_behind_and_can_run_again(play, source, database, change, number):
    migrate(Request((source,), database.dsn))
    change(source, "UPDATE t SET n = n + 1")
    with psycopg.connect(database.dsn) as holder:
        # As long as this is held, the migration cannot end.
        holder.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        started = subprocess.Popen(
            play.command(source), cwd=ROOT, env=play.environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        wait_for(lambda: connections(database) > 0)
        assert connections(database) > 0
        started.send_signal(number)
        started.wait(timeout=SECONDS)
        wait_for(lambda: connections(database) == 0)
        assert connections(database) == 0
    assert play.left_behind() == []
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert database.value("SELECT sum(n) FROM t") == sum(range(12_000)) + 12_000


def test_a_damaged_source_is_refused_unless_it_is_to_be_salvaged(play, damaged, database):
    refused = play.run(damaged)
    assert (refused.returncode, recap(refused.stdout)) == (2, {"changed": 0, "failed": 1})
    done = play.run(damaged, salvage=True)
    assert (done.returncode, recap(done.stdout)) == (0, {"changed": 1, "failed": 0}), done.stdout
    assert 900 < database.value("SELECT count(*) FROM notes") < 1000
    strict = play.run(damaged, salvage=True, allow_quarantine=False)
    assert recap(strict.stdout)["failed"] == 1
