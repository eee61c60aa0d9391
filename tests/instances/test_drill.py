"""A drill proves a good backup, names what is wrong with a bad one, and leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import docker
import psycopg
import pytest

from howdah import backup
from howdah.drill import history
from howdah.drill.model import Drill
from howdah.drill.run import Copy, run
from howdah.errors import LockHeld
from howdah.locks import one_at_a_time
from howdah.manifest import gather
from tests.instances.provision import PASSPHRASE, Place, howdah, write_backup_configuration


@pytest.fixture(scope="module", autouse=True)
def taken(place: Place) -> backup.Backup:
    return backup.take(place.instance)


def left_behind(place: Place) -> list[str]:
    client: Any = docker.from_env()
    wanted = {"label": [f"io.howdah.environment={place.instance.environment}", "io.howdah.drill"]}
    names = [found.name for found in client.containers.list(all=True, filters=wanted)]
    names += [found.name for found in client.volumes.list(filters=wanted)]
    client.close()
    return names + [str(path) for path in (place.instance.state_dir / "drills" / "work").glob("*")]


def changing(*statements: str, database: str = "shop_db") -> Callable[[Copy], None]:
    def meddle(copy: Copy) -> None:
        with psycopg.connect(copy(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    return meddle


def said(drill: Drill) -> list[str]:
    return [finding.message for finding in drill.findings]


def standing(place: Place) -> tuple[Any, ...]:
    return (
        place.value("SELECT timeline_id FROM pg_control_checkpoint()"),
        place.query("SELECT slot_name FROM pg_replication_slots"),
        sorted(path.name for path in place.instance.repository.path.glob("archive/main/*.history")),
    )


def test_a_good_backup_is_proven_while_services_write(place, taken):
    before = standing(place)
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(place.instance.dsn("shop_db"), autocommit=True) as connection:
            while not stop.wait(0.02):
                connection.execute("INSERT INTO customers (name) VALUES ('late')")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = howdah("drill", "--instance", str(place.file), "--json")
    finally:
        stop.set()
        writer.join()
    assert done.returncode == 0, done.stdout + done.stderr
    drill = json.loads(done.stdout)
    assert drill["verdict"] == "proven", drill
    assert drill["findings"] == []
    assert (drill["backup"], drill["backup_kind"], drill["bytes"]) == (taken.label, "full", taken.size)
    assert drill["backup_age_seconds"] >= 0
    assert drill["point"].startswith(drill["identity"])
    assert drill["target_lsn"]
    assert drill["reached_lsn"]
    assert 0 <= drill["rpo_seconds"] < 5
    assert drill["rto_seconds"] == pytest.approx(drill["phases"]["restore"] + drill["phases"]["replay"], abs=0.01)
    assert list(drill["phases"]) == ["prepare", "restore", "replay", "verify"]
    took = datetime.fromisoformat(drill["finished_at"]) - datetime.fromisoformat(drill["started_at"])
    assert all(seconds > 0 for seconds in drill["phases"].values())
    assert sum(drill["phases"].values()) <= took.total_seconds(), "what goes on side by side counts once"
    assert drill["segments"] >= 1
    assert (drill["databases"], drill["logins"]) == (2, 1)
    assert drill["rows"] >= 3500
    assert drill["facts"] > 100
    assert f"brings back {drill['rows']:,} rows in 3 tables" in drill["sentence"]
    last = history.read(place.instance)[-1]
    assert last.model_dump(mode="json") == drill
    assert history.path(place.instance).stat().st_mode & 0o777 == 0o600
    assert standing(place) == before
    assert left_behind(place) == []


def test_what_is_otherwise_in_the_copy_is_named(place):
    drill = run(
        place.instance,
        before_comparison=changing(
            "DELETE FROM customers WHERE id = 7",
            "UPDATE orders SET weight = '-0' WHERE id = 2",
            "REVOKE INSERT ON orders FROM shop_user",
            "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY",
            "SELECT setval('customers_id_seq', 3)",
        ),
    )
    assert (drill.verdict, drill.failure, drill.exit_code) == ("failed", "different", 4)
    count = place.value("SELECT count(*) FROM customers")
    assert {
        f"Table public.customers of shop_db has {count - 1:,} rows instead of {count:,}.",
        "Table public.orders of shop_db has 3,000 rows as it should, but other values in them.",
        "Grant INSERT on table public.orders to shop_user of shop_db is missing.",
        "Row security public.orders of shop_db is enabled instead of forced.",
    } < set(said(drill))
    assert any(message.startswith("Sequence public.customers_id_seq of shop_db stands at 3") for message in said(drill))
    assert drill.next_step
    assert left_behind(place) == []


def test_the_replay_goes_to_the_point_of_the_manifest_that_could_be_taken(place, monkeypatch):
    """The backup is being copied back by then, and pgBackRest was told of the first point."""
    contents, moved = gather.contents, []

    def once(*arguments: Any, **options: Any) -> Any:
        if not moved:
            moved.append(True)
            place.query("INSERT INTO customers (name) VALUES ('later')")
            raise gather.Moved("Table public.customers of shop_db was truncated, rebuilt or dropped.")
        return contents(*arguments, **options)

    monkeypatch.setattr(gather, "contents", once)
    drill = run(place.instance)
    assert drill.verdict == "proven", said(drill)
    assert drill.point.startswith(f"{drill.identity}-2")


def test_an_application_that_cannot_log_in_is_named(place):
    secret = place.file.parent / "secrets" / "shop_user"
    right = secret.read_text()
    secret.write_text("another password\n")
    try:
        drill = run(place.instance)
    finally:
        secret.write_text(right)
    assert (drill.verdict, drill.failure, drill.exit_code) == ("failed", "login", 12)
    assert "shop_user on shop_db cannot work with the copy" in said(drill)[0]
    assert "another password" not in history.path(place.instance).read_text()


def test_a_damaged_copy_is_found_by_amcheck_and_by_checksums(place):
    def damage(copy: Copy) -> None:
        with psycopg.connect(copy("shop_db"), autocommit=True) as connection:
            row = connection.execute("SELECT pg_relation_filepath('customers_by_name')").fetchone()
            connection.execute("CHECKPOINT")
        client: Any = docker.from_env()
        (container,) = client.containers.list(
            filters={"label": [f"io.howdah.environment={place.instance.environment}", "io.howdah.drill"]}
        )
        file = f"/var/lib/postgresql/15/main/{row[0]}"
        code, out = container.exec_run(
            ["dd", "if=/dev/urandom", f"of={file}", "bs=1", "seek=9000", "count=500", "conv=notrunc"]
        )
        assert code == 0, out
        client.close()

    drill = run(place.instance, before_comparison=damage)
    assert (drill.verdict, drill.failure, drill.exit_code) == ("failed", "damaged", 11)
    assert {"amcheck", "checksums"} == {finding.check for finding in drill.findings}
    assert any("customers_by_name" in message for message in said(drill))


def test_a_second_drill_is_refused_and_leaves_the_first_alone(place):
    lines = len(history.read(place.instance))
    with one_at_a_time(place.instance, "drill"):
        with pytest.raises(LockHeld, match="Another drill"):
            run(place.instance)
        assert howdah("drill", "--instance", str(place.file)).returncode == 5
    assert len(history.read(place.instance)) == lines


def test_a_wrong_key_is_named_before_anything_is_touched(place):
    beats = place.value("SELECT count(*) FROM howdah.heartbeat", "postgres")
    config = place.file.parent
    (config / "backup" / "pgbackrest.conf").unlink()
    write_backup_configuration(config, "another passphrase")
    try:
        drill = run(place.instance)
    finally:
        (config / "backup" / "pgbackrest.conf").unlink()
        write_backup_configuration(config, PASSPHRASE)
    assert (drill.verdict, drill.failure, drill.exit_code) == ("failed", "repository", 8)
    assert "cannot be read" in drill.sentence
    assert place.value("SELECT count(*) FROM howdah.heartbeat", "postgres") == beats
    assert "restore" not in drill.phases
    assert left_behind(place) == []


KILLED = """
import sys, threading
from howdah import instance
from howdah.drill import sandbox
from howdah.drill.run import run
def wait(*copy):
    print("here", flush=True)
    threading.Event().wait()
