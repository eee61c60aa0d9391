"""howdah_host_info: says what there is, and never fails because something is not."""

from __future__ import annotations

import os
import shutil
import socket
from contextlib import closing
from pathlib import Path

import pytest


@pytest.fixture
def taken():
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_reported_and_a_free_one_is_not(run, taken):
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        free = other.getsockname()[1]
    assert run("howdah_host_info", ports=[{"port": taken}, {"port": free}])["ports_in_use"] == [taken]


def test_a_port_taken_on_another_address_is_free_on_this_one(run, taken):
    assert run("howdah_host_info", ports=[{"port": taken, "address": "127.0.0.2"}])["ports_in_use"] == []


def test_a_port_is_looked_at_without_a_trace(run, taken):
    for _ in range(2):
        assert run("howdah_host_info", ports=[{"port": taken}])["changed"] is False


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="no Debian packages here")
def test_only_missing_packages_are_reported(run):
    answer = run("howdah_host_info", packages=["dpkg", "no-such-package-anywhere"])
    assert answer["missing_packages"] == ["no-such-package-anywhere"]


@pytest.mark.parametrize("wanted", [{"engine": True}, {"containers": ["a"]}, {"images": ["a"]}])
def test_a_host_without_docker_is_a_fact_and_no_failure(run, tmp_path, wanted):
    answer = run("howdah_host_info", env={"PATH": str(tmp_path)}, **wanted)
    assert answer["engine"] == {"answers": False, "version": "", "why": "docker is not installed"}
    assert (answer["containers"], answer["images"]) == ({}, {})


def docker(folder, script):
    """Put a program named docker where the module finds it first."""
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_an_engine_that_does_not_answer_says_why(run, tmp_path):
    env = docker(tmp_path, "echo first >&2; echo 'Cannot connect to the Docker daemon.' >&2; exit 1")
    answer = run("howdah_host_info", env=env, engine=True, containers=["a"])
    assert answer["engine"] == {"answers": False, "version": "", "why": "Cannot connect to the Docker daemon."}


ONE_CONTAINER = """
case "$1 $2 $3" in
"version "*) echo 26.1.5 ;;
"container inspect ours") echo '[{"Id": "c1", "Image": "sha256:1", "Config": {"Labels": null},
  "State": {"Running": RUNNING, "StartedAt": "2026-01-01T00:00:00Z", "Health": {"Status": "healthy"}}}]' ;;
"image inspect there") echo '[{"Id": "sha256:1"}]' ;;
*) echo "No such object" >&2; exit 1 ;;
esac
"""


def test_containers_and_images_that_exist_are_described_and_others_left_out(run, tmp_path):
    env = docker(tmp_path, ONE_CONTAINER.replace("RUNNING", "true"))
    answer = run("howdah_host_info", env=env, containers=["ours", "absent"], images=["there", "absent"])
    assert answer["engine"] == {"answers": True, "version": "26.1.5", "why": ""}
    assert answer["images"] == {"there": "sha256:1"}
    assert answer["containers"] == {
        "ours": {
            "id": "c1",
            "image": "sha256:1",
            "running": True,
            "health": "healthy",
            "started_at": "2026-01-01T00:00:00Z",
            "labels": {},
        }
    }


@pytest.mark.parametrize(
    ("running", "holder", "reported"), [("true", "ours", 0), ("false", "ours", 1), ("true", "", 1)]
)
def test_a_port_that_our_running_container_holds_is_not_taken(run, tmp_path, taken, running, holder, reported):
    env = docker(tmp_path, ONE_CONTAINER.replace("RUNNING", running))
    answer = run("howdah_host_info", env=env, ports=[{"port": taken, "container": holder}])
    assert answer["ports_in_use"] == [taken] * reported


def test_paths_are_looked_for_with_the_space_they_would_have(run, tmp_path):
    absent = tmp_path / "a" / "b"
    answer = run("howdah_host_info", paths=[str(tmp_path), str(absent)])
    assert answer["exists"] == {str(tmp_path): True, str(absent): False}
    here = shutil.disk_usage(tmp_path).free // 1024**2
    assert all(abs(free - here) < 1024 for free in answer["free_mb"].values())
    assert not absent.parent.exists()


def test_memory_and_processors_are_those_of_the_host(run):
    answer = run("howdah_host_info", check=True)
    assert answer["cpus"] == os.cpu_count()
    total = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()[0]
    assert answer["memory_mb"] == int(total.split()[1]) // 1024
