"""No scenario of molecule is forgotten."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_scenario_has_a_test_that_runs_it() -> None:
    scenarios = {path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")}
    assert len(scenarios) >= 2
    for name in scenarios:
        assert f'passes("{name}")' in (ROOT / "tests" / "molecule" / "test_scenarios.py").read_text()
