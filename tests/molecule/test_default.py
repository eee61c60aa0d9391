"""A server is provisioned, again, and changed."""

from __future__ import annotations

from tests.molecule.scenario import passes


def test_scenario() -> None:
    passes("default")
