"""The runbook of restores: every command of the page is run as it stands there, on what it is for."""

from __future__ import annotations

import multiprocessing
import shutil
from datetime import datetime
from typing import Any

import docker
import pytest

from howdah import backup
from howdah.drill import history as drills
from howdah.drill import point
from howdah.drill.run import run as drill
from howdah.errors import RestoreFailed
from howdah.restore import history, only, side, target
from howdah.restore.target import Target
from tests import pages
from tests.instances import provision
from tests.instances.provision import Place
from tests.instances.restores import in_volume, left_behind

PAGE = "docs/runbooks/restore.md"


@pytest.fixture(scope="module", autouse=True)
def taken(place: Place) -> backup.Backup:
    place.query("ALTER TABLE orders OWNER TO shop_user")
    place.query("ALTER TABLE orders ADD COLUMN customer int REFERENCES customers DEFAULT 1")
    return backup.take(place.instance)


def typed(place: Place, heading: str, **names: str) -> list[str]:
    """Run the commands below a heading; return what they said."""
    said = []
    for command in pages.commands(PAGE, heading, ENV=place.instance.environment, **names):
        done = pages.run(command)
        assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"
        said.append(done.stdout)
    return said


def moment(place: Place) -> str:
    return place.value("SELECT clock_timestamp()").isoformat()


def test_a_table_that_somebody_dropped_comes_back_as_it_was(place):
    """It has row level security that is forced, also on its owner: it does not come back empty."""
    policies = place.query("SELECT * FROM pg_policies")
    before = moment(place)
    place.query("DROP TABLE orders")
    place.query("INSERT INTO customers (name) VALUES ('goes on')")
    restored, counted, *_ = typed(
        place, "Someone dropped a table at 14:03", DATABASE="shop_db", LOST_TABLE="orders", MOMENT=before
    )
    assert "3,000 rows of 1 table" in restored
    assert "Foreign key orders_customer_fkey of rescued.orders leads to public.customers" in restored
    assert place.query("SELECT conname FROM pg_constraint WHERE conrelid = 'orders'::regclass AND contype = 'f'") == []
    assert "3000" in counted
    assert place.value("SELECT sum(id) FROM orders") == 3000 * 3001 / 2
    assert place.query("SELECT * FROM pg_policies") == policies
    (state,) = place.query(
        "SELECT relforcerowsecurity, relowner::regrole::text FROM pg_class WHERE oid = 'orders'::regclass"
    )
    assert state == (True, "shop_user")
    assert place.value("SELECT has_table_privilege('shop_user', 'orders', 'INSERT')")
    assert place.value("SELECT count(*) FROM customers WHERE name = 'goes on'") == 1
    assert history.read(place.instance) == []
    assert left_behind(place) == []


def test_a_whole_database_comes_beside_the_live_one_and_nobody_else_sees_it(place):
    part = only.run(place.instance, side.parse("shop_db"), "copy of shop", Target(kind="latest"))
    assert part.schemas == {"public": "copy of shop"}
    assert part.tables == {
        "copy of shop.orders": 3000,
        "copy of shop.customers": 501,
        "copy of shop.cache": 0,
    }
    assert place.value('SELECT last_value FROM "copy of shop".customers_id_seq') >= 501
    assert not place.value("SELECT has_schema_privilege('shop_user', 'copy of shop', 'USAGE')")
    again = provision.howdah("restore", "--instance", str(place.file), "--only", "shop_db", "--into", "copy of shop")
    assert (again.returncode, "schema copy of shop already" in again.stderr) == (2, True)
    missing = provision.howdah("restore", "--instance", str(place.file), "--only", "no_db", "--into", "other")
    assert (missing.returncode, "no_db" in missing.stderr) == (7, True)
    place.query('DROP SCHEMA "copy of shop" CASCADE')
    assert left_behind(place) == []


