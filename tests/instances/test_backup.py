"""A backup leaves a manifest behind: what a restore to its restore point must bring back."""

from __future__ import annotations

import docker
import pytest

from howdah import backup, instance
from howdah.drill import point
from howdah.errors import HowdahError
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


def test_a_commands_end_is_waited_for_when_the_engine_does_not_know_it_yet(place):
    client = docker.from_env()
    begun = client.api.exec_create(place.instance.server.container, ["sh", "-c", "sleep 1; exit 3"])["Id"]
    client.api.exec_start(begun, detach=True)
    assert client.api.exec_inspect(begun)["ExitCode"] is None
    assert instance.exit_code(client.api, begun) == 3
    client.close()


def test_an_end_that_the_engine_never_says_is_told_of(place, monkeypatch):
    monkeypatch.setattr(instance, "_PATIENCE", 0.2)
    client = docker.from_env()
    never_started = client.api.exec_create(place.instance.server.container, ["true"])["Id"]
    with pytest.raises(HowdahError, match="does not say how a command ended"):
        instance.exit_code(client.api, never_started)
    client.close()


def test_a_manifest_holds_no_password(place, taken):
    text = (store.folder(place.instance) / f"backup-{taken.label}.json").read_text()
    (verifier,) = place.query("SELECT rolpassword FROM pg_authid WHERE rolname = 'shop_user'")[0]
    assert "SCRAM" not in text
    assert verifier.partition("$")[2][:20] not in text


def test_the_segment_of_a_server_where_nothing_happens_is_archived_too(place, taken):
    # Twice: after the first one the server writes a segment with nothing in it, which it would not end.
    for _ in range(2):
        point.archive(place.instance, point.segment(place.instance), taken, patience=20)
