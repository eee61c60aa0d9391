"""The filters hand the engine's answers to Jinja, and its refusals as Ansible's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError

from howdah.capacity import default_max_connections
from howdah.fingerprint import fingerprint
from howdah.tuning import Size, shm_size_mb, tune

DADM = {"name": "dadm", "sources": "/srv/dadm"}
SIZE = {"memory_mb": "1024", "cpus": "2", "connections": "100"}


def test_a_path_is_inside_the_checkout(filters):
    path = Path(filters["howdah_path"]("applications/dadm/application.yml"))
    assert "name: dadm" in path.read_text(encoding="utf-8")


def test_the_fingerprint_is_that_of_the_checkouts_engine(filters):
    assert filters["howdah_engine_fingerprint"]("") == fingerprint()


def test_a_folders_hash_changes_with_its_content(filters, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM a")
    before = filters["howdah_content_hash"](str(tmp_path))
    (tmp_path / "Dockerfile").write_text("FROM b")
    assert filters["howdah_content_hash"](str(tmp_path)) != before


def test_an_estate_becomes_pools(filters):
    echo = {"name": "echo_db", "user": "echo_user", "services": [{"name": "echo"}]}
    estate = filters["howdah_estate"]([DADM], [echo])
    planned = filters["howdah_capacity"](estate, "100")
    assert [(pool["database"], pool["user"]) for pool in planned["pools"]] == [
        ("dadm_db", "dadm_user"),
        ("echo_db", "echo_user"),
    ]
    assert planned["max_connections"] == 100


def test_a_max_client_conn_of_0_is_derived_and_another_is_kept(filters):
    estate = filters["howdah_estate"]([], [])
    assert filters["howdah_capacity"](estate, 100, 0)["max_client_conn"] == 100
    assert filters["howdah_capacity"](estate, 100, "170")["max_client_conn"] == 170


def test_reserves_of_the_inventory_count(filters):
    estate = filters["howdah_estate"]([DADM], [])
    kept = {"pool_reserve": 1, "replication": 1, "monitoring": 1, "migration": 1, "superuser": 1}
    assert filters["howdah_capacity"](estate, 100, 0, kept)["reserved"] == 5


def test_an_unknown_application_is_refused_as_a_filters_error(filters):
    with pytest.raises(AnsibleFilterError, match=r"names 'dam'.*knows only dadm.* Correct the name"):
        filters["howdah_estate"]([DADM | {"name": "dam"}], [])


def test_an_over_commitment_is_refused_as_a_filters_error(filters):
    estate = filters["howdah_estate"]([DADM], [])
    with pytest.raises(AnsibleFilterError, match=r"the pooler accepts 20 .*raise pgbouncer_max_client_conn"):
        filters["howdah_capacity"](estate, 100, 20)


def test_an_instance_that_is_too_small_is_refused_as_a_filters_error(filters):
    with pytest.raises(AnsibleFilterError, match="128 MiB is too little memory"):
        filters["howdah_tuning"](SIZE | {"memory_mb": 128})


def test_text_from_an_inventory_counts_as_numbers(filters):
    assert filters["howdah_tuning"](SIZE) == tune(Size(1024, 2, 100))
    assert filters["howdah_shm_size_mb"](SIZE) == shm_size_mb(Size(1024, 2, 100))
    assert filters["howdah_default_max_connections"]("1024") == default_max_connections(1024)


def test_only_keeps_the_named_keys_in_their_order(filters):
    assert filters["howdah_only"]({"a": 1, "b": 2, "c": 3}, ["c", "a"]) == {"c": 3, "a": 1}