def test_what_the_live_database_does_not_take_leaves_nothing_behind(place):
    place.query("CREATE TYPE mood AS ENUM ('good')")
    place.query("CREATE TABLE moods AS SELECT 'good'::mood AS mood")
    before = datetime.fromisoformat(moment(place))
    place.query("DROP TABLE moods; DROP TYPE mood")
    goal = target.parse(None, before, None, None)
    with pytest.raises(RestoreFailed, match=r'shop_db does not take it: .*type "public\.mood" does not exist'):
        only.run(place.instance, side.parse("shop_db.public.moods"), "rescued", goal)
    assert place.value("SELECT to_regnamespace('rescued')") is None
    assert left_behind(place) == []


def test_a_part_that_was_killed_is_removed_by_the_next_drill(place):
    """Nobody need ever restore again; drills are run every night."""
    fork = multiprocessing.get_context("fork")
    running = fork.Process(
        target=only.run, args=(place.instance, side.parse("shop_db"), "rescued", Target(kind="latest"))
    )
    running.start()
    while len(left_behind(place)) < 3:
        assert running.is_alive()
    running.kill()
    running.join()
    assert drill(place.instance).verdict == "proven"
    assert left_behind(place) == []


def test_everything_as_it_was_at_a_moment(place):
    before = moment(place)
    place.query("UPDATE customers SET name = 'nobody'")
    typed(place, "Everything is wrong since 14:03", MOMENT=before)
    assert place.value("SELECT count(*) FROM customers WHERE name = 'nobody'") == 0
    done = history.read(place.instance)[-1]
    assert (done.verdict, done.timeline_before, done.timeline_after) == ("restored", 1, 2)
    assert drills.read(place.instance)[-1].verdict == "proven"
    assert left_behind(place) == []


def test_the_disk_is_gone(place, taken):
    place.query("INSERT INTO customers (name) VALUES ('the last one')")
    point.archive(place.instance, point.segment(place.instance), taken)
    client: Any = docker.from_env()
    client.containers.get(place.instance.server.container).kill()
    client.close()
    in_volume(place, "rm -rf 15")
    typed(place, "The disk is gone")
    assert place.value("SELECT count(*) FROM customers WHERE name = 'the last one'") == 1
    done = history.read(place.instance)[-1]
    assert (done.safety_backup, done.kept, done.why_kept) == ("", "", "There was no data directory.")
    assert drills.read(place.instance)[-1].verdict == "proven"
    assert left_behind(place) == []


def test_the_host_is_gone(place, tmp_path, taken):
    """The playbook site.yml makes an empty server with the same names; here the fixture does, and molecule tests it."""
    place.query("INSERT INTO customers (name) VALUES ('from the old host')")
    point.archive(place.instance, point.segment(place.instance), taken)
    instance, saved, inventory = place.instance, tmp_path / "saved", tmp_path / "inventory"
    client: Any = docker.from_env()
    client.containers.get(instance.server.container).remove(force=True, v=True)
    shutil.move(instance.repository.path, saved)
    (inventory / "group_vars" / "howdah").mkdir(parents=True)
    shutil.copy(pages.ROOT / "inventories" / "local" / "hosts.yml", inventory)
    (inventory / "group_vars" / "howdah" / "main.yml").write_text(
        f"howdah_environment: {instance.environment}\nhowdah_runtime_mode: checkout\n"
        f"howdah_state_dir: {instance.state_dir}\n"
    )
    for command in pages.commands(PAGE, "The host is gone", ENV=instance.environment, SAVED=str(saved)):
        if "playbooks/site.yml" in command:
            if not client.containers.list(filters={"name": instance.server.container}):
                provision.start(client, instance, place.file.parent)
            continue
        here = command.replace(f"/var/lib/howdah/{instance.environment}", str(instance.repository.path.parent))
        done = pages.run(here.replace(f"inventories/{instance.environment}", str(inventory)))
        assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"
    assert place.value("SELECT count(*) FROM customers WHERE name = 'from the old host'") == 1
    done = history.read(instance)[-1]
    assert done.why_kept == "It was another cluster than the one that the backups are of."
    assert left_behind(place) == [done.kept.rpartition("/")[2]]
    assert drills.read(instance)[-1].verdict == "proven"
    client.close()
