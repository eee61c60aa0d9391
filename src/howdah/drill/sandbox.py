"""A throw-away container of the instance's own image: no network, a volume of its own, the repository read-only.

Every container and volume has labels; what a killed drill left is found by them and removed by the next one.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg

from howdah import execs
from howdah.errors import HowdahError, RestoreFailed
from howdah.execs import Output
from howdah.instance import Instance

ENVIRONMENT = "io.howdah.environment"
DRILL = "io.howdah.drill"
RESTORE = "io.howdah.restore"
DATA = "/var/lib/postgresql"
_SOCKET = "/run/postgresql"
_STOP_SECONDS = 120
# A copy talks to nobody, archives nothing, waits for no standby, and changes no page by itself.
_OVERRIDES = {
    "archive_mode": "off",
    "listen_addresses": "127.0.0.1",
    "synchronous_standby_names": "",
    "autovacuum": "off",
    "log_destination": "stderr",
    "logging_collector": "off",
}


@contextmanager
def engine() -> Iterator[Any]:
    """Give a client of the container engine.

    :raises HowdahError: it does not answer, or refuses.
    """
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    client: Any = None
    try:
        client = docker.from_env(timeout=24 * 3600)
        yield client
    except (DockerException, RequestException) as error:
        raise HowdahError(f"The container engine refuses: {error}.", "See whether docker info answers.") from error
    finally:
        if client is not None:
            client.close()


def work_dir(instance: Instance, label: str = DRILL) -> Path:
    """Return the folder in which drills, or restores, that run have theirs.

    :param label: that their containers and volumes have.
    """
    return instance.state_dir / ("drills" if label == DRILL else "restores") / "work"


def remove_left_over(client: Any, instance: Instance, label: str = DRILL) -> None:
    """Remove what killed drills of this instance left. Only who holds the lock may ask.

    :param label: that its containers and volumes have.
    """
    wanted = {"label": [f"{ENVIRONMENT}={instance.environment}", label]}
    for left in client.containers.list(all=True, filters=wanted, ignore_removed=True):
        left.remove(force=True, v=True)
    for volume in client.volumes.list(filters=wanted):
        volume.remove(force=True)
    # What cannot be removed now is in nobody's way: the next one comes by here before it begins.
    shutil.rmtree(work_dir(instance, label), ignore_errors=True)


@dataclass
class Work:
    """A command under way on the volume of a sandbox.

    :ivar began: when its container was made, by the monotonic clock.
    :ivar seconds: how long it took, however late somebody waits for it; 0 until then.
    """

    container: Any
    began: float
    seconds: float = 0.0

    def end(self) -> Output:
        """Wait for its end; its container goes."""
        code = self.container.wait()["StatusCode"]
        self.container.reload()
        state = self.container.attrs["State"]
        started, finished = (datetime.fromisoformat(state[key]) for key in ("StartedAt", "FinishedAt"))
        self.seconds += (finished - started).total_seconds()
        out = self.container.logs(stdout=True, stderr=False).decode("utf-8", "replace")
        err = self.container.logs(stdout=False, stderr=True).decode("utf-8", "replace")
        self.container.remove(v=True)
        return Output(int(code), out, err)


@dataclass(frozen=True)
class Sandbox:
    """A place to restore into.

    :ivar folder: holds the copy's socket; root of the host administrates through it, as with the instance.
    :ivar model: the instance's container: image, user, limits and mounts are taken from it.
    :ivar volume: holds the data: a volume's name, or a folder of the host; empty: one of its own, named as it is.
    :ivar genuine: it works for the instance itself: it may write where the instance may, and reaches what that reaches.
    :ivar pgdata: the data directory; empty: the image's own.
    :ivar settings: the server's, besides the instance's own.
    """

    client: Any
    identity: str
    name: str
    folder: Path
    labels: dict[str, str]
    model: dict[str, Any]
    volume: str = ""
    genuine: bool = False
    pgdata: str = ""
    settings: Mapping[str, str] = field(default_factory=lambda: _OVERRIDES)

    def dsn(self, database: str) -> str:
        """Return the administrator's connection string to the copy."""
        return f"host={self.folder} port=5432 user=postgres dbname={database}"

    def run(
        self, command: Sequence[str], step: str, *, network: bool = False, mounts: Mapping[str, str] | None = None
    ) -> Output:
        """Run a command on the volume, with no server on it, to its end; as :meth:`begin`."""
        return self.begin(command, step, network=network, mounts=mounts).end()

    def begin(
        self, command: Sequence[str], step: str, *, network: bool = False, mounts: Mapping[str, str] | None = None
    ) -> Work:
        """Begin a command on the volume, with no server on it.

        :param network: it may reach what the instance can reach, for a repository that is not on this host.
        :param mounts: further folders of the host, read-only → where the command finds them.
        """
        began = time.monotonic()
        container = self._create(
            f"{self.name}-{step}", list(command[:1]), list(command[1:]), network=network, more_mounts=mounts or {}
        )
        container.start()
        return Work(container, began, time.monotonic() - began)

    def start(self, **more: str) -> None:
        """Start the server on what was restored; it goes on to replay.

        :param more: settings for this start alone.
        """
        settings = {**self.settings, **more}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._create(self.name, None, [*(self.model["Config"]["Cmd"] or ()), *options]).start()

    def wait_for_promotion(self, patience: float) -> None:
        """Wait until recovery has ended: a server answers long before.

        :param patience: seconds.
        :raises RestoreFailed: it ended, or goes on for longer.
        """
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if self.client.containers.get(self.name).status not in ("created", "running"):
                raise RestoreFailed(
                    f"The copy ended during its replay: {self._fatal()}.",
                    "See whether the archive has a gap: howdah backup --check.",
                )
            with suppress(psycopg.OperationalError), psycopg.connect(self.dsn("postgres"), connect_timeout=5) as asked:
                if asked.execute("SELECT pg_is_in_recovery()").fetchone() == (False,):
                    return
            time.sleep(0.05)
        raise RestoreFailed(
            f"The replay did not end within {patience:.0f} s.", "Give it more time, or look at its WAL."
        )

    def inside(self, *command: str) -> Output:
        """Run a command beside the server of the copy."""
        return execs.run(self.client.api, self.name, command)

    def begin_inside(self, *command: str) -> Callable[[], Output]:
        """Begin a command beside the server of the copy; what is returned waits for its end and reads what it said."""
        return execs.begin(self.client.api, self.name, command)

    def log(self) -> str:
        """Return what the server of the copy said."""
        return str(self.client.containers.get(self.name).logs().decode("utf-8", "replace"))

    def stop(self) -> None:
        """Stop the server cleanly."""
        container = self.client.containers.get(self.name)
        container.stop(timeout=_STOP_SECONDS)

    def remove(self) -> None:
        """Remove the server's container; what it wrote stays."""
        self.client.containers.get(self.name).remove(force=True)

    def _fatal(self) -> str:
        lines = [line for line in self.log().splitlines() if "FATAL" in line or "PANIC" in line]
        return lines[-1].partition("] ")[2] or lines[-1] if lines else "it gave no reason"

    def _create(
        self,
        name: str,
        entrypoint: list[str] | None,
        command: list[str],
        *,
        network: bool = False,
        more_mounts: Mapping[str, str] = MappingProxyType({}),
    ) -> Any:
        host, config = self.model["HostConfig"], self.model["Config"]
        mounts = {
            mount["Source"]: {
                "bind": mount["Destination"],
                "mode": "rw" if self.genuine and mount["RW"] else "ro",
            }
            for mount in self.model["Mounts"]
            if mount["Type"] == "bind" and mount["Destination"] not in (DATA, _SOCKET)
        }
        mounts |= {outside: {"bind": inside, "mode": "ro"} for outside, inside in more_mounts.items()}
        mounts[self.volume or self.name] = {"bind": DATA, "mode": "rw"}
        mounts[str(self.folder)] = {"bind": _SOCKET, "mode": "rw"}
        return self.client.containers.create(
            self.model["Image"],
            entrypoint=entrypoint,
            command=command,
            name=name,
            labels=self.labels,
            environment={"PGDATA": self.pgdata} if self.pgdata else None,
            network_mode=host["NetworkMode"] if network or self.genuine else "none",
            extra_hosts=host["ExtraHosts"] if network or self.genuine else None,
            user=config["User"],
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            read_only=True,
            tmpfs=host["Tmpfs"] or {"/tmp": "rw,noexec,nosuid,nodev"},  # noqa: S108 - inside the container
            mem_limit=host["Memory"] or None,
            nano_cpus=host["NanoCpus"] or None,
            pids_limit=host["PidsLimit"] or None,
            shm_size=host["ShmSize"],
            volumes=mounts,
            stop_signal="SIGINT",
        )


