"""A backup leaves a manifest behind: what a restore to its restore point must bring back."""

from __future__ import annotations

import pytest

from howdah import backup, instance
from howdah.drill import point
from howdah.execs import Output
from howdah.manifest import store


@pytest.fixture(scope="module")
def taken(place):
    return backup.take(place.instance)


def test_a_backup_leaves_a_manifest_of_everything_there_is(place, taken):
    path = store.folder(place.instance) / f"backup-{taken.label}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    manifest = store.read(path)
    assert (manifest.backup, manifest.point) == (taken.label, f"backup-{taken.label}")
    shop = manifest.databases["shop_db"]
    assert shop.tables["public.orders"].rows == 3000
    assert shop.sequences["public.customers_id_seq"].before == 500
    assert shop.unlogged == ("public.cache",)
    assert shop.facts["policy"].keys() == {"tenants on public.orders"}
    assert shop.facts["row security"] == {"public.orders": "forced"}
    assert "SELECT on table public.orders to shop_user" in shop.facts["grant"]
    assert manifest.facts["role"]["shop_user"].startswith("LOGIN INHERIT connections -1 verifier ")
    (probe,) = manifest.probes
    assert (probe.role, probe.database, probe.setting, probe.rows) == ("shop_user", "shop_db", "app.tenant_id", 1000)


def test_nothing_is_lost_of_what_a_command_says(place):
    """Quick ones first: what they say may come with the headers of the engine's answer."""
    container = place.instance.server.container
    quick = {instance.run_in(container, ["sh", "-c", "echo out; echo err >&2; exit 3"]) for _ in range(100)}
    assert quick == {Output(3, "out\n", "err\n")}
    long = instance.run_in(container, ["sh", "-c", "seq 1 400000; sleep 1; echo end"])
    assert long.out.split() == [*map(str, range(1, 400001)), "end"]


def test_a_manifest_holds_no_password(place, taken):
    text = (store.folder(place.instance) / f"backup-{taken.label}.json").read_text()
    (verifier,) = place.query("SELECT rolpassword FROM pg_authid WHERE rolname = 'shop_user'")[0]
    assert "SCRAM" not in text
    assert verifier.partition("$")[2][:20] not in text


def test_the_segment_of_a_server_where_nothing_happens_is_archived_too(place, taken):
    # Twice: after the first one the server writes a segment with nothing in it, which it would not end.
    for _ in range(2):
        point.archive(place.instance, point.segment(place.instance), taken, patience=20)
