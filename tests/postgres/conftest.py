"""The command line, as tests against a real PostgreSQL type it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from howdah.cli import main
from tests.conftest import Database


@pytest.fixture
def howdah(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that runs howdah's command line, with the test's database as its target."""
    for name in ("PGHOST", "PGSERVICE", "PGDATABASE", "PGHOSTADDR", "HOWDAH_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOWDAH_DSN", database.dsn)
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])
