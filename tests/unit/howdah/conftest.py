"""An instance on paper, for what is decided without a container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from howdah.instance import Instance


@pytest.fixture
def described(tmp_path: Path) -> dict[str, Any]:
    """What an instance's file says."""
    return {
        "name": "howdah-test",
        "environment": "test",
        "state_dir": str(tmp_path / "state"),
        "server": {"container": "howdah-test-postgres", "socket_dir": str(tmp_path / "socket"), "port": 15432},
        "pooler": {"container": "howdah-test-pgbouncer", "port": 16432},
        "repository": {"stanza": "main", "path": str(tmp_path / "repository")},
    }


@pytest.fixture
def instance(described: dict[str, Any]) -> Instance:
    return Instance.model_validate(described)
