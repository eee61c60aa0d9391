"""Where the tests get a PostgreSQL 15 from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def server() -> Iterator[str]:
    """Give the superuser conninfo of a server, without a database name.

    ``HOWDAH_TEST_DSN`` if it is set; else a throw-away container, removed afterwards.
    """
    given = os.environ.get("HOWDAH_TEST_DSN")
    if given:
        yield given
        return
    with container() as dsn:
        yield dsn


@contextmanager
def container() -> Iterator[str]:
    """Give the conninfo of a throw-away container made from the project's own image."""
    raise RuntimeError(
        "No PostgreSQL to test with. Set HOWDAH_TEST_DSN to a superuser's conninfo, e.g. 'host=/tmp"
        " port=54329 user=postgres'."
    )
    yield ""
