"""An instance: one PostgreSQL container with its volumes, socket directory, pooler and repository, as a file has it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from howdah import execs
from howdah.errors import ConfigurationError, HowdahError
from howdah.execs import Output

CONFIGURATION = Path("/etc/howdah")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(_Strict):
    """The server's container, its socket directory on this host and the port it is published on."""

    container: str
    socket_dir: Path
    address: str = "127.0.0.1"
    port: int


class Pooler(_Strict):
    """The pooler's container and the port it is published on."""

    container: str
    address: str = "127.0.0.1"
    port: int


class Repository(_Strict):
    """Where backups go.

    :ivar stanza: pgBackRest's name for the cluster.
    :ivar path: folder of the first repository on this host.
    :ivar second: where the second one is, a folder or ``s3://BUCKET/PATH``; empty: there is none.
    """

    stanza: str
    path: Path
    second: str = ""

    @property
    def numbers(self) -> tuple[int, ...]:
        """pgBackRest's numbers of the repositories."""
        return (1, 2) if self.second else (1,)

    def where(self, number: int) -> str:
        """Return where a repository is.

        :raises ConfigurationError: there is none of this number.
        """
        if number not in self.numbers:
            raise ConfigurationError(
                f"There is no repository {number}.", f"Say one of {', '.join(map(str, self.numbers))}."
            )
        return str(self.path) if number == 1 else self.second

    def number_of(self, where: str) -> int | None:
        """Return which repository is there; ``None``: none is any more. Who does not say means the first one."""
        places = {self.where(number): number for number in self.numbers}
        return places.get(where) if where else 1

    def is_remote(self, number: int) -> bool:
        """Return whether a repository is reached over the network."""
        return self.where(number).startswith("s3://")


class ApplicationPlace(_Strict):
    """An application of this instance."""

    name: str
    database: str
    sources: Path


class Instance(_Strict):
    """What ``/etc/howdah/ENVIRONMENT/instance.yml`` says.

    :ivar state_dir: folder for locks, metrics, logs and reports.
    :ivar command: link to the engine's command; several instances of a host may share it.
    """

    name: str
    environment: str
    state_dir: Path
    command: Path = Path("/usr/local/bin/howdah")
    server: Server
    pooler: Pooler
    repository: Repository
    databases: tuple[str, ...] = ()
    applications: tuple[ApplicationPlace, ...] = ()

    @property
    def configuration_dir(self) -> Path:
        """Folder of configuration, secrets and the services' files."""
        return CONFIGURATION / self.environment

    @property
    def metrics_dir(self) -> Path:
        """Folder for a textfile collector."""
        return self.state_dir / "metrics"

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        """Return libpq's connection string for administration over the socket; it holds no password."""
        return f"host={self.server.socket_dir} port=5432 user={user} dbname={database}"


def load(where: str | None = None) -> Instance:
    """Read an instance's file.

    :param where: a file, the name of an environment, or ``None``: ``HOWDAH_INSTANCE``, or else the only instance of
        this host.
    :raises ConfigurationError: there is no such instance, or its file is wrong.
    """
    path = _find(where or os.environ.get("HOWDAH_INSTANCE"))
    try:
        return Instance.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except PermissionError as error:
        raise ConfigurationError(f"{path} can only be read by root.", "Run the command as root.") from error
    except (yaml.YAMLError, ValidationError) as error:
        first = " ".join(str(error).split())[:200]
        raise ConfigurationError(
            f"{path} is no valid instance file: {first}.", "Let the role howdah_runtime write it again."
        ) from error


def _find(where: str | None) -> Path:
    if where:
        path = Path(where) if "/" in where else CONFIGURATION / where / "instance.yml"
        if not path.is_file():
            raise ConfigurationError(f"There is no instance file {path}.", "Provision it with playbooks/site.yml.")
        return path
    found = sorted(CONFIGURATION.glob("*/instance.yml"))
    if len(found) != 1:
        names = ", ".join(path.parent.name for path in found) or "none"
        raise ConfigurationError(
            f"Which instance? This host has {names}.", "Say --instance ENVIRONMENT, or set HOWDAH_INSTANCE."
        )
    return found[0]


@dataclass(frozen=True)
class Running:
    """A container that runs.

    :param started_at: when it started, in ISO 8601, as the engine says it.
    :param published: per port of the container, such as ``5432/tcp``, address and port of the host.
    """

    started_at: str
    published: dict[str, tuple[str, int]]


def describe(container: str) -> Running:
    """Ask the engine about a running container.

    :raises HowdahError: the engine does not answer, or the container does not run.
    """
    with _running(container) as found:
        places = found.attrs["NetworkSettings"]["Ports"] or {}
        return Running(
            found.attrs["State"]["StartedAt"],
            {
                inside: (outside[0]["HostIp"], int(outside[0]["HostPort"]))
                for inside, outside in places.items()
                if outside
            },
        )


def run_in(container: str, command: Sequence[str]) -> Output:
    """Run a command in a running container, as the container's own user.

    :raises HowdahError: the engine does not answer, or the container does not run.
    """
    with _running(container) as found:
        return execs.run(found.client.api, found.id, command)


@contextmanager
def _running(container: str) -> Iterator[Any]:
    import docker
    from docker.errors import DockerException, NotFound
    from requests.exceptions import RequestException

    client: Any = None
    try:
        client = docker.from_env(timeout=24 * 3600)
        found = client.containers.get(container)
        if found.status != "running":
            raise HowdahError(
                f"The container {container} is {found.status}, not running.", f"Try: docker start {container}"
            )
        yield found
    except NotFound as error:
        raise HowdahError(
            f"There is no container {container}.", "Provision the instance with playbooks/site.yml."
        ) from error
    except (DockerException, RequestException) as error:
        raise HowdahError(
            f"The container engine does not answer: {error}.", "Start it, e.g. systemctl start docker."
        ) from error
    finally:
        if client is not None:
            client.close()
