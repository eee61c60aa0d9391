"""What must hold of every scenario once it has converged: a further look changes nothing, and shows nothing."""

from __future__ import annotations

import os
import re
import socket
import ssl
import struct
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def play(playbook: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook on the scenario's own inventory."""
    inventory = ROOT / "molecule" / os.environ["MOLECULE_SCENARIO_NAME"] / "inventory"
    return subprocess.run(
        ["ansible-playbook", "-i", str(inventory), str(ROOT / playbook), *options],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=600,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "false"},
    )


def recap(output: str) -> dict[str, int]:
    """Return the figures of a run's last line."""
    line = output.split("PLAY RECAP", 1)[1].splitlines()[1]
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}


def containers(environment: str) -> dict[str, tuple[str, str]]:
    """Return id and start time of an environment's containers by name."""
    label = f"label=io.howdah.environment={environment}"
    ids = subprocess.run(["docker", "ps", "-q", "--filter", label], text=True, capture_output=True, check=True)
    found = {}
    for identity in ids.stdout.split():
        shown = subprocess.run(
            ["docker", "inspect", "--format", "{{.Name}} {{.Id}} {{.State.StartedAt}}", identity],
            text=True,
            capture_output=True,
            check=True,
        )
        name, full, started = shown.stdout.split()
        found[name.lstrip("/")] = (full, started)
    return found


def files(*folders: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return mode, owner and content of every file below folders."""
    return {
        str(path): (path.stat().st_mode, path.stat().st_uid, path.read_bytes())
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def shown_certificate(address: str, port: int) -> str:
    """Return the certificate that a server or a pooler shows its clients, in PEM."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((address, port), timeout=10) as plain:
        # PostgreSQL's request of a TLS connection, which starts in plain text: length and code.
        plain.sendall(struct.pack("!ii", 8, 80877103))
        assert plain.recv(1) == b"S"
        with context.wrap_socket(plain) as encrypted:
            return ssl.DER_cert_to_PEM_cert(encrypted.getpeercert(binary_form=True) or b"")
