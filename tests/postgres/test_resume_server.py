"""A large table goes on where it was after the server crashed or its disk was full."""

from __future__ import annotations

import os
import time

import docker
import psycopg
import pytest
from psycopg import conninfo

from howdah.errors import HowdahError
from howdah.pipeline import Request, migrate
from tests.conftest import Database
from tests.postgres.test_resume import CHUNKS, ROWS, UNIT, at_chunk, sent, small, stages
from tests.servers import container

__all__ = ["sent", "small"]

DISK = "/small"


@pytest.fixture(scope="module")
def machine():
    """A server of its own, to be broken, and the machine that it runs on."""
    with container(disks={DISK: "48m"}) as started:
        engine = docker.from_env(timeout=60)
        yield Database(conninfo.make_conninfo(started.dsn, dbname="postgres")), engine.containers.get(started.identity)
        engine.close()


@pytest.fixture
def source(make_source):
    # About 12 MB that do not compress.
    return make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
        t=[(i, os.urandom(500).hex()) for i in range(1, ROWS + 1)],
    )


def run_in(machine, command):
    code, output = machine.exec_run(["sh", "-c", command])
    assert code == 0, output


def answers(database):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return database.value("SELECT 1")
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise TimeoutError


def test_what_was_staged_outlives_a_crash_of_the_server(machine, source, sent):
    database, host = machine

    def crash():
        pid = database.value("SELECT pid FROM pg_stat_activity WHERE application_name = 'howdah'")
        # The server takes the death of one process for a crash: it ends all and recovers from its log.
        run_in(host, f"kill -9 {pid}")

    with pytest.raises(HowdahError, match="when the server is back, and it goes on"):
        migrate(Request((source,), database.dsn), at_chunk(4, crash))
    assert answers(database)
    assert stages(database) == [3 * UNIT]
    sent.clear()
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert len(sent) == CHUNKS - 3
    database.query("DROP SCHEMA howdah CASCADE; DROP TABLE t")


def test_a_full_disk_keeps_what_was_staged(machine, source, sent):
    database, host = machine
    database.query(f"CREATE TABLESPACE small LOCATION '{DISK}'")
    database.query("ALTER DATABASE postgres SET default_tablespace = small")
    run_in(host, f"head -c 40M /dev/zero > {DISK}/ballast")
    with pytest.raises(HowdahError, match=r"No space left on device.*goes on with .* the chunks that are staged"):
        migrate(Request((source,), database.dsn))
    (there,) = stages(database)
    assert 0 < there < ROWS
    kept = database.value("SELECT count(*) FROM howdah.staged_chunk")
    run_in(host, f"rm {DISK}/ballast")
    sent.clear()
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert len(sent) == CHUNKS - kept