def prepared(client: Any, instance: Instance, identity: str, label: str) -> Sandbox:
    """Return a place whose folder is made; nothing else of it is there yet.

    :param identity: part of every name.
    :param label: that its containers get.
    :raises HowdahError: there is no container of the instance to take after.
    """
    from docker.errors import NotFound

    try:
        model = client.containers.get(instance.server.container).attrs
    except NotFound as error:
        raise HowdahError(
            f"There is no container {instance.server.container}.", "Provision the instance with playbooks/site.yml."
        ) from error
    folder = work_dir(instance, label) / identity
    folder.mkdir(mode=0o700, parents=True)
    uid = int((model["Config"]["User"] or "0").partition(":")[0])
    os.chown(folder, uid, -1)
    labels = {ENVIRONMENT: instance.environment, label: identity}
    return Sandbox(client, identity, f"{instance.name}-{identity}", folder, labels, model)


@contextmanager
def sandbox(client: Any, instance: Instance, identity: str, label: str = DRILL) -> Iterator[Sandbox]:
    """Give a place to restore into; container, volume and folder go with the block, whatever happened.

    :param identity: of the drill, part of every name.
    :param label: that its containers and volumes get.
    """
    copy = prepared(client, instance, identity, label)
    try:
        client.volumes.create(copy.name, labels=copy.labels)
        yield copy
    finally:
        remove_left_over(client, instance, label)