if sys.argv[2] == "early":
    sandbox.engine = wait
run(instance.load(sys.argv[1]), before_comparison=wait)
"""


def test_a_killed_drill_is_told_of_and_removed_by_the_next_one(place):
    for moment, left in (("early", 0), ("late", 3)):
        command = [sys.executable, "-c", KILLED, str(place.file), moment]
        killed = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert killed.stdout.readline() == "here\n"
            assert len(left_behind(place)) == left, "container, volume and folder"
        finally:
            killed.kill()
            killed.communicate()
    assert len(left_behind(place)) == 3
    drill = run(place.instance)
    assert drill.verdict == "proven", said(drill)
    before = history.read(place.instance)[-3:-1]
    assert [(one.verdict, one.failure) for one in before] == 2 * [("failed", "interrupted")]
    assert before[0].started_at < before[0].finished_at < before[1].finished_at
    assert left_behind(place) == []


def test_a_point_in_time_before_a_mistake(place):
    place.query("CREATE TABLE precious AS SELECT generate_series(1, 10) AS a")
    moment = place.value("SELECT clock_timestamp()")
    place.query("DELETE FROM precious")
    seen = []

    def look(copy: Copy) -> None:
        with psycopg.connect(copy("shop_db")) as connection:
            seen.append(connection.execute("SELECT count(*) FROM precious").fetchone())

    drill = run(place.instance, pitr=moment, before_comparison=look)
    assert drill.verdict == "restored", drill
    assert seen == [(10,)]
    assert drill.rpo_seconds is not None


def test_the_servers_own_timeline_is_followed_and_not_a_newer_one_that_a_restore_left(place):
    """A copy archives where its timeline began when it is promoted, whatever becomes of the restore."""
    began = "/tmp/00000002.history"
    # Before the backup, so that no replay from it leads there.
    place.inside("sh", "-c", f"printf '1\\t0/1800000\\tno recovery target specified\\n' > {began}")
    place.inside(*backup.pgbackrest(place.instance), "archive-push", began)
    try:
        drill = run(place.instance)
    finally:
        (left,) = place.instance.repository.path.rglob("00000002.history*")
        left.unlink()
    assert drill.verdict == "proven", said(drill)


def test_a_time_in_the_future_or_before_every_backup_is_refused(place):
    ahead = howdah("drill", "--instance", str(place.file), "--pitr", "2999-01-01T00:00:00Z")
    assert (ahead.returncode, "not in the past" in ahead.stderr) == (2, True)
    assert howdah("drill", "--instance", str(place.file), "--pitr", "2020-01-01 00:00").returncode == 2
    before = howdah("drill", "--instance", str(place.file), "--pitr", "2020-01-01T00:00:00Z")
    assert before.returncode == 2
    assert "no backup that ended before 2020-01-01" in before.stdout


def test_a_file_of_the_repository_that_is_damaged_fails_the_drill(place, taken):
    folder = place.instance.repository.path / "backup" / "main" / taken.label
    file = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    whole = file.read_bytes()
    middle = len(whole) // 2
    file.write_bytes(whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle : middle + 64]) + whole[middle + 64 :])
    try:
        drill = run(place.instance)
    finally:
        file.write_bytes(whole)
    assert (drill.verdict, drill.failure, drill.exit_code) == ("failed", "repository", 8), drill.sentence
    # By its checksum, or before that by what decompresses it: that hangs on where the bytes are.
    assert f"{taken.label} cannot be read" in drill.sentence
    assert "raised from" not in drill.sentence
    assert left_behind(place) == []


def test_a_segment_that_is_missing_is_named(place):
    """Last but one: the archive of this instance has a gap from here on, until the next backup."""
    segment = place.value("SELECT pg_walfile_name(pg_switch_wal())")
    place.query("CREATE TABLE after_the_gap (a int)")
    run_archived = run(place.instance)
    assert run_archived.verdict == "proven", said(run_archived)
    (file,) = place.instance.repository.path.rglob(f"{segment}-*")
    file.unlink()
    drill = run(place.instance)
    assert (drill.verdict, drill.failure, drill.exit_code) == ("failed", "archive", 9)
    assert segment in drill.sentence
    assert "restore" not in drill.phases


def test_a_page_that_is_damaged_at_the_source_fails_backup_and_drill(place):
    """Last: the data directory is damaged from here on. The server has the page in memory and notices nothing."""
    place.query("VACUUM (ANALYZE) customers")
    place.query("CHECKPOINT")
    place.query("SELECT count(*) FROM customers")
    file = place.value("SELECT pg_relation_filepath('customers')")
    place.inside(
        "dd",
        "if=/dev/urandom",
        f"of=/var/lib/postgresql/15/main/{file}",
        "bs=1",
        "seek=9000",
        "count=64",
        "conv=notrunc",
    )
    with pytest.raises(backup.BackupFailed, match="fail their checksum"):
        backup.take(place.instance, "full")
    refused = run(place.instance)
    assert (refused.failure, refused.exit_code) == ("repository", 8)
    label = backup.list_backups(place.instance)[-1].label
    drill = run(place.instance, label=label)
    assert (drill.verdict, drill.failure, drill.exit_code) == ("failed", "damaged", 11)
    assert any(finding.check == "checksums" for finding in drill.findings)
