"""A change reaches exactly as far as it must: a reload for what a reload applies, a restart only when it is allowed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from again import containers, files, play, recap, shown_certificate

ENVIRONMENT = "molecule-default"
CONFIG = Path("/etc/howdah") / ENVIRONMENT
SERVER = f"howdah-{ENVIRONMENT}-postgres"
POOLER = f"howdah-{ENVIRONMENT}-pgbouncer"
ALLOWED = ("-e", "howdah_allow_restart=true")


def show(name: str) -> str:
    done = subprocess.run(
        ["docker", "exec", SERVER, "psql", "-XAtc", f"SHOW {name}"], text=True, capture_output=True, check=True
    )
    return done.stdout.strip()


def site(settings: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return play("playbooks/site.yml", "-e", json.dumps({"postgres_server_settings": settings}), *options)


@pytest.fixture
def as_before() -> Iterator[None]:
    yield
    assert play("playbooks/site.yml", *ALLOWED).returncode == 0


@pytest.mark.usefixtures("as_before")
def test_changes_reach_as_far_as_they_must() -> None:
    before = containers(ENVIRONMENT)

    done = site({"log_min_duration_statement": "7s"})
    assert done.returncode == 0, done.stdout
    assert show("log_min_duration_statement") == "7s"
    assert containers(ENVIRONMENT) == before

    waiting = site({"log_min_duration_statement": "7s", "max_wal_senders": "7"})
    assert waiting.returncode == 0, waiting.stdout
    assert "max_wal_senders can only change with a restart" in " ".join(waiting.stdout.split())
    assert show("max_wal_senders") != "7"
    assert containers(ENVIRONMENT) == before

    allowed = site({"log_min_duration_statement": "7s", "max_wal_senders": "7"}, *ALLOWED)
    assert allowed.returncode == 0, allowed.stdout
    assert show("max_wal_senders") == "7"
    after = containers(ENVIRONMENT)
    assert after[SERVER][0] == before[SERVER][0], "a restart keeps the container"
    assert after[SERVER][1] != before[SERVER][1]

    refused = site({"log_min_duration_statement": "seven"})
    assert refused.returncode != 0
    assert "The server would refuse its new configuration" in " ".join(refused.stdout.split())
    assert show("log_min_duration_statement") == "7s"
    assert containers(ENVIRONMENT) == after
    again = site({"log_min_duration_statement": "7s", "max_wal_senders": "7"})
    assert recap(again.stdout)["changed"] == 0, "the files of the old configuration are back"


def pooler(command: str) -> str:
    console = ["psql", "-XAt", "--host=/tmp", "--port=6432", "--username=pgbouncer", "--dbname=pgbouncer"]
    done = subprocess.run(
        ["docker", "exec", POOLER, *console, "-c", command], text=True, capture_output=True, check=True
    )
    return done.stdout


def max_client_conn() -> str:
    return next(
        line.split("|")[1] for line in pooler("SHOW CONFIG").splitlines() if line.startswith("max_client_conn|")
    )


def test_what_a_failed_run_wrote_is_read_by_the_next_one() -> None:
    before, limit = containers(ENVIRONMENT), max_client_conn()
    certificates = {25432: CONFIG / "tls" / "server.crt", 26432: CONFIG / "pgbouncer" / "pooler.crt"}
    old = {port: file.read_text() for port, file in certificates.items()}
    for request in (*CONFIG.glob("tls/server-*.csr"), *CONFIG.glob("pgbouncer/pooler-*.csr")):
        request.unlink()
    pooler("SET max_client_conn = 33")

    assert site({"log_min_duration_statement": "seven"}).returncode != 0
    assert certificates[25432].read_text() != old[25432], "it was made"
    assert shown_certificate("127.0.0.1", 25432) == old[25432], "but the server has not read it"

    done = play("playbooks/site.yml")
    assert done.returncode == 0, done.stdout
    for port, file in certificates.items():
        assert file.read_text() != old[port]
        assert shown_certificate("127.0.0.1", port) == file.read_text()
    assert max_client_conn() == limit
    assert containers(ENVIRONMENT) == before


def test_what_the_pooler_refuses_is_named_and_put_back() -> None:
    before = containers(ENVIRONMENT), files(CONFIG)
    pools = [{"database": "dadm_db", "user": "dadm_user", "size": 5, "clients": 60}]
    capacity = {"pools": pools, "max_client_conn": "many", "reserve_pool_size": 3}
    refused = play("playbooks/site.yml", "-e", json.dumps({"pgbouncer_capacity": capacity}))
    assert refused.returncode != 0
    said = " ".join(refused.stdout.split())
    assert "PgBouncer refuses its new configuration" in said
    assert "max_client_conn is" in said
    assert (containers(ENVIRONMENT), files(CONFIG)) == before
    again = play("playbooks/site.yml")
    assert recap(again.stdout)["changed"] == 0, again.stdout


def ask_as_a_service(name: str) -> str:
    """Ask with what the service's own file says, and nothing else; return the answer and where it came from."""
    mount = f"{CONFIG}/pgbouncer/pooler.crt"
    image = subprocess.run(
        ["docker", "inspect", "--format", "{{.Config.Image}}", SERVER], text=True, capture_output=True, check=True
    ).stdout.strip()
    done = subprocess.run(
        ["docker", "run", "--rm", "--network", "host", "--env-file", f"{CONFIG}/services/{name}.env",
         "--volume", f"{mount}:{mount}:ro", "--entrypoint", "sh", image, "-c",
         'psql "$DATABASE_URL" -XAtc "SELECT current_user" && echo "$POSTGRES_HOST:$POSTGRES_PORT"'],
        text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


@pytest.mark.usefixtures("as_before")
def test_another_address_waits_for_a_restart_with_everything_that_names_it() -> None:
    moved = {"howdah_bind_address": "127.0.0.2", "howdah_server_port": 25433, "howdah_pooler_port": 26433}
    before = containers(ENVIRONMENT), files(CONFIG)
    waiting = play("playbooks/site.yml", "-e", json.dumps(moved))
    assert waiting.returncode == 0, waiting.stdout
    assert recap(waiting.stdout)["changed"] == 0, waiting.stdout
    said = " ".join(waiting.stdout.split())
    assert f"{SERVER} differs from its description" in said
    assert "Until then clients find it on 127.0.0.1:25432." in said
    assert "Until then clients find it on 127.0.0.1:26432." in said
    assert (containers(ENVIRONMENT), files(CONFIG)) == before

    allowed = play("playbooks/site.yml", "-e", json.dumps(moved), *ALLOWED)
    assert allowed.returncode == 0, allowed.stdout
    assert ask_as_a_service("camunda") == "camunda_user 127.0.0.2:26433"
    instance = (CONFIG / "instance.yml").read_text()
    assert "port: 25433" in instance
    assert "port: 26433" in instance
    assert "127.0.0.1" not in instance
    assert recap(play("playbooks/site.yml", "-e", json.dumps(moved)).stdout)["changed"] == 0

    back = play("playbooks/site.yml", *ALLOWED)
    assert back.returncode == 0, back.stdout
    assert ask_as_a_service("camunda") == "camunda_user 127.0.0.1:26432"
