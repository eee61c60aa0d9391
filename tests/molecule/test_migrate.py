"""Applications move, and nothing moves the second time."""

from __future__ import annotations

from tests.molecule.scenario import passes


def test_scenario() -> None:
    passes("migrate")
