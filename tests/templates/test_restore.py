"""What the role restore types: only what was said, each with its option."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.templates.conftest import ROOT, defaults


@pytest.fixture
def typed(loader):
    """Return a function: what the inventory says, to the arguments of the command."""
    from ansible.template import Templar, trust_as_template

    def arguments(**said: Any) -> list[str]:
        file = ROOT / "roles" / "restore" / "vars" / "main.yml"
        variables = defaults("restore") | loader.load_from_file(str(file), trusted_as_template=True) | said
        return Templar(loader, variables=variables).template(trust_as_template("{{ _restore_arguments }}"))

    return arguments


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"restore_to": "latest", "restore_confirm": "x"}, ["--to", "latest", "--confirm", "x"]),
        ({"restore_time": "2026-01-01 00:00:00+00:00"}, ["--to-time", "2026-01-01 00:00:00+00:00"]),
        ({"restore_lsn": "0/28", "restore_in_place": True}, ["--in-place", "--to-lsn", "0/28"]),
        (
            {"restore_point": "p", "restore_timeline": "2", "restore_backup": "b"},
            ["--to-point", "p", "--timeline", "2", "--backup", "b"],
        ),
    ],
)
def test_only_what_was_said_is_typed(typed, said, expected):
    assert typed(**said) == ["restore", "--instance", "/etc/howdah/instance.yml", "--repo", "1", *expected]


def test_the_playbook_asks_for_the_environments_name_first():
    (play,) = yaml.safe_load((ROOT / "playbooks" / "restore.yml").read_text(encoding="utf-8"))
    assert play["pre_tasks"][0]["ansible.builtin.assert"]["that"] == "confirm | default('') == howdah_environment"
