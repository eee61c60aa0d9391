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
    description: Debian packages to look for.
    type: list
    elements: str
    default: []
  engine:
    description: Ask the container engine.
    type: bool
    default: false
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
        description: A container of ours that may hold the port.
        type: str
        default: ''
  paths:
    description: Paths to look for, with their file system's free space; missing ones are judged by their nearest parent.
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
  description: Per name what stands there; absent ones are left out.
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
ports_in_use:
  description: Ports that something else holds.
  returned: always
  type: list
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

import os
import shutil
import socket
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import docker
    from docker.errors import DockerException, ImageNotFound, NotFound

    DOCKER_MISSING = ""
except ImportError:
    DOCKER_MISSING = missing_required_lib("docker", reason="to talk to the container engine")


def missing_packages(module: AnsibleModule, names: list[str]) -> list[str]:
    """Return those of ``names`` that dpkg does not list as installed."""
    missing = []
    for name in names:
        code, out, _ = module.run_command(["dpkg-query", "--show", "--showformat=${Status}", name])
        if code != 0 or not out.endswith(" installed"):
            missing.append(name)
    return missing


def port_is_free(address: str, port: int) -> bool:
    """Return whether a listener could be opened there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def free_mb(path: str) -> int:
    """Return the free MiB of the file system that holds, or would hold, ``path``."""
    where = Path(path)
    while not where.exists():
        where = where.parent
    return shutil.disk_usage(where).free // 1024**2


def describe(container: Any) -> dict[str, Any]:
    """Return the facts of a container that roles decide by."""
    state = container.attrs["State"]
    return {
        "id": container.id,
        "image": container.attrs["Image"],
        "running": bool(state.get("Running")),
        "health": (state.get("Health") or {}).get("Status", "none"),
        "started_at": state.get("StartedAt", ""),
        "labels": container.labels,
    }


def ask_engine(containers: list[str], images: list[str]) -> dict[str, Any]:
    """Return what the engine says; an engine that does not answer is a fact, not an error."""
    if DOCKER_MISSING:
        return {
            "engine": {"answers": False, "version": "", "why": DOCKER_MISSING},
            "containers": {},
            "images": {},
        }
    try:
        client = docker.from_env(timeout=20)
        version = client.version()["Version"]
    except DockerException as error:
        return {
            "engine": {"answers": False, "version": "", "why": str(error)},
            "containers": {},
            "images": {},
        }
    found_containers = {}
    for name in containers:
        try:
            found_containers[name] = describe(client.containers.get(name))
        except NotFound:
            continue
    found_images = {}
    for reference in images:
        try:
            found_images[reference] = client.images.get(reference).id
        except ImageNotFound:
            continue
    return {
        "engine": {"answers": True, "version": version, "why": ""},
        "containers": found_containers,
        "images": found_images,
    }


def main() -> None:
    """Look, and say."""
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": []},
            "engine": {"type": "bool", "default": False},
            "containers": {"type": "list", "elements": "str", "default": []},
            "images": {"type": "list", "elements": "str", "default": []},
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
        answer = ask_engine([*wanted["containers"], *holders], wanted["images"])
    running = {name for name, facts in answer["containers"].items() if facts["running"]}
    module.exit_json(
        changed=False,
        missing_packages=missing_packages(module, wanted["packages"]),
        ports_in_use=[
            port["port"]
            for port in wanted["ports"]
            if port["container"] not in running and not port_is_free(port["address"], port["port"])
        ],
        free_mb={path: free_mb(path) for path in wanted["paths"]},
        exists={path: Path(path).exists() for path in wanted["paths"]},
        memory_mb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2,
        cpus=os.cpu_count() or 1,
        **answer,
    )


if __name__ == "__main__":
    main()
