"""What must hold of every scenario once it has converged: a further look changes nothing, and shows nothing."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def play(playbook: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook on the scenario's own inventory."""
    inventory = os.environ["MOLECULE_INVENTORY_FILE"]
    return subprocess.run(
        ["ansible-playbook", "-i", inventory, str(ROOT / playbook), *options],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=600,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
    )


def recap(output: str) -> dict[str, int]:
    """Return the figures of a run's last line."""
    line = output.split("PLAY RECAP", 1)[1].splitlines()[1]
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}
