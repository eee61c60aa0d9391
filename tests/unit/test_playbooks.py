"""Playbooks say how they are used, parse with every inventory, and hold no logic."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
INVENTORIES = ["local", "staging", "production"]

playbooks = pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)
inventories = pytest.mark.parametrize("inventory", INVENTORIES)


def plays(playbook: Path) -> list[dict[str, Any]]:
    return yaml.safe_load(playbook.read_text(encoding="utf-8"))


def ansible(tool: str, *arguments: str | Path, home: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    environment |= {"ANSIBLE_HOME": str(home), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    program = Path(sys.executable).with_name(tool)
    done = subprocess.run(
        [program, *arguments], cwd=ROOT, env=environment, text=True, capture_output=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@playbooks
def test_a_playbook_says_how_it_is_used(playbook):
    header = playbook.read_text(encoding="utf-8").partition("\n- ")[0]
    usage = re.search(r"^# Usage: (ansible-playbook .+)$", header, re.MULTILINE)
    assert usage, "no # Usage: line"
    assert f"playbooks/{playbook.name}" in usage[1]


@inventories
def test_every_playbook_parses(inventory, tmp_path):
    said = ansible("ansible-playbook", "--syntax-check", "-i", f"inventories/{inventory}", *PLAYBOOKS, home=tmp_path)
    assert said.count("playbook: ") == len(PLAYBOOKS)


@cache
def entry_points(role: str) -> set[str]:
    described = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    return set(described["argument_specs"])


@playbooks
def test_a_playbook_only_imports(playbook):
    for play in plays(playbook):
        assert play["name"]
        if "ansible.builtin.import_playbook" in play:
            assert set(play) == {"name", "ansible.builtin.import_playbook"}
            assert (ROOT / "playbooks" / play["ansible.builtin.import_playbook"]).is_file()
            continue
        assert not {"roles", "handlers", "post_tasks"} & set(play)
        assert play["tasks"]
        for task in play["tasks"]:
            assert set(task) == {"name", "ansible.builtin.import_role"}, task
            role = task["ansible.builtin.import_role"]
            assert set(role) <= {"name", "tasks_from"}
            assert role.get("tasks_from", "main") in entry_points(role["name"]), "not described by the role"


@playbooks
def test_before_its_tasks_a_playbook_only_settles_and_asserts(playbook):
    for play in plays(playbook):
        for task in play.get("pre_tasks", ()):
            assert set(task) in (
                {"name", "ansible.builtin.set_fact"},
                {"name", "ansible.builtin.assert"},
            ), task["name"]
            assert all(value == f"{{{{ {key} }}}}" for key, value in task.get("ansible.builtin.set_fact", {}).items())


@playbooks
def test_the_declaration_is_settled_before_anything_changes(playbook):
    for play in plays(playbook):
        if "ansible.builtin.import_playbook" not in play:
            settled = [task.get("ansible.builtin.set_fact", {}) for task in play["pre_tasks"]]
            assert {"howdah_estate", "howdah_capacity", "howdah_fingerprint"} in [set(facts) for facts in settled]


def test_the_dangerous_verb_asks_for_the_environments_name_first():
    (play,) = plays(ROOT / "playbooks" / "down.yml")
    first = play["pre_tasks"][0]["ansible.builtin.assert"]
    assert first["that"] == "confirm | default('') == howdah_environment"


@inventories
def test_the_declaration_of_an_inventory_is_accepted(inventory, tmp_path):
    """Through Ansible itself: what its templating hands to the filters is no plain dictionary."""
    said = ansible(
        "ansible-inventory", "-i", f"inventories/{inventory}", "--playbook-dir", "playbooks", "--list", home=tmp_path
    )
    (host,) = json.loads(said)["howdah"]["hosts"]
    said = ansible(
        *("ansible", host, "-i", f"inventories/{inventory}", "--playbook-dir", "playbooks"),
        *("-m", "ansible.builtin.debug", "-a", "msg={{ howdah_capacity | to_json }}"),
        home=tmp_path,
    )
    capacity = yaml.safe_load(said.partition("=>")[2])["msg"]
    capacity = json.loads(capacity) if isinstance(capacity, str) else capacity
    assert {pool["database"] for pool in capacity["pools"]} == {
        *("dadm_db", "camunda_db", "echo_db", "openai_db", "monitor_db")
    }
    assert capacity["client_demand"] <= capacity["max_client_conn"]
