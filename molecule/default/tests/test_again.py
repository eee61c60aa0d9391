"""A converged host stays as it is: check mode is silent, and wrong input is refused before anything changes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from again import containers, files, play, recap

ENVIRONMENT = "molecule-default"
CONFIG = Path("/etc/howdah") / ENVIRONMENT


def test_check_mode_shows_no_change_and_no_diff() -> None:
    before = containers(ENVIRONMENT)
    done = play("playbooks/site.yml", "--check", "--diff")
    assert done.returncode == 0, done.stdout + done.stderr
    assert recap(done.stdout)["changed"] == 0, done.stdout
    assert "\n+" not in done.stdout
    assert "\n-" not in done.stdout
    assert containers(ENVIRONMENT) == before
    assert len(before) == 2


def test_check_mode_works_where_nothing_exists() -> None:
    """Another environment's name, so nothing of it is here; every role says what it would make."""
    done = play("playbooks/site.yml", "--check", "--diff", "-e", "howdah_environment=nowhere",
                "-e", "howdah_server_port=25999", "-e", "howdah_pooler_port=26999")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for sentence in (
        "Would install the engine",
        "Would make the server howdah-nowhere-postgres",
        "Would make the databases",
        "Would make the pooler",
        "Would write",
        "Would make the repository",
        "Would make the schedule of metrics",
    ):
        assert sentence in " ".join(done.stdout.split())
    assert not Path("/etc/howdah/nowhere").exists()
    assert not Path("/var/lib/howdah/nowhere").exists()


ELSEWHERE = ["-e", "howdah_environment=nowhere", "-e", "howdah_server_port=25999", "-e", "howdah_pooler_port=26999"]

REFUSALS = {
    "a wrong type": (["-e", '{"postgres_server_port": "many"}'], "postgres_server_port"),
    "an unknown application": (
        ["-e", '{"howdah_applications": [{"name": "dadmm", "sources": "/srv/x"}]}'],
        "howdah_applications names 'dadmm', but",
    ),
    "an over-commitment": (["-e", "howdah_max_client_conn=20"], "but the pooler accepts 20"),
    "an address of another host": (["-e", "howdah_bind_address=192.0.2.1"], "192.0.2.1 is no address of this host."),
    "a wildcard address": (["-e", "howdah_bind_address=0.0.0.0"], "would publish the server to every network"),
    "too little disk": (
        ["-e", "howdah_environment=nowhere", "-e", "postgres_server_minimum_disk_mb=99999999",
         "-e", "howdah_server_port=25999", "-e", "howdah_pooler_port=26999", "--check"],
        "fewer than the 99999999 that a server needs",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_wrong_input_is_refused_with_one_sentence_and_nothing_changed(case: str) -> None:
    options, sentence = REFUSALS[case]
    before = containers(ENVIRONMENT), files(CONFIG)
    done = play("playbooks/site.yml", *options)
    assert done.returncode != 0, done.stdout
    assert sentence in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stdout + done.stderr
    assert (containers(ENVIRONMENT), files(CONFIG)) == before
    assert not Path("/etc/howdah/nowhere").exists()


def test_a_port_in_use_is_refused_before_anything_changes() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = play("playbooks/site.yml", "--check", *ELSEWHERE, "-e", f"howdah_server_port={port}")
    assert done.returncode != 0
    assert f"Port {port} on 127.0.0.1 is in use by another program" in " ".join(done.stdout.split())


def test_an_engine_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    before = files(CONFIG)
    done = play("playbooks/site.yml", "-e", "docker_engine_wait_seconds=1", *ELSEWHERE)
    assert done.returncode != 0
    assert "The container engine runs but does not answer within 1 s" in " ".join(done.stdout.split())
    assert files(CONFIG) == before
    assert not Path("/etc/howdah/nowhere").exists()


def test_down_without_the_environments_name_removes_nothing() -> None:
    before = containers(ENVIRONMENT), files(CONFIG)
    done = play("playbooks/down.yml", "-e", "confirm=")
    assert done.returncode != 0
    assert f"Say -e confirm={ENVIRONMENT} to do so" in " ".join(done.stdout.split())
    done = play("playbooks/down.yml", "-e", "data=another-volume")
    assert done.returncode != 0
    assert "is not the data volume" in done.stdout
    assert (containers(ENVIRONMENT), files(CONFIG)) == before
