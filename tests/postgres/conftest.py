"""What several tests against a real PostgreSQL need: the command line as one types it, a source with a bad page,
an application."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from howdah.cli import main
from howdah.pipeline import Request
from tests.conftest import Database

PAGE = 4096
REVISION = '''"""The first."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.execute("""{ddl}""")
'''


@pytest.fixture
def howdah(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that runs howdah's command line, with the test's database as its target."""
    for name in ("PGHOST", "PGSERVICE", "PGDATABASE", "PGHOSTADDR", "HOWDAH_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOWDAH_DSN", database.dsn)
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def damaged(make_source: Callable[..., Path]) -> Path:
    """Return a file with one page that is no page of a database."""
    path = make_source(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, code TEXT UNIQUE, body TEXT); CREATE TABLE fine (id INTEGER)",
        notes=[(n, f"code-{n:05}", f"note-{n:05}-" + "x" * 200) for n in range(1, 1001)],
        fine=[(n,) for n in range(100)],
    )
    raw = bytearray(path.read_bytes())
    at = raw.index(b"note-00500-") // PAGE * PAGE
    raw[at : at + PAGE] = b"\xa5" * PAGE
    path.write_bytes(raw)
    return path


@pytest.fixture
def application(database: Database, tmp_path: Path) -> Callable[..., Request]:
    """Return a function that makes an application of a schema, and gives the request that moves its sources."""

    def make(ddl: str, **request: Any) -> Request:
        folder = tmp_path / "shop"
        (folder / "versions").mkdir(parents=True)
        (folder / "versions" / "0001.py").write_text(REVISION.format(ddl=ddl))
        (folder / "application.yml").write_text(
            "{name: shop, title: Shop, database: shop, sources: [{name: shop, path: '*.db'}]}"
        )
        return Request((tmp_path,), database.dsn, application=folder, **request)

    return make
