"""One instance for the tests of a module: making it takes ten seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.instances.provision import Place, provisioned


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with provisioned() as made:
        yield made
