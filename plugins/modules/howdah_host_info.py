#!/usr/bin/python
"""Facts that preflight checks need: engine, containers, ports, disk, packages."""

from __future__ import annotations

DOCUMENTATION = r"""
module: howdah_host_info
short_description: What a host has, before anything is changed on it
description:
  - Tells whether a container engine answers, which containers of ours exist, which ports are taken, how much disk
    and memory there is, and which Debian packages are missing.
  - Never fails because something is absent; that is for the caller to judge.
options:
  packages:
    description: Debian packages to look for. A host without dpkg has none.
    type: list
    elements: str
    default: []
  engine:
    description: Ask the container engine.
    type: bool
    default: false
  wait_seconds:
    description: How long to wait for an engine that does not answer yet.
    type: int
    default: 0
  containers:
    description: Names of containers to describe.
    type: list
    elements: str
    default: []
  images:
    description: Image references to look for.
    type: list
    elements: str
    default: []
  processes:
    description: Names of programs (as C(ps -o comm) shows them) to look for.
    type: list
    elements: str
    default: []
  ports:
    description: TCP ports, with the address and the container that may already hold them.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: Address to try.
        type: str
        default: 127.0.0.1
      port:
        description: Port number.
        type: int
        required: true
      container:
        description: A container of ours that holds the port when it is published there.
        type: str
        default: ''
  folders:
    description: Folders to list.
    type: list
    elements: path
    default: []
  paths:
    description: Paths to look for, with their file system's free space; a missing one has its nearest parent's.
    type: list
    elements: path
    default: []
attributes:
  check_mode:
    support: full
author:
  - The howdah maintainers
"""

EXAMPLES = r"""
- name: Look at the host
  howdah_host_info:
    engine: true
    packages: [cron]
    ports:
      - port: 5432
        container: howdah-local-postgres
  register: __host
"""

RETURN = r"""
engine:
  description: Whether an engine answers, its version, or why not.
  returned: always
  type: dict
containers:
  description:
    - Per name what stands there; absent ones are left out.
    - Its C(published) has, per port of the container such as C(5432/tcp), the addresses and ports of the host.
    - Its C(mounts) has the paths in the container at which something of the host is.
  returned: always
  type: dict
images:
  description: Per reference its image id; absent ones are left out.
  returned: always
  type: dict
missing_packages:
  description: Packages that are not installed.
  returned: always
  type: list
running:
  description: Those of the programs that run.
  returned: always
  type: list
ports_in_use:
  description: Ports that something else holds.
  returned: always
  type: list
unusable_places:
  description: One sentence per port that can never be published on its address, whoever holds it.
  returned: always
  type: list
listing:
  description: Names of what is in each of the folders, sorted; empty for a missing one.
  returned: always
  type: dict
free_mb:
  description: Free space in MiB per path.
  returned: always
  type: dict
exists:
  description: Whether each of the paths exists.
  returned: always
  type: dict
memory_mb:
  description: Memory of the host in MiB.
  returned: always
  type: int
cpus:
  description: Processors of the host.
  returned: always
  type: int
"""

import contextlib
import errno
import ipaddress
import json
import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule


def missing_packages(module: AnsibleModule, packages: list[str]) -> list[str]:
    """Return those of the packages that dpkg does not list as installed."""
    if module.get_bin_path("dpkg-query") is None:
        return packages
    missing = []
    for name in packages:
        code, out, _ = module.run_command(["dpkg-query", "--show", "--showformat=${Status}", name])
        if code != 0 or not out.endswith(" installed"):
            missing.append(name)
    return missing


def unusable(address: str, port: int) -> str:
    """Return in one sentence why a port can never be published there; empty when only another program may hold it."""
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return f"{address} is no IP address."
    if version != 4:
        return f"{address} is an IPv6 address, and ports are published on IPv4 addresses only."
    if not 0 < port < 1 << 16:
        return f"{port} is no port; ports go from 1 to 65535."
    error = probe(address, port)
    if error == errno.EADDRNOTAVAIL:
        return f"{address} is no address of this host."
    return "" if error in (0, errno.EADDRINUSE) else f"{address}:{port} cannot be used: {os.strerror(error)}."


def probe(address: str, port: int) -> int:
    """Return the error number of opening a listener there; 0 when it opens."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
        except OSError as error:
            return error.errno or errno.EIO
    return 0


def free_mb(path: str) -> int:
    """Return the free MiB of the file system that holds, or would hold, ``path``."""
    where = Path(path)
    while not where.exists():
        where = where.parent
    return shutil.disk_usage(where).free // 1024**2


def names(folder: str) -> list[str]:
    """Return what is in a folder, sorted; nothing when it is missing."""
    return sorted(path.name for path in Path(folder).iterdir()) if Path(folder).is_dir() else []


def running_programs() -> set[str]:
    """Return the names of the programs that run on the host itself; a container's own cron, say, is not the host's."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            status = (process / "status").read_text(encoding="utf-8", errors="replace")
            # One number for each PID namespace from ours to the process's own: proc_pid_status(5).
            nested = any(len(line.split()) > 2 for line in status.splitlines() if line.startswith("NSpid:"))
            if not nested:
                found.add((process / "comm").read_text(encoding="utf-8", errors="replace").strip())
    return found


