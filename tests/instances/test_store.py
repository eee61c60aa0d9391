"""A second repository in a store that speaks S3, over TLS: backups, WAL, retention and drills."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from howdah import backup
from howdah.drill.run import Copy, run
from howdah.instance import run_in
from tests.instances.provision import PASSPHRASE, Place, howdah, provisioned
from tests.instances.store import SECRETS, Store, running


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with running(tmp_path_factory.mktemp("store")) as started:
        yield started


@pytest.fixture(scope="module")
def place(store: Store) -> Iterator[Place]:
    with provisioned(store=store) as made:
        # Beyond what pgBackRest sends in one piece, and nothing that compresses.
        made.query("CREATE EXTENSION pgcrypto")
        made.query("CREATE TABLE large AS SELECT gen_random_bytes(1000) AS a FROM generate_series(1, 12000)")
        yield made


@pytest.fixture(scope="module")
def taken(place: Place) -> tuple[backup.Backup, ...]:
    return backup.take_each(place.instance).backups


def asked(store: Store) -> str:
    return (Path(store.declared["ca_file"]).parent / "store.log").read_text()


def test_the_store_gets_a_backup_too_in_pieces_and_encrypted(place, store, taken):
    assert [found.repository for found in taken] == [1, 2]
    assert backup.list_backups(place.instance, 2) == [taken[1]]
    assert "POST /backups/howdah/tests/backup/" in asked(store), "no upload in pieces"
    said = json.loads(place.inside(*backup.pgbackrest(place.instance, 2), "info", "--output=json"))
    assert said[0]["repo"][0]["cipher"] == "aes-256-cbc"
    assert howdah("backup", "--instance", str(place.file), "--check").returncode == 0


def test_a_drill_of_the_store_proves_it_and_its_server_has_no_network(place, taken):
    networks = []

    def look(copy: Copy) -> None:
        client: Any = docker.from_env()
        wanted = {"label": [f"io.howdah.environment={place.instance.environment}", "io.howdah.drill"]}
        networks.extend(found.attrs["HostConfig"]["NetworkMode"] for found in client.containers.list(filters=wanted))
        client.close()

    drill = run(place.instance, repository=2, before_comparison=look)
    assert drill.verdict == "proven", drill
    assert (drill.backup, drill.repository) == (taken[1].label, "s3://backups/howdah/tests")
    assert drill.segments >= 1
    assert networks == ["none"]


def test_what_is_older_than_its_retention_goes_from_the_store(place, store, taken):
    for _ in range(2):
        place.inside(*backup.pgbackrest(place.instance, 2), "--type=full", "backup")
    assert len(backup.list_backups(place.instance, 2)) == 2
    assert taken[1] not in backup.list_backups(place.instance, 2)
    assert len(backup.list_backups(place.instance)) == 1
    assert "POST /backups/?delete=" in asked(store)


def test_a_store_that_cannot_prove_who_it_is_gets_nothing(place):
    other = "--repo2-storage-ca-file=/etc/ssl/certs/ca-certificates.crt"
    answer = run_in(
        place.instance.server.container,
        [*backup.pgbackrest(place.instance, 2), other, "--io-timeout=1", "repo-ls"],
    )
    assert answer.code != 0
    assert "unable to verify certificate" in answer.err


def test_its_keys_are_shown_nowhere(place, store):
    done = howdah("backup", "--instance", str(place.file))
    assert done.returncode == 0, done.stderr
    shown = [done.stdout, done.stderr, asked(store)]
    for what in ("inspect", "logs", "top"):
        said = subprocess.run(["docker", what, place.instance.server.container], capture_output=True, text=True)
        shown += [said.stdout, said.stderr]
    for secret in (*SECRETS.values(), PASSPHRASE):
        assert not [text for text in shown if secret in text]


def test_a_restore_from_the_store_brings_the_rows_back(place):
    """Last: it takes backups of its own."""
    lsn = place.value("SELECT pg_current_wal_insert_lsn()::text")
    place.query("DROP TABLE orders")
    confirm = ("--confirm", place.instance.environment)
    done = howdah("restore", "--instance", str(place.file), "--repo", "2", "--to-lsn", lsn, *confirm, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["verdict"]) == (0, "restored"), told
    assert place.value("SELECT count(*) FROM orders") == 3000
    listed = [[found.label for found in backup.list_backups(place.instance, number)] for number in (1, 2)]
    assert told["backup"] in listed[1]
    assert told["backup"] not in listed[0]
