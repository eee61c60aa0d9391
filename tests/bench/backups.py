"""Drill and manifest, beside what they are made of: plain ``pgbackrest restore``, and a scan that reads every value.

They need a whole instance: the source's rows in a server with a repository and a full backup.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import docker

from howdah import backup
from howdah.drill import history
from tests.bench.measure import measure
from tests.bench.results import Run, failure
from tests.bench.tools import HERE
from tests.instances.provision import Place, provisioned
from tests.servers import newest_image

if TYPE_CHECKING:
    from tests.bench.contest import Step

# The one that the instance of the tests lets its service log in to.
DATABASE = "shop_db"


@dataclass(frozen=True)
class Ground:
    """An instance with the source's rows and a full backup of them.

    :ivar report: file in which a command may say how long its own work took.
    """

    place: Place
    image: str
    report: Path
    howdah: str

    @property
    def file(self) -> str:
        """The instance's file."""
        return str(self.place.file)

    @property
    def version(self) -> str:
        """Return the server's version as it says itself."""
        return str(self.place.value("SHOW server_version")).split()[0]


def restore(ground: Ground) -> list[str]:
    """Return the command that restores the backup's files, in a container like that of a drill, and nothing else."""
    config, repository = ground.place.file.parent / "backup", ground.place.instance.repository.path
    return [
        *("docker", "run", "--rm", "--network=none", "--memory=512m", "--entrypoint=pgbackrest"),
        *("--tmpfs=/tmp:rw,mode=1777", f"--volume={config}:/etc/howdah/backup:ro"),
        *(f"--volume={repository}:/var/lib/pgbackrest:ro", ground.image, "--config=/etc/howdah/backup/pgbackrest.conf"),
        *("--stanza=main", "--log-level-console=warn", "--archive-mode=off", "--type=immediate", "restore"),
    ]


def drill(ground: Ground) -> list[str]:
    """Return the command of a drill."""
    return [ground.howdah, "drill", "--instance", ground.file, "--json"]


def program(name: str) -> Callable[[Ground], list[str]]:
    """Return what makes the command of a program of the benchmark's own."""
    return lambda ground: [
        sys.executable, str(HERE / "programs" / f"{name}.py"), ground.file, DATABASE, str(ground.report)
    ]  # fmt: skip


@contextmanager
def ground(source: Path, application: Path, folder: Path, howdah: str) -> Iterator[Ground]:
    """Give an instance with the rows of a source.

    :raises RuntimeError: they could not be moved.
    """
    client = docker.from_env(timeout=60)
    image = newest_image(client).id
    client.close()
    with provisioned() as place:
        command = [
            howdah,
            "migrate",
            str(source),
            "--to",
            place.instance.dsn(DATABASE),
            "--application",
            str(application),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"The rows could not be moved into an instance: {done.stderr.strip()[-500:]}")
        place.query("VACUUM (ANALYZE, PARALLEL 0)", DATABASE)
        backup.take(place.instance, "full")
        yield Ground(place, image, folder / "backups.json", howdah)


def rounds(ground: Ground, steps: Sequence[Step], count: int, limit: float) -> Iterator[Run]:
    """Yield every run; each second round goes backwards, so that nobody always has the same neighbour.

    :param limit: seconds that one command may take.
    """
    for number in range(count):
        for step in steps[:: -1 if number % 2 else 1]:
            ground.report.unlink(missing_ok=True)
            usage = measure(step.command(ground), {}, limit, lambda: 0.0)
            report = json.loads(ground.report.read_text()) if ground.report.exists() else {}
            stages = history.read(ground.place.instance)[-1].phases if step.name == "drill" else {}
            yield Run(step.name, number, report.get("seconds", usage.seconds), usage, stages, failure(usage, limit))
