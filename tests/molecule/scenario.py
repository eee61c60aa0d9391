"""A scenario of molecule: real playbooks, twice, and then asserted from inside and outside."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SHOWN = 8000


def passes(scenario: str) -> None:
    """Run all steps of a scenario; nothing of it stays."""
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "ANSIBLE_HOME": str(ROOT / ".ansible"),
    }
    done = subprocess.run(
        [binaries / "molecule", "test", "--scenario-name", scenario],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, told(done.stdout)
    assert left_behind(f"molecule-{scenario}") == []


def told(output: str) -> str:
    """Return what a failed scenario said of its failures, and its end."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    tests = plain.partition("= FAILURES =")[2].partition("Verifier tests failed")[0]
    return f"{tests[:_SHOWN]}\n…\n{plain[-_SHOWN:]}" if tests else plain[-2 * _SHOWN :]


def left_behind(environment: str) -> list[str]:
    """Return what is still there of an environment that was removed together with its data."""
    found = [
        str(path)
        for path in (
            Path("/etc/howdah") / environment,
            Path("/var/lib/howdah") / environment,
            Path(f"/var/lib/howdah-{environment}-second"),
            Path("/var/log/howdah") / environment,
            Path("/opt/howdah") / environment,
            Path("/etc/cron.d") / f"howdah-{environment}",
            Path("/etc/cron.d") / f"howdah-{environment}-drill",
            Path("/etc/logrotate.d") / f"howdah-{environment}",
            Path("/usr/local/bin") / f"howdah-{environment}",
        )
        if path.exists() or path.is_symlink()
    ]
    for kind in (["ps", "--all"], ["volume", "ls"], ["network", "ls"]):
        listed = subprocess.run(
            ["docker", *kind, "--quiet", "--filter", f"name=howdah-{environment}"],
            text=True,
            capture_output=True,
            check=True,
        )
        found += listed.stdout.split()
    return found
