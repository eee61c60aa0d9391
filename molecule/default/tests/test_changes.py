"""A change reaches exactly as far as it must: a reload for what a reload applies, a restart only when it is allowed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from again import containers, play, recap

ENVIRONMENT = "molecule-default"
SERVER = f"howdah-{ENVIRONMENT}-postgres"


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
    assert play("playbooks/site.yml", "-e", "howdah_allow_restart=true").returncode == 0


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

    allowed = site({"log_min_duration_statement": "7s", "max_wal_senders": "7"}, "-e", "howdah_allow_restart=true")
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
