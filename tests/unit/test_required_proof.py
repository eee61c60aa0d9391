"""site.yml can be told to refuse when no backup was proven of late; one sentence says so, and what to type next."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from howdah.drill.model import Drill

ROOT = Path(__file__).parents[2]
PLAY = [
    {
        "name": "Ask",
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"name": "Ask", "ansible.builtin.import_role": {"name": "restore_drill", "tasks_from": "required"}},
            {"name": "Go on", "ansible.builtin.debug": {"msg": "{{ inventory_hostname }} goes on"}},
        ],
    }
]


def line(hours: float, verdict: str, repository: str = "") -> str:
    ended = (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="milliseconds")
    drill = Drill(identity="d", instance="i", environment="e", howdah_version="0", started_at=ended, finished_at=ended)
    return drill.model_copy(update={"verdict": verdict, "repository": repository}).model_dump_json() + "\n"


# Host → hours that are asked for, whether there is a backup, the drills of its history: hours ago, verdict, where.
HOSTS: dict[str, tuple[int, bool, list[tuple[Any, ...]]]] = {
    "asks-nothing": (0, True, [(999, "proven")]),
    "is-new": (24, False, []),
    "is-young": (24, True, [(99, "proven"), (23, "proven"), (1, "failed")]),
    "is-old": (24, True, [(25.5, "proven"), (1, "failed"), (1, "restored")]),
    "was-never": (24, True, [(1, "failed")]),
    "has-no-history": (24, True, []),
    "is-damaged": (24, True, []),
    "has-two-young": (24, True, [(2, "proven", "/srv/one"), (23, "proven", "s3://two/howdah")]),
    "has-one-old": (24, True, [(30, "proven", "s3://two/howdah"), (2, "proven", "/srv/one")]),
    "has-one-never": (24, True, [(2, "proven")]),
}
# What the instance's file says of those that have two; a path may be written with a slash at its end.
TWO = {"name": "howdah-two", "repository": {"stanza": "main", "path": "/srv/one/", "second": "s3://two/howdah"}}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What Ansible said of each host; one run asks them all."""
    folder = tmp_path_factory.mktemp("play")
    hosts: dict[str, Any] = {}
    for name, (hours, backed_up, drills) in HOSTS.items():
        # Hours ago are counted from now, not from when these tests were collected.
        history = "no history\n" if name == "is-damaged" else "".join(line(*drill) for drill in drills)
        state = folder / name
        (state / "drills").mkdir(parents=True)
        if backed_up:
            (state / "manifests").mkdir()
        if history:
            (state / "drills" / "history.jsonl").write_text(history)
        if name.startswith("has-") and name != "has-no-history":
            (state / "instance.yml").write_text(yaml.safe_dump(TWO))
        hosts[name] = {
            "restore_drill_required_within_hours": hours,
            "restore_drill_state_dir": str(state),
            "restore_drill_instance_file": str(state / "instance.yml"),
        }
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": local}}))
    (folder / "play.yml").write_text(yaml.safe_dump(PLAY, sort_keys=False))
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_ROLES_PATH": str(ROOT / "roles"),
    }
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-i", folder / "hosts.yml", folder / "play.yml"],
        cwd=ROOT, env=environment, text=True, capture_output=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    blocks = re.split(r"\n(?=ok: \[|fatal: \[|skipping: \[|TASK |PLAY |\[ERROR\])", done.stdout + "\n" + done.stderr)
    return {name: " ".join(" ".join(block for block in blocks if f"[{name}]" in block).split()) for name in HOSTS}


@pytest.mark.parametrize("host", ["asks-nothing", "is-new", "is-young", "has-two-young"])
def test_it_goes_on(said, host):
    assert f"{host} goes on" in said[host]


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("is-old", "The last proof that a backup restores is 25 hours old, and restore_drill_required_within_hours"),
        ("was-never", "No backup was ever proven, and restore_drill_required_within_hours asks for one of the last 24"),
        ("has-no-history", "No backup was ever proven"),
        ("has-one-old", "The last proof that a backup in s3://two/howdah restores is 30 hours old"),
        ("has-one-never", "No backup in s3://two/howdah was ever proven"),
    ],
)
def test_it_is_refused_in_one_sentence_with_the_next_command(said, host, why):
    assert "goes on" not in said[host]
    assert why in said[host]
    assert re.search(r"Prove the last backup: ansible-playbook -i \S+/hosts.yml playbooks/drill.yml, then", said[host])


def test_a_history_that_cannot_be_read_is_no_proof(said):
    assert "goes on" not in said["is-damaged"]
    assert "The history of drills cannot be read" in said["is-damaged"]


def test_site_asks_before_anything_else():
    (play,) = yaml.safe_load((ROOT / "playbooks" / "site.yml").read_text())
    assert play["tasks"][0]["ansible.builtin.import_role"] == {"name": "restore_drill", "tasks_from": "required"}
