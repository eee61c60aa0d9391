"""The benchmark's PostgreSQL: one server for all, a fresh database for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import psycopg
from psycopg import conninfo, sql

from howdah import revisions
from tests.servers import container

# The same for all. Nothing here is about durability: what is measured is work, not how fast a disk settles.
SETTINGS = {
    "autovacuum": "off",
    "checkpoint_timeout": "30min",
    "fsync": "off",
    "full_page_writes": "off",
    "maintenance_work_mem": "256MB",
    "max_connections": "50",
    "max_wal_size": "4GB",
    "shared_buffers": "1GB",
    "timezone": "UTC",
}
TABLES = ("conversations", "messages", "metrics")

Fingerprint = dict[str, tuple[int, int]]
"""Table → (rows, sum of the hashes of all its rows): equal for equal rows in any order."""


@dataclass(frozen=True)
class Database:
    """A fresh database, and how programs reach it."""

    dsn: str

    @property
    def environment(self) -> dict[str, str]:
        """Return libpq's variables; every driver reads them."""
        parts = conninfo.conninfo_to_dict(self.dsn)
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
        return {variable: str(parts[name]) for name, variable in names.items()}

    def fingerprint(self) -> Fingerprint:
        """Return what is in the tables; zero rows where a table is missing."""
        found: Fingerprint = {}
        with psycopg.connect(self.dsn) as connection:
            for table in TABLES:
                name = sql.Identifier(table)
                statement = sql.SQL(
                    "SELECT count(*), coalesce(sum(hash_record_extended({}, 0)::numeric), 0) FROM {}"
                ).format(name, name)
                rows, total = connection.execute(statement).fetchone() or (0, 0)
                found[table] = (rows, int(total))
        return found


class Server:
    """A throw-away server.

    :ivar dsn: superuser conninfo without a database name.
    """

    def __init__(self, dsn: str, identity: str) -> None:
        self.dsn = dsn
        self._identity = identity
        self._engine: Any = docker.from_env(timeout=60)
        self._databases = 0

    def close(self) -> None:
        """Let go of the container engine."""
        self._engine.close()

    @property
    def version(self) -> str:
        """Return the server's version as it says itself."""
        with psycopg.connect(self.dsn, dbname="postgres") as connection:
            return str(connection.execute("SHOW server_version").fetchone()[0]).split()[0]  # type: ignore[index]

    def cpu_seconds(self) -> float:
        """Return the CPU seconds that the server's container has used so far."""
        found = self._engine.api.stats(self._identity, stream=False, one_shot=True)
        return int(found["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9

    @contextmanager
    def database(self, application: Path | None = None) -> Iterator[Database]:
        """Give a fresh database, with the tables of an application folder, and drop it afterwards."""
        self._databases += 1
        name = f"bench_{self._databases}"
        with psycopg.connect(self.dsn, dbname="postgres", autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            try:
                database = Database(conninfo.make_conninfo(self.dsn, dbname=name))
                if application is not None:
                    revisions.upgrade(database.dsn, application, "public")
                # Nobody pays for what an earlier contestant left to be written.
                admin.execute("CHECKPOINT")
                yield database
            finally:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def server(room: int, *, in_memory: bool = True) -> Iterator[Server]:
    """Start the server, and remove it afterwards.

    :param room: bytes that its data may take at most in memory.
    """
    with container(SETTINGS, in_memory=in_memory, room=f"{room >> 20}m") as started:
        made = Server(started.dsn, started.identity)
        try:
            yield made
        finally:
            made.close()
