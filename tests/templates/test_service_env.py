"""A service's environment file: one side or the other, and the same for a shell, systemd and docker."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.templates.conftest import lines

CERTIFICATE = "/etc/howdah/test/pgbouncer/pooler.crt"


def service(live, **changes):
    return {
        "service": "openai-service",
        "application": "dadm",
        "database": "dadm_db",
        "user": "dadm_user",
        "workers": 4,
        "pool_size": 5,
        "max_overflow": 10,
        "live": live,
        "sqlite": {"prompts": "/srv/dadm/data/prompts.db", "old-analysis": "/srv/dadm/data/analysis.db"},
    } | changes


@pytest.fixture
def env(render):
    def rendered(live, **changes):
        return render(
            "templates/service.env.j2",
            service=service(live, **changes),
            service_config_host="127.0.0.1",
            service_config_port=6432,
            service_config_certificate=CERTIFICATE,
        )

    return rendered


def sourced(text, tmp_path):
    """The variables that a shell has after it read the file."""
    file = tmp_path / "service.env"
    file.write_text(text)
    done = subprocess.run(
        ["/bin/sh", "-euc", 'set -a; . "$1"; env -0', "sh", file],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return dict(item.split("=", 1) for item in done.stdout.split("\0") if item)


def plain(text):
    return dict(line.split("=", 1) for line in lines(text))


@pytest.mark.parametrize("live", ["sqlite", "postgresql"])
def test_a_shell_reads_what_systemd_and_docker_read(env, tmp_path, live):
    text = env(live).replace("@@dadm_user@@", "Correct7Horse")
    assert plain(text).items() <= sourced(text, tmp_path).items()


@pytest.mark.parametrize("live", ["sqlite", "postgresql"])
def test_no_line_needs_quotes(env, live):
    for line in lines(env(live)):
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*=[A-Za-z0-9_@%:/.,+-]*", line), line


@pytest.mark.parametrize("live", ["sqlite", "postgresql"])
def test_no_name_is_set_twice(env, live):
    assert len(plain(env(live))) == len(lines(env(live)))


def test_on_postgresql_a_service_finds_the_pooler_and_its_password(env):
    found = plain(env("postgresql"))
    assert found["ENABLE_POSTGRESQL"] == "true"
    assert found["DATABASE_URL"] == "postgresql://dadm_user:@@dadm_user@@@127.0.0.1:6432/dadm_db"
    assert (found["POSTGRES_HOST"], found["POSTGRES_PORT"]) == ("127.0.0.1", "6432")
    assert (found["POSTGRES_DB"], found["POSTGRES_USER"], found["POSTGRES_PASSWORD"]) == (
        "dadm_db",
        "dadm_user",
        "@@dadm_user@@",
    )
    assert not any(name.endswith("_URL") for name in found if name != "DATABASE_URL")


def test_on_sqlite_a_service_finds_its_files_and_no_database_url(env):
    found = plain(env("sqlite"))
    assert found["ENABLE_POSTGRESQL"] == "false"
    assert "DATABASE_URL" not in found
    assert found["SQLITE_PROMPTS_URL"] == "sqlite:////srv/dadm/data/prompts.db"
    assert found["SQLITE_OLD_ANALYSIS_URL"] == "sqlite:////srv/dadm/data/analysis.db"


@pytest.mark.parametrize("live", ["sqlite", "postgresql"])
def test_the_files_are_known_on_both_sides(env, live):
    assert plain(env(live))["SQLITE_OLD_ANALYSIS_PATH"] == "/srv/dadm/data/analysis.db"


@pytest.mark.parametrize("live", ["sqlite", "postgresql"])
def test_the_connection_is_encrypted_and_the_pooler_proved(env, live):
    found = plain(env(live))
    assert (found["PGSSLMODE"], found["PGSSLROOTCERT"]) == ("verify-full", CERTIFICATE)


@pytest.mark.parametrize("live", ["sqlite", "postgresql"])
def test_the_clients_pool_is_the_declared_one(env, live):
    found = plain(env(live, pool_size=7, max_overflow=2))
    assert (found["DB_POOL_SIZE"], found["DB_MAX_OVERFLOW"]) == ("7", "2")


def test_a_service_without_files_has_none(env):
    assert not any(name.startswith("SQLITE") for name in plain(env("postgresql", sqlite={})))
