"""What tests of restores look at."""

from __future__ import annotations

from typing import Any

import docker

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
