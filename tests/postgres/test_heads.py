"""An application's schema that is known to be at its head needs no Alembic; whatever changed is seen all the same."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from howdah import snapshot
from howdah.pipeline import migrate, plan

SECOND = '''"""The second."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.execute("ALTER TABLE t ADD COLUMN more text")
'''


@pytest.fixture
def request_(make_source, application):
    make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)", t=[(1, 2), (3, 4)])
    return application("CREATE TABLE t (id bigint PRIMARY KEY, n integer)")


def migrates(request):
    """Run ``howdah migrate`` in a process of its own; return what it ended with and which modules it loaded."""
    script = f"""
import sys
from pathlib import PosixPath
from howdah.pipeline import Request, migrate
report = migrate({request!r})
print(report.changed, report.verdict)
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    said, modules = done.stdout.splitlines()
    return said, set(modules.split())


def settled(path):
    """Wait until a change of the file would show."""
    deadline = time.monotonic() + 10
    while not snapshot.stamp(path).settled:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_run_that_finds_the_head_reached_loads_no_alembic(database, request_):
    def loads():
        said, modules = migrates(request_)
        return said, modules & {"alembic", "sqlalchemy"}

    assert loads() == ("True verified", {"alembic", "sqlalchemy"})
    assert loads() == ("False verified", set())
    # Forgotten, or never known: asked once more, and kept again.
    database.query("DELETE FROM howdah.object WHERE kind = 'head'")
    assert loads() == ("False verified", {"alembic", "sqlalchemy"})
    assert loads() == ("False verified", set())


def test_a_run_that_finds_nothing_changed_loads_nothing_that_reads_schemas_or_moves_rows(request_):
    settled(request_.sources[0] / "shop.db")
    rows = {"howdah.apply", "howdah.load", "howdah.verify", "pyarrow", "numpy"}
    schemas = {"howdah.ddl", "howdah.catalog.statements", "howdah.definition", "howdah.profiling", "sqlglot"}
    said, modules = migrates(request_)
    assert (said, modules & (rows | schemas) >= {"howdah.apply", "numpy", "sqlglot"}) == ("True verified", True)
    said, modules = migrates(request_)
    assert (said, modules & (rows | schemas | {"howdah.salvage", "rich", "alembic"})) == ("False verified", set())


def test_a_new_revision_is_seen_and_run(database, request_):
    migrate(request_)
    (request_.application / "versions" / "0002.py").write_text(SECOND)
    assert plan(request_).statements == ("0002: The second.",)
    assert migrate(request_).created == ("revision 0002: The second.",)
    assert database.query("SELECT id, n, more FROM t ORDER BY id") == [(1, 2, None), (3, 4, None)]
    assert plan(request_).statements == ()


def test_a_schema_that_was_taken_back_is_brought_to_its_head_again(database, request_):
    (request_.application / "versions" / "0002.py").write_text(SECOND)
    migrate(request_)
    database.query("ALTER TABLE t DROP COLUMN more; UPDATE alembic_version SET version_num = '0001'")
    assert migrate(request_).created == ("revision 0002: The second.",)
    assert database.query("SELECT id, n, more FROM t ORDER BY id") == [(1, 2, None), (3, 4, None)]
