"""A throw-away container of the instance's own image: no network, a volume of its own, the repository read-only.

Every container and volume has labels; what a killed drill left is found by them and removed by the next one.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from howdah.errors import HowdahError, RestoreFailed
from howdah.instance import Instance, Output, run_in

ENVIRONMENT = "io.howdah.environment"
DRILL = "io.howdah.drill"
_DATA = "/var/lib/postgresql"
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

    client: Any = None
    try:
        client = docker.from_env(timeout=24 * 3600)
        yield client
    except DockerException as error:
        raise HowdahError(f"The container engine refuses: {error}.", "See whether docker info answers.") from error
    finally:
        if client is not None:
            client.close()


def work_dir(instance: Instance) -> Path:
    """Return the folder in which drills that run have theirs."""
    return instance.state_dir / "drills" / "work"


def remove_left_over(client: Any, instance: Instance) -> list[str]:
    """Remove what killed drills of this instance left; return their identities. Only who holds the lock may ask."""
    found = {path.name for path in work_dir(instance).glob("*")}
    wanted = {"label": [f"{ENVIRONMENT}={instance.environment}", DRILL]}
    for left in client.containers.list(all=True, filters=wanted, ignore_removed=True):
        found.add(left.labels[DRILL])
        left.remove(force=True, v=True)
    for volume in client.volumes.list(filters=wanted):
        found.add(volume.attrs["Labels"][DRILL])
        volume.remove(force=True)
    # What cannot be removed now is in nobody's way: the next drill comes by here before it begins.
    shutil.rmtree(work_dir(instance), ignore_errors=True)
    return sorted(found)


@dataclass(frozen=True)
class Sandbox:
    """A place to restore into.

    :ivar folder: holds the copy's socket; root of the host administrates through it, as with the instance.
    :ivar model: the instance's container: image, user, limits and mounts are taken from it.
    """

    client: Any
    identity: str
    name: str
    folder: Path
    labels: dict[str, str]
    model: dict[str, Any]

    def dsn(self, database: str) -> str:
        """Return the administrator's connection string to the copy."""
        return f"host={self.folder} port=5432 user=postgres dbname={database}"

    def run(self, command: Sequence[str], step: str, *, network: bool = False) -> Output:
        """Run a command on the volume, with no server on it, to its end.

        :param network: it may reach what the instance can reach, for a repository that is not on this host.
        """
        container = self._create(f"{self.name}-{step}", list(command[:1]), list(command[1:]), network=network)
        container.start()
        code = container.wait()["StatusCode"]
        out = container.logs(stdout=True, stderr=False).decode("utf-8", "replace")
        err = container.logs(stdout=False, stderr=True).decode("utf-8", "replace")
        container.remove(v=True)
        return Output(int(code), out, err)

    def start(self) -> None:
        """Start the server on what was restored; it goes on to replay."""
        options = [part for name, value in _OVERRIDES.items() for part in ("-c", f"{name}={value}")]
        self._create(self.name, None, [*(self.model["Config"]["Cmd"] or ()), *options]).start()

    def wait_for_promotion(self, patience: float) -> None:
        """Wait until recovery has ended: a server answers long before.

        :param patience: seconds.
        :raises RestoreFailed: it ended, or goes on for longer.
        """
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if self.client.containers.get(self.name).status not in ("created", "running"):
                raise RestoreFailed(f"The copy ended during its replay: {self._fatal()}.", "See the drill's findings.")
            with suppress(psycopg.OperationalError), psycopg.connect(self.dsn("postgres"), connect_timeout=5) as asked:
                if asked.execute("SELECT pg_is_in_recovery()").fetchone() == (False,):
                    return
            time.sleep(0.1)
        raise RestoreFailed(
            f"The replay did not end within {patience:.0f} s.", "Give it more time, or look at its WAL."
        )

    def inside(self, *command: str) -> Output:
        """Run a command beside the server of the copy."""
        return run_in(self.name, command)

    def log(self) -> str:
        """Return what the server of the copy said."""
        return str(self.client.containers.get(self.name).logs().decode("utf-8", "replace"))

    def stop(self) -> None:
        """Stop the server cleanly."""
        container = self.client.containers.get(self.name)
        container.stop(timeout=_STOP_SECONDS)

    def _fatal(self) -> str:
        lines = [line for line in self.log().splitlines() if "FATAL" in line or "PANIC" in line]
        return lines[-1].partition("] ")[2] or lines[-1] if lines else "it gave no reason"

    def _create(self, name: str, entrypoint: list[str] | None, command: list[str], *, network: bool = False) -> Any:
        host, config = self.model["HostConfig"], self.model["Config"]
        mounts = {
            mount["Source"]: {"bind": mount["Destination"], "mode": "ro"}
            for mount in self.model["Mounts"]
            if mount["Type"] == "bind" and mount["Destination"] != _SOCKET
        }
        mounts[self.name] = {"bind": _DATA, "mode": "rw"}
        mounts[str(self.folder)] = {"bind": _SOCKET, "mode": "rw"}
        return self.client.containers.create(
            self.model["Image"],
            entrypoint=entrypoint,
            command=command,
            name=name,
            labels=self.labels,
            network_mode=host["NetworkMode"] if network else "none",
            extra_hosts=host["ExtraHosts"] if network else None,
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


@contextmanager
def sandbox(client: Any, instance: Instance, identity: str) -> Iterator[Sandbox]:
    """Give a place to restore into; container, volume and folder go with the block, whatever happened.

    :param identity: of the drill, part of every name.
    """
    name = f"{instance.name}-{identity}"
    labels = {ENVIRONMENT: instance.environment, DRILL: identity}
    model = client.containers.get(instance.server.container).attrs
    folder = work_dir(instance) / identity
    folder.mkdir(mode=0o700, parents=True)
    uid = int((model["Config"]["User"] or "0").partition(":")[0])
    os.chown(folder, uid, -1)
    client.volumes.create(name, labels=labels)
    try:
        yield Sandbox(client, identity, name, folder, labels, model)
    finally:
        remove_left_over(client, instance)
