"""The pooler's configuration: the contract's pools, transaction pooling, TLS on both sides, no password."""

from __future__ import annotations

import configparser
import re

import pytest

from howdah.capacity import Demand, plan_capacity
from tests.templates.conftest import environments, lines

CAPACITY = plan_capacity(
    [
        Demand("openai-service", "dadm_db", "dadm_user", 4, 5, 10),
        Demand("report", "dadm_db", "report_user", 1, 2, 0),
        Demand("camunda", "camunda_db", "camunda_user", 1, 10, 5),
    ],
    max_connections=100,
).to_dict()


@pytest.fixture
def ini(render):
    def parsed(**said):
        text = render("roles/pgbouncer/templates/pgbouncer.ini.j2", **{"pgbouncer_capacity": CAPACITY, **said})
        parser = configparser.ConfigParser(interpolation=None, delimiters="=", comment_prefixes=(";", "#"))
        parser.read_string(text)
        return {section: dict(parser[section]) for section in parser.sections()}

    return parsed


def words(value):
    return dict(word.split("=", 1) for word in value.split())


def test_every_database_is_one_line_that_leads_to_the_server(ini):
    found = ini(pgbouncer_server_host="howdah-test-postgres")["databases"]
    assert set(found) == {"dadm_db", "camunda_db"}
    assert words(found["dadm_db"]) == {"host": "howdah-test-postgres", "port": "5432", "dbname": "dadm_db"}


def test_every_user_has_the_pool_of_the_contract(ini):
    found = {user: words(value) for user, value in ini()["users"].items()}
    assert found == {
        pool["user"]: {"pool_size": str(pool["size"]), "max_user_client_connections": str(pool["clients"])}
        for pool in CAPACITY["pools"]
    }
    assert found["dadm_user"]["max_user_client_connections"] == "60"


def test_the_limits_are_those_of_the_contract(ini):
    found = ini()["pgbouncer"]
    assert int(found["max_client_conn"]) == CAPACITY["max_client_conn"]
    assert int(found["reserve_pool_size"]) == CAPACITY["reserve_pool_size"]


def test_a_pool_that_the_contract_does_not_know_has_the_minimum_at_most(ini):
    assert int(ini()["pgbouncer"]["default_pool_size"]) <= 2


def test_transactions_are_pooled_and_leave_nothing_behind(ini):
    found = ini()["pgbouncer"]
    assert found["pool_mode"] == "transaction"
    assert (found["server_reset_query"], found["server_reset_query_always"]) == ("DISCARD ALL", "1")
    assert int(found["max_prepared_statements"]) > 0


def test_both_sides_are_encrypted_and_the_server_is_proved(ini):
    found = ini()["pgbouncer"]
    assert found["client_tls_sslmode"] == "require"
    assert found["server_tls_sslmode"] == "verify-full"
    assert found["server_tls_ca_file"].startswith("/etc/howdah/pgbouncer/")
    assert found["client_tls_key_file"].startswith("/etc/howdah/pgbouncer/")


def test_clients_prove_themselves_with_scram(ini):
    found = ini()["pgbouncer"]
    assert found["auth_type"] == "scram-sha-256"
    assert found["auth_file"] == "/etc/howdah/pgbouncer/userlist.txt"
    assert not {"auth_query", "auth_user", "auth_hba_file"} & set(found)


def test_only_the_containers_own_user_has_the_console(ini):
    found = ini()["pgbouncer"]
    assert found["admin_users"] == "pgbouncer"
    assert "stats_users" not in found


def test_an_estate_without_pools_is_a_configuration_too(ini):
    empty = {"pools": [], "max_client_conn": 100, "reserve_pool_size": 3}
    found = ini(pgbouncer_capacity=empty)
    assert (found["databases"], found["users"]) == ({}, {})


@pytest.mark.parametrize("environment", environments())
def test_the_pools_of_an_environment_fit_its_server(ini, wired, environment):
    found = ini(pgbouncer_capacity=wired(environment, "howdah_capacity"))
    pools = [int(words(value)["pool_size"]) for value in found["users"].values()]
    reserve = int(found["pgbouncer"]["reserve_pool_size"])
    assert len(pools) >= len(found["databases"])
    assert sum(pools) + reserve * len(pools) < int(wired(environment, "howdah_capacity").get("max_connections"))


def test_the_users_are_listed_once_with_a_verifier_and_no_password(render):
    twice = {**CAPACITY, "pools": [*CAPACITY["pools"], {"database": "x", "user": "dadm_user", "size": 1, "clients": 1}]}
    text = render("roles/pgbouncer/templates/userlist.txt.j2", pgbouncer_capacity=twice)
    assert lines(text) == [
        '"camunda_user" "@@camunda_user.scram@@"',
        '"dadm_user" "@@dadm_user.scram@@"',
        '"report_user" "@@report_user.scram@@"',
    ]
    assert all(re.fullmatch(r'"[a-z_]+" "@@[a-z_]+\.scram@@"', line) for line in lines(text))