def describe(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a container that roles decide by."""
    state = facts["State"]
    return {
        "id": facts["Id"],
        "image": facts["Image"],
        "running": bool(state.get("Running")),
        "health": (state.get("Health") or {}).get("Status", "none"),
        "started_at": state.get("StartedAt", ""),
        "labels": facts["Config"].get("Labels") or {},
        "published": {
            inside: [{"address": place["HostIp"], "port": int(place["HostPort"])} for place in places]
            for inside, places in (facts["NetworkSettings"]["Ports"] or {}).items()
            if places
        },
        "mounts": sorted(mount["Destination"] for mount in facts.get("Mounts") or ()),
    }


def inspect(module: AnsibleModule, kind: str, names: list[str]) -> dict[str, Any]:
    """Return what ``docker inspect`` says of those that exist, by name."""
    found = {}
    for name in names:
        code, out, _ = module.run_command(["docker", kind, "inspect", name])
        if code == 0:
            found[name] = json.loads(out)[0]
    return found


def ask_engine(module: AnsibleModule, containers: list[str], images: list[str]) -> dict[str, Any]:
    """Return what the engine says; an engine that does not answer is a fact, not an error.

    Through its command, and not its Python library: this has to work before any library is installed.
    """
    silent = {"containers": {}, "images": {}}
    if module.get_bin_path("docker") is None:
        return {"engine": {"answers": False, "version": "", "why": "docker is not installed"}, **silent}
    code, out, err = module.run_command(["docker", "version", "--format", "{{.Server.Version}}"])
    if code != 0:
        why = (err.strip().splitlines() or ["no answer"])[-1]
        return {"engine": {"answers": False, "version": "", "why": why}, **silent}
    return {
        "engine": {"answers": True, "version": out.strip(), "why": ""},
        "containers": {
            name: describe(facts) for name, facts in inspect(module, "container", sorted(set(containers))).items()
        },
        "images": {name: facts["Id"] for name, facts in inspect(module, "image", images).items()},
    }


def holds(container: dict[str, Any] | None, address: str, port: int) -> bool:
    """Return whether a container is published there, and not merely to be published there one day."""
    places = [place for found in (container or {"published": {}})["published"].values() for place in found]
    return {"address": address, "port": port} in places


def look_at_ports(ports: list[dict[str, Any]], containers: dict[str, Any]) -> tuple[list[int], list[str]]:
    """Return the ports that something else holds, and a sentence per port that can never be published."""
    others = [
        (port["address"], port["port"])
        for port in ports
        if not holds(containers.get(port["container"]), port["address"], port["port"])
    ]
    refused = {place: unusable(*place) for place in others}
    taken = [port for address, port in others if not refused[address, port] and probe(address, port)]
    return taken, [why for why in refused.values() if why]


def main() -> None:
    """Look, and say."""
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": []},
            "engine": {"type": "bool", "default": False},
            "wait_seconds": {"type": "int", "default": 0},
            "containers": {"type": "list", "elements": "str", "default": []},
            "images": {"type": "list", "elements": "str", "default": []},
            "processes": {"type": "list", "elements": "str", "default": []},
            "ports": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "address": {"type": "str", "default": "127.0.0.1"},
                    "port": {"type": "int", "required": True},
                    "container": {"type": "str", "default": ""},
                },
            },
            "folders": {"type": "list", "elements": "path", "default": []},
            "paths": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    holders = [port["container"] for port in wanted["ports"] if port["container"]]
    answer: dict[str, Any] = {
        "engine": {"answers": False, "version": "", "why": ""},
        "containers": {},
        "images": {},
    }
    if wanted["engine"] or wanted["containers"] or wanted["images"] or holders:
        deadline = time.monotonic() + wanted["wait_seconds"]
        answer = ask_engine(module, [*wanted["containers"], *holders], wanted["images"])
        while not answer["engine"]["answers"] and time.monotonic() < deadline:
            time.sleep(0.5)
            answer = ask_engine(module, [*wanted["containers"], *holders], wanted["images"])
    ports_in_use, unusable_places = look_at_ports(wanted["ports"], answer["containers"])
    module.exit_json(
        changed=False,
        missing_packages=missing_packages(module, wanted["packages"]),
        running=[name for name in wanted["processes"] if name in running_programs()],
        ports_in_use=ports_in_use,
        unusable_places=unusable_places,
        listing={path: names(path) for path in wanted["folders"]},
        free_mb={path: free_mb(path) for path in wanted["paths"]},
        exists={path: Path(path).exists() for path in wanted["paths"]},
        memory_mb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2,
        cpus=os.cpu_count() or 1,
        **answer,
    )


if __name__ == "__main__":
    main()
