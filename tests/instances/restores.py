"""What tests of restores look at."""

from __future__ import annotations

from typing import Any

import docker

from howdah.drill.sandbox import DATA
from tests.instances.provision import Place


def left_behind(place: Place) -> list[str]:
    """Return containers, volumes and folders of restores, and what lies beside the data directory."""
    client: Any = docker.from_env()
    wanted = {"label": [f"io.howdah.environment={place.instance.environment}", "io.howdah.restore"]}
    names = [found.name for found in client.containers.list(all=True, filters=wanted)]
    names += [found.name for found in client.volumes.list(filters=wanted)]
    client.close()
    names += [str(path) for path in (place.instance.state_dir / "restores" / "work").glob("*")]
    return names + [name for name in place.inside("ls", "/var/lib/postgresql/15").split() if name != "main"]


def in_volume(place: Place, script: str) -> str:
    """Run a shell script in the data volume, whether the server runs or not; return what it said."""
    client: Any = docker.from_env()
    model = client.containers.get(place.instance.server.container).attrs
    (volume,) = [mount["Name"] for mount in model["Mounts"] if mount["Destination"] == DATA]
    said = client.containers.run(
        model["Image"], entrypoint=["sh", "-c"], command=[script], working_dir=DATA, network_mode="none", remove=True,
        volumes={volume: {"bind": DATA, "mode": "rw"}},
    )  # fmt: skip
    client.close()
    return said.decode()
