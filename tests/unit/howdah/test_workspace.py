"""The folder of a run is private, and does not outlive the run, however that ended."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager

import pytest

from howdah.errors import ConfigurationError
from howdah.workspace import workspace

RUN = "import sys, time, pathlib; from howdah.workspace import workspace\n"
RUN += "with workspace(pathlib.Path(sys.argv[1])) as folder: print(folder, flush=True); time.sleep(60)"


@contextmanager
def other_run(parent):
    run = subprocess.Popen([sys.executable, "-c", RUN, parent], stdout=subprocess.PIPE, text=True)
    try:
        yield run, parent / run.stdout.readline().strip()
    finally:
        run.kill()
        run.wait()


def test_the_folder_is_private_and_removed_even_after_a_failure(tmp_path):
    def run():
        with workspace(tmp_path / "work") as folder:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            (folder / "copy").write_text("rows")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run()
    assert list((tmp_path / "work").iterdir()) == []


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path):
    with other_run(tmp_path) as (run, folder):
        (folder / "copy").write_text("rows")
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        assert folder.exists()
        with workspace(tmp_path) as mine:
            assert list(tmp_path.iterdir()) == [mine]


def test_a_run_that_works_keeps_its_folder(tmp_path):
    with other_run(tmp_path) as (_, folder):
        with workspace(tmp_path):
            assert folder.exists()
        assert folder.exists()


def test_folders_of_others_are_left_alone(tmp_path):
    (tmp_path / "howdah-run-of-mine").mkdir()
    (tmp_path / "howdah-notes").mkdir()
    (tmp_path / "howdah-notes" / ".lock").touch()
    with workspace(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["howdah-notes", "howdah-run-of-mine"]


def test_a_folder_that_cannot_be_made_is_a_configuration_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="No snapshot folder"), workspace(tmp_path / "file" / "work"):
        pass
