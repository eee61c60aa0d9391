"""A restore brings the instance back to where it was asked for, keeps what stood there, never half done."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import subprocess
import time
from datetime import UTC, datetime
from typing import Any

import docker
import pytest

from howdah import backup
from howdah.drill import point
from howdah.drill.sandbox import ENVIRONMENT, RESTORE
from howdah.errors import LockHeld
from howdah.locks import one_at_a_time
from howdah.manifest import store
from howdah.restore import history, state
from howdah.restore.run import run
from howdah.restore.target import Target
from howdah.restore.volume import SEGMENT_SIZE
from howdah.status import ask
from tests import pages
from tests.instances.provision import Place, howdah
from tests.instances.restores import in_volume, left_behind


@pytest.fixture(scope="module", autouse=True)
def taken(place: Place) -> backup.Backup:
    place.query("CREATE TABLE precious AS SELECT generate_series(1, 10) AS a")
    return backup.take(place.instance)


# Without the interpreter's start, which nobody needs to kill.
FORK = multiprocessing.get_context("fork")


def asked(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    confirm = ("--confirm", place.instance.environment)
    return howdah("restore", "--instance", str(place.file), *arguments, *confirm)


def rows(place: Place, table: str = "precious") -> int:
    return place.value(f"SELECT count(*) FROM {table}")


def timeline(place: Place) -> int:
    return int(place.value("SELECT pg_walfile_name(pg_current_wal_lsn())")[:8], 16)


def is_archived(place: Place, number: int) -> bool:
    archive = place.instance.repository.path / "archive" / "main"
    return bool([*archive.rglob(f"{number:08X}.history"), *archive.rglob(f"{number:08X}????????????????-*")][1:])


@pytest.mark.parametrize("work", ["restore", "drill", "backup"])
def test_a_restore_waits_for_nobody_and_disturbs_nobody(place, work):
    with (
        one_at_a_time(place.instance, work),
        pytest.raises(LockHeld, match=f"Another {work}"),
    ):
        run(place.instance, Target(kind="latest"), confirm=place.instance.environment)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Target(kind="time", value="2020-01-01 00:00:00+00:00"), "no good backup from which 2020-01-01"),
        (Target(kind="lsn", value="0/28"), "no good backup"),
        (Target(kind="lsn", value="FF/28"), "lies ahead"),
        (Target(kind="point", value="nowhere"), "No manifest knows"),
    ],
)
def test_a_target_that_cannot_be_reached_stops_no_server(place, target, said):
    started = place.value("SELECT pg_postmaster_start_time()")
    done = run(place.instance, target, confirm=place.instance.environment)
    assert (done.verdict, done.exit_code) == ("failed", 2)
    assert said in done.sentence
    assert place.value("SELECT pg_postmaster_start_time()") == started
    assert left_behind(place) == []


def test_before_a_dropped_table_by_its_lsn_in_place(place):
    lsn = place.value("SELECT pg_current_wal_insert_lsn()::text")
    place.query("DROP TABLE precious")
    done = asked(place, "--to-lsn", lsn, "--in-place", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert rows(place) == 10
    assert (told["verdict"], told["target"]) == ("restored", f"LSN {lsn}")
    assert (told["timeline_before"], told["timeline_after"], timeline(place)) == (1, 2, 2)
    assert is_archived(place, 2)
    labels = [found.label for found in backup.list_backups(place.instance)]
    assert labels[-2:] == [told["safety_backup"], told["fresh_backup"]]
    assert (store.folder(place.instance) / f"backup-{told['fresh_backup']}.json").exists()
    assert list(told["phases"]) == ["prepare", "safety", "stop", "restore", "replay", "switch", "start", "backup"]
    assert place.value(f"SELECT '{told['reached_lsn']}'::pg_lsn >= '{lsn}'::pg_lsn")
    assert (
        place.query(
            "SELECT name FROM pg_settings WHERE name ~ '^(recovery_target|restore_c)' AND setting <> ''"
            " AND source = 'configuration file'"
        )
        == []
    )
    assert history.read(place.instance)[-1].model_dump(mode="json") == told
    assert left_behind(place) == []


def test_where_a_timeline_began_is_read_from_the_archive(place, taken):
    found = point.look(place.instance, taken, "00000002", SEGMENT_SIZE)
    assert [number for _, number in found.way] == ["00000001", "00000002"]
    assert found.newest[:8] == "00000002"
    assert point.check_gap(found, taken, found.newest) > 1


def test_what_stood_there_comes_back_by_its_own_timeline(place):
    """The table is dropped again: that was the last thing on timeline 1."""
    done = asked(place, "--to", "latest", "--timeline", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.value("SELECT to_regclass('precious')") is None
    assert timeline(place) == 3
    assert "timeline     2 before, 3 now" in done.stdout
    assert "--to latest --timeline 2 --confirm" in " ".join(done.stdout.split())
    assert left_behind(place) == []


def test_to_the_restore_point_of_a_backup(place, taken):
    done = run(place.instance, Target(kind="point", value=f"backup-{taken.label}"), confirm=place.instance.environment)
    assert done.verdict == "restored", done.sentence
    assert (rows(place), done.backup) == (10, taken.label)
    manifest = store.read(store.folder(place.instance) / f"backup-{taken.label}.json")
    assert done.reached_lsn == manifest.lsn
    assert left_behind(place) == []


def test_a_point_that_is_never_met_leaves_the_server_as_it_was(place, taken):
    place.query("CREATE TABLE later AS SELECT 1 AS a")
    before = timeline(place)
    done = run(
        place.instance, Target(kind="point", value="nowhere"), confirm=place.instance.environment, label=taken.label
    )
    assert (done.verdict, done.failure, done.exit_code) == ("failed", "restore", 10), done.sentence
    assert done.sentence.endswith("The server runs again, with what it held before.")
    assert (rows(place, "later"), timeline(place)) == (1, before)
    assert state.read(place.instance) is None
    assert left_behind(place) == []


def test_a_time_after_the_last_commit_of_a_server_that_does_not_start(place):
    """Nobody can write a later commit any more: what archive and data directory have of WAL is what was there then."""
    place.query("INSERT INTO precious VALUES (11)")
    place.inside("rm", "/var/lib/postgresql/15/main/global/pg_filenode.map")
    client: Any = docker.from_env()
    container = client.containers.get(place.instance.server.container)
    container.kill()
    moment = datetime.now(UTC).isoformat()
    time.sleep(0.01)
    done = asked(place, "--to-time", moment, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert rows(place) == 11
    assert "No commit after" in told["findings"][0]
    assert (told["safety_backup"], told["why_kept"]) == ("", "The server did not answer.")
    # What stood there is set aside, and the result says how to remove it.
    assert left_behind(place) == [told["kept"].rpartition("/")[2]]
    assert place.inside("cat", f"{told['kept']}/PG_VERSION") == "15\n"
    remove = told["next_step"].partition(": ")[2]
    subprocess.run(remove.split(), check=True)
    assert left_behind(place) == []
    client.close()


def test_killed_at_ten_points_the_next_run_finishes(place):
    """Each run finishes what the one before began, as far as that came; the data is somewhere whole at every moment."""
    chance = random.Random(4)
    place.query("CREATE TABLE counted AS SELECT generate_series(1, 7) AS a")
    before = (timeline(place), rows(place))
    lasted = [sum(done.phases.values()) for done in history.read(place.instance) if done.verdict == "restored"]
    for turn in range(10):
        running = FORK.Process(target=to_latest, args=(place,))
        running.start()
        running.join((turn + chance.random()) / 10 * (lasted or [15])[-1])
        running.kill()
        running.join()
        assert running.exitcode in (0, -signal.SIGKILL)
        assert whole(place)
    done = asked(place, "--to", "latest", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (rows(place, "counted"), rows(place)) == (7, before[1])
    assert timeline(place) > before[0]
    assert is_archived(place, timeline(place))
    assert state.read(place.instance) is None
    assert left_behind(place) == []


def test_what_is_half_made_in_place_of_the_old_is_no_server_to_start(place):
    place.query("CREATE TABLE IF NOT EXISTS precious (a int)")
    before = rows(place)
    client: Any = docker.from_env()
    running = FORK.Process(target=to_latest, args=(place, True))
    running.start()
    wanted = {"label": [f"{ENVIRONMENT}={place.instance.environment}", RESTORE]}
    while not any(found.name.endswith("-restore") for found in client.containers.list(filters=wanted)):
        assert running.is_alive()
    running.kill()
    running.join()
    container = client.containers.get(place.instance.server.container)
    container.start()
    assert container.wait()["StatusCode"] == 78
    assert b"neither empty nor a PostgreSQL cluster; nothing was changed" in container.logs(tail=1)
    client.close()
    said = [problem for problem in ask.gather(place.instance).problems if problem.what.startswith("A restore to the")]
    assert "nothing came back yet" in said[0].what
    finished = pages.run(said[0].next_step)
    done = history.read(place.instance)[-1]
    assert (finished.returncode, done.verdict, done.resumed, rows(place)) == (0, "restored", True, before), done
    assert not [problem for problem in ask.gather(place.instance).problems if "restore" in problem.what]
    assert done.safety_backup in [found.label for found in backup.list_backups(place.instance)]
    assert left_behind(place) == []


def to_latest(place: Place, in_place: bool = False) -> None:
    done = run(place.instance, Target(kind="latest"), confirm=place.instance.environment, in_place=in_place)
    assert done.verdict == "restored", done.sentence


def whole(place: Place) -> bool:
    """Whether a data directory stands in its place, or beside it with a restore under way."""
    said = in_volume(place, "cat 15/main/PG_VERSION || ls -d 15/replaced-* 15/restoring")
    return said == "15\n" or "replaced-" in said
