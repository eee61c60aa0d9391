"""One declaration gives databases, roles, services and demands; a wrong one is refused in a sentence."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest

from howdah.errors import ConfigurationError
from howdah.estate import describe

APPLICATIONS = Path(__file__).parents[3] / "applications"
DADM = {"name": "dadm", "sources": "/srv/dadm"}
CAMUNDA = {
    "name": "camunda_db",
    "user": "camunda_user",
    "services": [{"name": "camunda", "workers": 1, "pool_size": 10, "max_overflow": 5}],
}
ECHO = {"name": "echo_db", "user": "echo_user"}


def by_service(estate):
    return {item["service"]: item for item in estate["services"]}


def refusal(applications, databases=()):
    with pytest.raises(ConfigurationError) as refused:
        describe(applications, databases, APPLICATIONS)
    assert refused.value.next_step
    return refused.value.what


@pytest.fixture(scope="module")
def estate():
    return describe([DADM], [CAMUNDA, ECHO], APPLICATIONS)


def test_every_database_has_an_owner_and_its_users(estate):
    assert estate["databases"] == [
        {"name": "dadm_db", "owner": "dadm_owner", "users": ["dadm_user"], "schema": "public"},
        {"name": "camunda_db", "owner": "camunda_owner", "users": ["camunda_user"], "schema": "public"},
        {"name": "echo_db", "owner": "echo_owner", "users": ["echo_user"], "schema": "public"},
    ]
    assert estate["owners"] == ["camunda_owner", "dadm_owner", "echo_owner"]
    assert estate["users"] == ["camunda_user", "dadm_user", "echo_user"]


def test_the_services_are_those_of_the_applications_and_then_of_the_databases(estate):
    assert list(by_service(estate)) == [
        "openai-service",
        "analysis-service",
        "prompt-service",
        "governance-service",
        "camunda",
    ]


def test_a_service_of_an_application_stays_on_sqlite_until_told_otherwise(estate):
    assert by_service(estate)["analysis-service"] == {
        "service": "analysis-service",
        "application": "dadm",
        "database": "dadm_db",
        "user": "dadm_user",
        "workers": 2,
        "pool_size": 5,
        "max_overflow": 10,
        "live": "sqlite",
        "sqlite": {"analysis": "/srv/dadm/data/analysis_storage/analysis_data.db"},
    }
    live = describe([DADM | {"live": "postgresql"}], [], APPLICATIONS)
    assert {item["live"] for item in live["services"]} == {"postgresql"}


def test_a_service_of_a_database_uses_its_user_and_postgresql(estate):
    camunda = by_service(estate)["camunda"]
    assert (camunda["database"], camunda["user"], camunda["live"]) == ("camunda_db", "camunda_user", "postgresql")
    assert (camunda["application"], camunda["sqlite"]) == ("", {})


def test_every_service_is_one_demand(estate):
    assert [item["service"] for item in estate["demands"]] == list(by_service(estate))
    assert estate["demands"][-1] == {
        "service": "camunda",
        "database": "camunda_db",
        "user": "camunda_user",
        "workers": 1,
        "pool_size": 10,
        "max_overflow": 5,
    }


def test_an_application_says_what_its_migration_needs(estate):
    assert estate["applications"] == [
        {
            "name": "dadm",
            "database": "dadm_db",
            "owner": "dadm_owner",
            "sources": "/srv/dadm",
            "schema": "public",
            "live": "sqlite",
        }
    ]


def test_an_environment_may_have_other_workers():
    changed = describe([DADM | {"workers": {"openai-service": 9}}], [], APPLICATIONS)
    workers = {item["service"]: item["workers"] for item in changed["demands"]}
    assert workers["openai-service"] == 9
    assert workers["analysis-service"] == 2


def test_the_declaration_itself_is_left_as_it_was():
    applications, databases = [deepcopy(DADM)], [deepcopy(CAMUNDA)]
    describe(applications, databases, APPLICATIONS)
    assert (applications, databases) == ([DADM], [CAMUNDA])


def test_nothing_declared_is_an_empty_estate():
    assert not any(describe([], [], APPLICATIONS).values())


def test_an_unknown_application_is_refused_with_the_known_ones():
    said = refusal([DADM | {"name": "dam"}])
    assert "names 'dam'" in said
    assert "knows only dadm" in said


def test_no_application_folder_at_all_is_said(tmp_path):
    with pytest.raises(ConfigurationError, match="knows only none"):
        describe([DADM], [], tmp_path)


def test_workers_for_an_unknown_service_are_refused_with_its_name():
    assert refusal([DADM | {"workers": {"opnai-service": 2, "openai-service": 2}}]) == (
        "howdah_applications gives workers to opnai-service, which dadm does not have."
    )


@pytest.mark.parametrize(
    "databases",
    [[ECHO, ECHO], [{"name": "dadm_db", "user": "other_user"}]],
)
def test_a_database_is_declared_once(databases):
    assert refusal([DADM], databases) == f"Database {databases[0]['name']} is declared twice."


def test_a_service_is_declared_once_because_its_file_has_its_name():
    again = {"name": "shop_db", "user": "shop_user", "services": [{"name": "openai-service"}]}
    assert refusal([DADM], [again]) == "Service openai-service is declared twice."


def test_a_role_has_one_database_because_the_pooler_counts_its_clients_by_role():
    assert refusal([DADM], [{"name": "shop_db", "user": "dadm_user", "services": [{"name": "shop"}]}]) == (
        "Role dadm_user is declared for dadm_db and for shop_db."
    )


@pytest.mark.parametrize(
    ("application", "said"),
    [
        (DADM | {"sauces": "/srv"}, "howdah_applications: dadm: sauces: Extra inputs are not permitted."),
        ({"name": "dadm"}, "howdah_applications: dadm: sources: Field required."),
        ({"sources": "/srv"}, "howdah_applications: ?: name: Field required."),
        (DADM | {"live": "oracle"}, "howdah_applications: dadm: live: Input should be 'sqlite' or 'postgresql'."),
        (DADM | {"sources": ["/srv"]}, "howdah_applications: dadm: sources: Input should be a valid string."),
        (
            DADM | {"workers": {"openai-service": 0}},
            "howdah_applications: dadm: workers.openai-service: Input should be greater than or equal to 1.",
        ),
        (DADM | {"workers": 4}, "howdah_applications: dadm: workers: Input should be a valid dictionary."),
    ],
)
def test_a_wrong_application_names_entry_and_key(application, said):
    assert refusal([application]) == said


@pytest.mark.parametrize(
    ("database", "said"),
    [
        (ECHO | {"usr": "x"}, "howdah_databases: echo_db: usr: Extra inputs are not permitted."),
        ({"name": "echo_db"}, "howdah_databases: echo_db: user: Field required."),
        (ECHO | {"name": "Echo DB"}, "howdah_databases: Echo DB: name: String should match pattern"),
        (ECHO | {"user": 'x"; --'}, "howdah_databases: echo_db: user: String should match pattern"),
        (
            ECHO | {"services": [{"name": "echo", "workers": "many"}]},
            "howdah_databases: echo_db: services.0.workers: Input should be a valid integer",
        ),
        (
            ECHO | {"services": [{"workers": 1}]},
            "howdah_databases: echo_db: services.0.name: Field required.",
        ),
        (ECHO | {"services": ["echo"]}, "howdah_databases: echo_db: services.0: Input should be a valid dictionary"),
        (ECHO | {"services": None}, "howdah_databases: echo_db: services: Input should be a valid tuple"),
    ],
)
def test_a_wrong_database_names_entry_and_key(database, said):
    assert refusal([], [database]).startswith(said)


@pytest.mark.parametrize("entry", ["dadm", None, 3, ["dadm"]])
def test_an_entry_that_is_no_mapping_is_refused_in_a_sentence(entry):
    assert refusal([entry]).startswith("howdah_applications: ?: (entry): Input should be a valid dictionary")
    assert refusal([], [entry]).startswith("howdah_databases: ?: (entry): Input should be a valid dictionary")
