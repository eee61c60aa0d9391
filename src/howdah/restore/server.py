"""The instance's own server: stopped, started, and asked whether it is one again."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import psycopg

from howdah import pooler
from howdah.errors import HowdahError, RestoreFailed
from howdah.instance import Instance

START_SECONDS = 300.0


def answers(instance: Instance) -> bool:
    """Return whether the server takes work: it may run and be in recovery, or be broken."""
    with suppress(psycopg.Error), psycopg.connect(instance.dsn(), connect_timeout=5) as connection:
        return connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
    return False


def runs(client: Any, instance: Instance) -> bool:
    """Return whether the server's container is meant to run, even if it only tries."""
    return client.containers.get(instance.server.container).status in ("running", "restarting", "paused")


def started(client: Any, instance: Instance) -> str:
    """Return which start of which container was the server's last: as long as it is the same, nobody started it."""
    container = client.containers.get(instance.server.container)
    return f"{container.id} {container.attrs['State']['StartedAt']}"


def stop(client: Any, instance: Instance) -> None:
    """Stop the server with its container's own patience; what does not run is fine."""
    client.containers.get(instance.server.container).stop()


def launch(client: Any, instance: Instance) -> None:
    """Start the server's container, and wait for nothing."""
    client.containers.get(instance.server.container).start()


def start(client: Any, instance: Instance, *, patience: float = START_SECONDS) -> None:
    """Start the server and wait until it takes work.

    :param patience: seconds.
    :raises RestoreFailed: it ended, or never did.
    """
    container = client.containers.get(instance.server.container)
    container.start()
    until = time.monotonic() + patience
    while not answers(instance):
        container.reload()
        if container.status not in ("running", "restarting") or time.monotonic() > until:
            last = container.logs(tail=1).decode("utf-8", "replace").strip()
            raise RestoreFailed(
                f"The server {instance.server.container} is {container.status} and does not answer: {last}.",
                f"See docker logs {instance.server.container}.",
            )
        time.sleep(0.1)


def reconnect(client: Any, instance: Instance) -> str:
    """Have the pooler connect anew; return what became of it, for people."""
    if not client.containers.list(filters={"name": f"^{instance.pooler.container}$"}):
        return "it does not run"
    try:
        pooler.console(instance.pooler.container, "RECONNECT")
    except HowdahError as error:
        return error.what
    return "reconnected"
