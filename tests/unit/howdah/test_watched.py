"""A run that is watched through a folder tells there what it does, and ends when nobody looks any more."""

from __future__ import annotations

import os
import threading
import time

import pytest

from howdah.progress import Event
from howdah.stopping import Stopped, stoppable
from howdah.watched import watched


def test_lines_are_there_at_once_with_the_process_that_tells_them(tmp_path):
    with stoppable(), watched(tmp_path, interval=0) as progress:
        progress(Event("load", total=20))
        progress(Event("load", "shop", "orders", 10, 20))
        assert (tmp_path / "lines").read_text() == "load: 0 of 20 rows\nload: orders, 10 of 20 rows\n"
        assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"


def test_a_run_that_nobody_looks_at_is_stopped_and_its_folder_removed(tmp_path):
    folder = tmp_path / "watched"
    folder.mkdir()

    def run():
        with stoppable(), watched(folder, interval=0, patience=0.3):
            time.sleep(20)

    began = time.monotonic()
    with pytest.raises(Stopped):
        run()
    assert time.monotonic() - began < 10
    assert not folder.exists()


def test_a_run_that_somebody_looks_at_goes_on(tmp_path):
    over = threading.Event()

    def look():
        while not over.wait(0.05):
            (tmp_path / "seen").touch()

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        with stoppable(), watched(tmp_path, interval=0, patience=1):
            time.sleep(2)
    finally:
        over.set()
        watcher.join()
    assert (tmp_path / "lines").exists()


def test_an_end_in_time_stops_the_guard(tmp_path):
    with stoppable(), watched(tmp_path, interval=0, patience=0.2):
        pass
    time.sleep(0.5)
    assert "howdah-watched" not in {thread.name for thread in threading.enumerate()}
    assert (tmp_path / "lines").exists()
