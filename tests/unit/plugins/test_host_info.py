"""howdah_host_info: says what there is, and never fails because something is not."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
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


def test_an_address_of_another_host_is_named_as_such(run, taken):
    answer = run("howdah_host_info", ports=[{"port": taken, "address": "192.0.2.1"}])
    assert (answer["ports_in_use"], answer["unusable_places"]) == ([], ["192.0.2.1 is no address of this host."])


@pytest.mark.parametrize(
    ("address", "port", "why"),
    [
        ("::1", 5432, "::1 is an IPv6 address, and ports are published on IPv4 addresses only."),
        ("db.example", 5432, "db.example is no IP address."),
        ("127.0.0.1", 65536, "65536 is no port; ports go from 1 to 65535."),
        ("127.0.0.1", 0, "0 is no port; ports go from 1 to 65535."),
    ],
)
def test_a_place_that_can_never_be_published_is_not_called_in_use(run, address, port, why):
    answer = run("howdah_host_info", ports=[{"port": port, "address": address}])
    assert (answer["ports_in_use"], answer["unusable_places"]) == ([], [why])


def test_a_port_in_use_is_no_unusable_place(run, taken):
    assert run("howdah_host_info", ports=[{"port": taken}])["unusable_places"] == []


def test_a_port_is_looked_at_without_a_trace(run, taken):
    for _ in range(2):
        assert run("howdah_host_info", ports=[{"port": taken}])["changed"] is False


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="no Debian packages here")
def test_only_missing_packages_are_reported(run):
    answer = run("howdah_host_info", packages=["dpkg", "no-such-package-anywhere"])
    assert answer["missing_packages"] == ["no-such-package-anywhere"]


def test_on_a_host_without_dpkg_every_package_is_missing(run, tmp_path):
    answer = run("howdah_host_info", env={"PATH": str(tmp_path)}, packages=["dpkg", "cron"])
    assert answer["missing_packages"] == ["dpkg", "cron"]


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
  "NetworkSettings": {"Ports": PORTS},
  "State": {"Running": RUNNING, "StartedAt": "2026-01-01T00:00:00Z", "Health": {"Status": "healthy"}}}]' ;;
"image inspect there") echo '[{"Id": "sha256:1"}]' ;;
*) echo "No such object" >&2; exit 1 ;;
esac
"""


def ours(running="true", published=()):
    """Return what docker answers when there is one container, with the host ports it is published on."""
    places = [{"HostIp": address, "HostPort": str(port)} for address, port in published]
    ports = {"5432/tcp": places or None, "8008/tcp": None}
    return ONE_CONTAINER.replace("RUNNING", running).replace("PORTS", json.dumps(ports))


def test_containers_and_images_that_exist_are_described_and_others_left_out(run, tmp_path):
    env = docker(tmp_path, ours(published=[("127.0.0.1", 15432)]))
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
            "published": {"5432/tcp": [{"address": "127.0.0.1", "port": 15432}]},
            "mounts": [],
        }
    }


@pytest.mark.parametrize(
    ("address", "offset", "holder", "reported"),
    [
        ("127.0.0.1", 0, "ours", 0),
        ("127.0.0.1", 0, "", 1),
        # It runs, but elsewhere: somebody else has the port that it would move to.
        ("127.0.0.1", 1, "ours", 1),
        ("127.0.0.2", 0, "ours", 1),
    ],
)
def test_a_port_is_ours_only_where_our_container_is_published(run, tmp_path, taken, address, offset, holder, reported):
    env = docker(tmp_path, ours(published=[(address, taken + offset)]))
    answer = run("howdah_host_info", env=env, ports=[{"port": taken, "container": holder}])
    assert answer["ports_in_use"] == [taken] * reported


def test_a_stopped_container_holds_no_port(run, tmp_path, taken):
    env = docker(tmp_path, ours("false"))
    assert run("howdah_host_info", env=env, ports=[{"port": taken, "container": "ours"}])["ports_in_use"] == [taken]


def test_folders_are_listed(run, tmp_path):
    (tmp_path / "b").touch()
    (tmp_path / "a").mkdir()
    absent = str(tmp_path / "absent")
    answer = run("howdah_host_info", folders=[str(tmp_path), absent])
    assert answer["listing"] == {str(tmp_path): ["a", "b"], absent: []}


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


def test_a_program_inside_a_container_does_not_run_on_the_host(run, tmp_path):
    sleep = shutil.which("sleep")
    for name in ("ours-a", "theirs-a"):
        (tmp_path / name).symlink_to(sleep)
    ours = subprocess.Popen([tmp_path / "ours-a", "60"])
    container = ["unshare", "--pid", "--fork", "--kill-child"]
    theirs = subprocess.Popen([*container, "/bin/sh", "-c", f"{tmp_path}/theirs-a 60; true"])
    try:
        deadline = time.monotonic() + 10
        while not all(any_runs(name) for name in ("ours-a", "theirs-a")):
            assert time.monotonic() < deadline, "they did not start"
            time.sleep(0.05)
        assert run("howdah_host_info", processes=["ours-a", "theirs-a"])["running"] == ["ours-a"]
    finally:
        for process in (ours, theirs):
            process.kill()
            process.wait()


def any_runs(name: str) -> bool:
    return subprocess.run(["pgrep", "--exact", name], stdout=subprocess.DEVNULL).returncode == 0
