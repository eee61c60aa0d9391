"""Fixtures for tests against a real PostgreSQL 15."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import conninfo, sql

from tests.servers import server

# How long an example takes hangs on what else the machine does, other workers' tests above all.
settings.register_profile("howdah", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("howdah")

# Files and folders, the longest first: what is short fills the gaps at the end.
LONGEST = (
    "molecule",
    "instances/test_restore.py",
    "instances/test_drill.py",
    "instances/test_killed.py",
    "instances",
    "bench",
    "postgres",
    "unit/test_escrow.py",
    "unit/test_required_proof.py",
    "unit/test_sample.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the files for workers, which take one after the other; by hand they run as they are named."""
    if not hasattr(config, "workerinput"):
        return

    def rank(item: pytest.Item) -> int:
        path = item.path.relative_to(Path(__file__).parent)
        found = (n for n, name in enumerate(LONGEST) if Path(name) in (path, *path.parents))
        return next(found, len(LONGEST))

    items.sort(key=rank)


class Database(str):
    """A fresh database of the test server: its conninfo, with shortcuts."""

    __slots__ = ()

    @property
    def dsn(self) -> str:
        """Return the conninfo."""
        return str(self)

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with psycopg.connect(self, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, *parameters: Any) -> Any:
        """Run one statement and return its only value."""
        return self.query(statement, *parameters)[0][0]


@pytest.fixture(scope="session")
def server_dsn() -> Iterator[str]:
    with server() as dsn:
        yield dsn


@pytest.fixture
def database(server_dsn: str) -> Iterator[Database]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = conninfo.make_conninfo(server_dsn, dbname="postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(name))
        )
    try:
        yield Database(conninfo.make_conninfo(server_dsn, dbname=name))
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def make_source(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a SQLite file from a script, and rows from further arguments."""

    def make(script: str, name: str = "shop.db", **rows: list[tuple[Any, ...]]) -> Path:
        path = tmp_path / name
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
            for table, values in rows.items():
                if not values:
                    continue
                marks = ", ".join("?" * len(values[0]))
                connection.executemany(f'INSERT INTO "{table}" VALUES ({marks})', values)
            connection.commit()
        return path

    return make


@pytest.fixture
def damaged_index(make_source: Callable[..., Path]) -> Path:
    """Return a source that is large enough to be looked at in the background, with a damaged page of an index."""
    rows = [(n, f"{n:06d}" + "x" * 500) for n in range(8000)]
    path = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX i ON t (v)", t=rows)
    raw = bytearray(path.read_bytes())
    # The head of a leaf of the index (10): nobody who reads rows comes by.
    at = next(at for at in range(4096, len(raw), 4096) if raw[at] == 10)
    raw[at : at + 8] = b"\xa5" * 8
    path.write_bytes(raw)
    return path


@pytest.fixture(params=["", " WITHOUT ROWID"])
def damaged_row(make_source: Callable[..., Path], request: pytest.FixtureRequest) -> Path:
    """Return a source that is large enough to be looked at in the background, with a row that cannot be read."""
    rows = [(f"{n:06d}", f"value {n:06d}", "x" * 50) for n in range(80_000)]
    path = make_source(f"CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT, w TEXT){request.param}", t=rows)
    raw = bytearray(path.read_bytes())
    # The size of the head of its record, in front of three types and the first value.
    at = raw.index(b"070020value 070020") - 4
    assert raw[at] == 4
    raw[at] = 0x7F
    path.write_bytes(raw)
    return path


@pytest.fixture
def change() -> Callable[[Path, str], None]:
    """Return a function that runs a script on a SQLite file."""

    def run(path: Path, script: str) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
            connection.commit()

    return run
