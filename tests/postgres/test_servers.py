"""Throw-away servers of several runs on one host."""

from __future__ import annotations

import os
import subprocess
import sys

import docker
import pytest

from tests.servers import LABEL, remove, remove_left_over


@pytest.fixture
def created():
    """Return a function that makes a container, never started, of the process with a given id."""
    client = docker.from_env(timeout=60)
    image = client.images.list(filters={"label": "io.howdah.image=postgres"})[0]
    made = []

    def create(process: int) -> str:
        made.append(client.containers.create(image.id, labels={LABEL: str(process)}))
        return made[-1].id

    yield create
    for container in made:
        remove(container)
    client.close()


def test_only_the_servers_of_processes_that_ended_are_removed(created):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    ours, left = created(os.getpid()), created(ended.pid)
    client = docker.from_env(timeout=60)
    remove_left_over(client)
    there = {
        container.id for container in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
    }
    client.close()
    assert ours in there
    assert left not in there
