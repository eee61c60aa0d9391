"""A part of a role, run by Ansible itself on this host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def run(folder: Path, role: str, tasks_from: str, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run a file of tasks of a role, and return what Ansible said.

    :param folder: for the playbook, and for what Ansible unpacks.
    :param options: of ``ansible-playbook``.
    """
    tasks = [{"name": "Do it", "ansible.builtin.import_role": {"name": role, "tasks_from": tasks_from}}]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    given = {"ansible_python_interpreter": sys.executable, **variables}
    (folder / "play.yml").write_text(json.dumps([play | {"vars": given}]))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    environment |= {
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_ROLES_PATH": str(ROOT / "roles"),
        "ANSIBLE_NOCOLOR": "1",
    }
    command = [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", folder / "play.yml", *options]
    return subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True)
