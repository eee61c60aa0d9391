"""What the figures were measured on; nothing that says whose machine it is."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def describe(folder: Path) -> dict[str, str]:
    """Return processor, memory, system and disk of this machine.

    :param folder: its disk is the one that counts.
    """
    processor = Path("/proc/cpuinfo").read_text()
    model = _value(processor, "model name") or platform.machine()
    virtual = ", virtual" if "hypervisor" in processor else ""
    memory = int(_value(Path("/proc/meminfo").read_text(), "MemTotal").split()[0]) / (1 << 20)
    return {
        "processor": f"{model}, {os.cpu_count()} cores{virtual}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release().split('-')[0]}",
        "disk": _disk(folder),
        "python": platform.python_version(),
        "load when it began": f"{os.getloadavg()[0]:.1f}",
    }


def _value(text: str, name: str) -> str:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return " ".join(value.split())
    return ""


def _disk(folder: Path) -> str:
    """Return file system and kind of the device that a folder lies on."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    kind = "unknown file system"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, system = line.partition(" - ")
        if mount.split()[2] == number:
            kind = system.split()[0]
    rotational = [
        file
        for file in (Path(f"/sys/dev/block/{number}") / where / "queue/rotational" for where in (".", ".."))
        if file.exists()
    ]
    if not rotational:
        return kind
    return f"{kind} on a {'rotating' if rotational[0].read_text().strip() == '1' else 'solid-state or virtual'} disk"
