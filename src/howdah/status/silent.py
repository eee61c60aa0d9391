"""What is said of a server that does not answer."""

from __future__ import annotations

import psycopg

from howdah import pg
from howdah.instance import Instance
from howdah.status.model import Problem


def silent(instance: Instance, error: psycopg.Error) -> Problem:
    """Return in one sentence why the server did not answer, and where to look."""
    # libpq goes on with a question of its own on the next line.
    first = (str(error).splitlines() or [""])[0]
    said = first.rpartition(" failed: ")[2] if " failed: " in first else pg.message(error)
    return Problem(
        f"The server does not answer at {instance.server.socket_dir}: {said.rstrip('.')}.",
        f"docker ps --all; docker logs --tail 50 {instance.server.container}",
    )
