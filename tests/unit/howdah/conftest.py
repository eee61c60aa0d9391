"""An instance on paper, for what is decided without a container; and a user without rights."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
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


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter; those of pytest are private."""
    folder = Path(tempfile.mkdtemp(prefix="howdah-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def unprivileged() -> Callable[[Callable[[], Any]], Any]:
    """Return a function that calls another one as a user whom permissions stop: root ignores them."""

    def call(function: Callable[[], Any]) -> Any:
        if os.geteuid():
            return function()
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                answer = (True, function())
            except BaseException as error:  # noqa: BLE001 - it is raised again in the parent
                answer = (False, error)
            with os.fdopen(writer, "wb") as stream:
                pickle.dump(answer, stream)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            good, value = pickle.load(stream)  # noqa: S301 - from our own child
        os.waitpid(child, 0)
        if not good:
            raise value
        return value

    return call
