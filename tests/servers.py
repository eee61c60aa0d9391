"""Where the tests get a PostgreSQL 15 from."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any

import docker
import psycopg
from docker.errors import APIError, DockerException, NotFound

LABEL = "io.howdah.tests"
PASSWORD = "for-tests-only"
SECONDS = 60
SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "50"}


@dataclass(frozen=True)
class Container:
    """A server that runs in a container.

    :ivar dsn: superuser conninfo without a database name.
    """

    dsn: str
    identity: str


@contextmanager
def server() -> Iterator[str]:
    """Give the superuser conninfo of a server, without a database name.

    ``HOWDAH_TEST_DSN`` if it is set; else a throw-away container, removed afterwards.

    :raises RuntimeError: that one is to serve several workers, whose roles have the same names.
    """
    given = os.environ.get("HOWDAH_TEST_DSN")
    if given:
        if "PYTEST_XDIST_WORKER" in os.environ:
            raise RuntimeError("HOWDAH_TEST_DSN is one server, and each worker needs its own: make test WORKERS=0.")
        yield given
        return
    with container() as started:
        yield started.dsn


@contextmanager
def container(
    settings: Mapping[str, str] = SETTINGS,
    *,
    in_memory: bool = True,
    room: str = "4g",
    disks: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Container]:
    """Give a throw-away server made from the project's own image.

    What an earlier run left behind is removed first.

    :param settings: of the server, besides those that make it reachable.
    :param in_memory: its data lies in memory, at most as much as ``room`` says; else in a volume of its own.
    :param disks: further disks in memory, for tablespaces: path → size.
    """
    data = "/tmp/data" if in_memory else "/var/lib/postgresql/data"
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    try:
        client: Any = docker.from_env(timeout=60)
        newest = newest_image(client)
    except DockerException as error:
        raise RuntimeError(
            f"No container engine answers ({error}). Run make images, or set HOWDAH_TEST_DSN."
        ) from error
    remove_left_over(client)
    started = client.containers.run(
        newest.id,
        # Loopback only, and gone with the test: a password that is no secret is enough.
        entrypoint=["/bin/sh", "-c"],
        command=[
            f"echo {PASSWORD} > /tmp/password && initdb --pgdata={data} --username=postgres --pwfile=/tmp/password"
            " --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null"
            f" && echo 'host all all all scram-sha-256' >> {data}/pg_hba.conf"
            f" && exec postgres -D {data} -c listen_addresses=* -c unix_socket_directories=/tmp {options}"
        ],
        detach=True,
        labels={LABEL: str(os.getpid())},
        tmpfs={path: f"rw,exec,size={size},uid=5432,gid=5432" for path, size in {"/tmp": room, **disks}.items()},
        shm_size="256m",
        ports={"5432/tcp": ("127.0.0.1", None)},
        stop_signal="SIGINT",
    )
    try:
        yield Container(_conninfo(client, started.id), started.id)
    finally:
        with suppress(NotFound):
            client.containers.get(started.id).remove(force=True, v=True)
        client.close()


def newest_image(client: Any) -> Any:
    """Return the newest of the project's PostgreSQL images on this host."""
    images = client.images.list(filters={"label": "io.howdah.image=postgres"})
    if not images:
        raise RuntimeError("The PostgreSQL image is not on this host. Run make images, or set HOWDAH_TEST_DSN.")
    return max(images, key=lambda image: image.attrs["Created"])


def remove_left_over(client: Any) -> None:
    """Remove the containers of processes that were killed; those of a run that is going on stay."""
    for left in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
        if not Path("/proc", left.labels[LABEL]).exists():
            remove(left)


def remove(container: Any) -> None:
    """Remove a container and its volumes, unless another process just does so or has done so."""
    try:
        container.remove(force=True, v=True)
    except APIError as error:
        if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
            raise


def _conninfo(client: Any, identity: str) -> str:
    """Wait until the server answers over TCP, and return how to reach it."""
    deadline = time.monotonic() + SECONDS
    why = "it published no port"
    while time.monotonic() < deadline:
        found = client.containers.get(identity)
        if found.status == "exited":
            raise RuntimeError(f"The test server ended: {found.logs(tail=5).decode()}")
        bindings = found.attrs["NetworkSettings"]["Ports"].get("5432/tcp")
        if bindings:
            dsn = f"host=127.0.0.1 port={bindings[0]['HostPort']} user=postgres password={PASSWORD}"
            try:
                psycopg.connect(dsn, dbname="postgres", connect_timeout=5).close()
            except psycopg.OperationalError as error:
                why = str(error)
            else:
                return dsn
        time.sleep(0.2)
    raise RuntimeError(f"The test server did not answer within {SECONDS} s: {why}")
