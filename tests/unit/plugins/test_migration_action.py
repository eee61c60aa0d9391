"""The action plugin of howdah_migration: what it asks of the host's shell."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from tests.unit.plugins.conftest import PLUGINS, load

action = load(PLUGINS / "action" / "howdah_migration.py")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "a folder"
    made.mkdir()
    return made


def shell(command, folder, **more):
    done = subprocess.run(
        ["/bin/sh", "-c", command.format(folder=shlex.quote(str(folder)), **more)], capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def look(folder, shown=0):
    return shell(action.LOOK, folder, job="j1.2", start=shown + 1)


def test_a_look_leaves_a_trace_and_gives_what_is_new(folder):
    (folder / "lines").write_text("one\ntwo\n")
    (folder / "pid").write_text(f"{os.getpid()}\n")
    assert look(folder) == (0, "one\ntwo\n")
    assert look(folder, len("one\n")) == (0, "two\n")
    assert look(folder, len("one\ntwo\n")) == (0, "")
    first = (folder / "seen").stat().st_mtime_ns
    time.sleep(0.02)
    look(folder)
    assert (folder / "seen").stat().st_mtime_ns > first


def test_a_look_says_that_a_run_has_not_begun_or_is_over(folder):
    job = folder / "j1.2"
    job.write_text('{"started": true, "finished": false, "ansible_job_id": "j1.2"}')
    assert look(folder) == (action.UNFINISHED, "")
    (folder / "lines").write_text("the last\n")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (folder / "pid").write_text(f"{ended.pid}\n")
    assert look(folder) == (action.UNFINISHED, "the last\n")
    job.write_text('{"changed": true}')
    code, told = look(folder)
    assert (code in (0, action.UNFINISHED), told) == (False, "the last\n")


def test_stopping_ends_the_run_and_removes_the_folder(folder):
    running = subprocess.Popen(["sleep", "60"])
    (folder / "pid").write_text(f"{running.pid}\n")
    assert shell(action.STOP, folder) == (0, "")
    assert running.wait(timeout=5) == -signal.SIGTERM
    assert not folder.exists()
    assert shell(action.STOP, folder) == (0, "")


def test_an_interrupted_block_unwinds_before_the_worker_ends():
    script = f"""
import signal, sys, os
sys.path.insert(0, {str(PLUGINS / "action")!r})
import howdah_migration as action
signal.signal(signal.SIGTERM, lambda *_: (print("ended", flush=True), os._exit(7)))
with action.interruptible():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        print("unwound", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "unwound\nended\n")
