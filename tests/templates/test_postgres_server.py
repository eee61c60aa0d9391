"""The server's files: nobody comes in without proof, and a setting means what the inventory says."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from howdah.server_config import parse_settings
from howdah.tuning import Size, tune
from tests.templates.conftest import environments, lines

FOLDER = "roles/postgres_server/templates"
HBA = [{"database": "dadm_db", "user": "dadm_user"}, {"database": "camunda_db", "user": "camunda_user"}]


@pytest.fixture
def hba(render):
    def rules(**said):
        said = {"postgres_server_hba": HBA, "postgres_server_administrators": ["postgres", "howdah_migrator"], **said}
        return [line.split() for line in lines(render(f"{FOLDER}/pg_hba.conf.j2", **said))]

    return rules


@pytest.fixture
def conf(render):
    def parsed(**said):
        return parse_settings(render(f"{FOLDER}/postgresql.conf.j2", **said))

    return parsed


def test_administrators_come_in_over_the_socket_as_themselves_only(hba):
    assert [rule for rule in hba() if rule[0] == "local"] == [
        ["local", "all", "postgres", "peer", "map=howdah"],
        ["local", "all", "howdah_migrator", "peer", "map=howdah"],
    ]


def test_a_service_comes_into_its_database_encrypted_and_with_scram(hba):
    assert [rule for rule in hba() if rule[0] != "local"] == [
        ["hostssl", "dadm_db", "dadm_user", "samenet", "scram-sha-256"],
        ["hostssl", "camunda_db", "camunda_user", "samenet", "scram-sha-256"],
    ]


def test_no_rule_lets_anybody_in_without_proof(hba):
    for rule in hba():
        assert rule[0] in ("local", "hostssl"), rule
        assert not {"trust", "md5", "password", "ident", "0.0.0.0/0", "::/0"} & set(rule), rule
        assert rule[2] != "all", rule
        assert "all" not in rule[3:], rule


def test_without_services_nobody_comes_in_over_the_network(hba):
    assert {rule[0] for rule in hba(postgres_server_hba=[])} == {"local"}


@pytest.mark.parametrize("environment", environments())
def test_every_pool_of_an_environment_may_come_in(hba, wired, environment):
    wanted = wired(environment, "postgres_server_hba")
    rules = hba(postgres_server_hba=wanted, postgres_server_administrators=["postgres"])
    pools = wired(environment, "howdah_capacity")["pools"]
    assert {(rule[1], rule[2]) for rule in rules if rule[0] == "hostssl"} == {
        (pool["database"], pool["user"]) for pool in pools
    }


def test_root_and_the_servers_own_user_are_mapped_and_nobody_else(render):
    text = render(f"{FOLDER}/pg_ident.conf.j2", postgres_server_administrators=["postgres", "howdah_migrator"])
    assert [line.split() for line in lines(text)] == [
        ["howdah", "root", "postgres"],
        ["howdah", "root", "howdah_migrator"],
        ["howdah", "postgres", "postgres"],
    ]


def test_every_line_of_the_configuration_is_a_setting(render, conf):
    text = render(f"{FOLDER}/postgresql.conf.j2", postgres_server_settings={"work_mem": "7MB"})
    assert all(len(parse_settings(line)) == 1 for line in lines(text))
    assert all(line.endswith("'") for line in lines(text))


def test_without_overrides_no_setting_is_said_twice(render):
    text = render(f"{FOLDER}/postgresql.conf.j2")
    assert len(parse_settings(text)) == len(lines(text))


def test_passwords_and_connections_are_protected(conf):
    found = conf()
    assert (found["password_encryption"], found["ssl"]) == ("scram-sha-256", "on")
    assert found["ssl_min_protocol_version"] in ("TLSv1.2", "TLSv1.3")
    assert found["log_statement"] == "none"


def test_the_size_gives_the_tuning(conf):
    found = conf(postgres_server_memory_mb=2048, postgres_server_cpus=3, postgres_server_max_connections=90)
    assert tune(Size(2048, 3, 90)).items() <= found.items()


def test_a_host_that_is_smaller_than_its_limit_counts(conf):
    found = conf(postgres_server_memory_mb=10**6, postgres_server_cpus=64)
    assert tune(Size(24000, 4, 100)).items() <= found.items()


def test_archiving_is_on_with_a_command_and_off_without(conf):
    on = conf(postgres_server_archive_command="pgbackrest --stanza=main archive-push %p")
    assert (on["archive_mode"], on["archive_command"]) == ("on", "pgbackrest --stanza=main archive-push %p")
    off = conf()
    assert off["archive_mode"] == "off"
    assert "archive_command" not in off


@pytest.mark.parametrize("name", ["work_mem", "WORK_MEM", "shared_buffers", "log_statement", "archive_mode"])
def test_an_override_of_the_inventory_wins(conf, name):
    assert conf(postgres_server_settings={name: "own"})[name.lower()] == "own"


def test_a_further_setting_is_added(conf):
    assert conf(postgres_server_settings={"pg_stat_statements.max": 9000})["pg_stat_statements.max"] == "9000"


values = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, blacklist_characters="\x7f\x85"), max_size=20)


@given(value=values | st.sampled_from(["it's", "''", r"C:\temp\new", "\\", "\\'", "a # b", "%m [%p] "]))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_value_reaches_the_server_as_the_inventory_says_it(conf, value):
    assert conf(postgres_server_settings={"a.b": value})["a.b"] == value
