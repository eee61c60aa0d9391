#!/usr/bin/python
"""An image on a host, built on a Debian base that a registry or Debian's packages give."""

from __future__ import annotations

DOCUMENTATION = r"""
module: howdah_image
short_description: Have an image on the host, with or without a registry
description:
  - An image that is already there under this name is left alone; put a hash of the recipe into the name.
  - Otherwise it is built on a Debian base image. The base is pulled when a registry answers, or bootstrapped from
    Debian's packages with mmdebstrap when none does.
options:
  name:
    description: Name and tag of the image.
    type: str
    required: true
  context:
    description: Folder on this host with the Dockerfile, which takes the base as build argument C(BASE).
    type: path
    required: true
  labels:
    description: Labels of the image.
    type: dict
    default: {}
  base:
    description: Name and tag that the base image has, or gets, on this host.
    type: str
    required: true
  suite:
    description: Debian suite of the base.
    type: str
    required: true
  base_pull:
    description: Reference to pull the base from, best with a digest (C(name@sha256:…)).
    type: str
    default: ''
  strategy:
    description: C(auto) pulls the base and falls back to bootstrapping; C(pull) and C(bootstrap) do only that.
    type: str
    choices: [auto, pull, bootstrap]
    default: auto
  mirror:
    description: Debian mirror to bootstrap from; the distribution's own by default.
    type: str
    default: ''
attributes:
  check_mode:
    support: full
requirements:
  - docker >= 7.1 (Python)
  - mmdebstrap, where the base is bootstrapped
author:
  - The howdah maintainers
"""

EXAMPLES = r"""
- name: Have the image
  howdah_image:
    name: howdah/postgres:15-0a1b2c3d4e5f
    context: /var/lib/howdah/build/postgres
    base: howdah/base:bookworm
    suite: bookworm
    base_pull: docker.io/library/debian:bookworm-slim
"""

RETURN = r"""
image_id:
  description: Id of the image; empty in check mode while it is absent.
  returned: always
  type: str
base_origin:
  description: How the base came here; one of present, pulled, bootstrapped, or empty where nothing was built.
  returned: always
  type: str
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import docker
    from docker.errors import BuildError, DockerException, ImageNotFound

    DOCKER_MISSING = ""
except ImportError:
    DOCKER_MISSING = missing_required_lib("docker", reason="to talk to the container engine")

# Documentation and translations are of no use in a container, and dpkg's fsyncs of none in a scratch folder.
MMDEBSTRAP = [
    "mmdebstrap",
    "--variant=minbase",
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    '--aptopt=Acquire::Languages "none"',
]
SECONDS = 1200


class ImageError(Exception):
    """The image could be had in no allowed way."""


def bootstrap(client: Any, name: str, suite: str, mirror: str) -> None:
    """Make a base image from Debian's packages."""
    repository, tag = name.rsplit(":", 1)
    with tempfile.TemporaryDirectory(prefix="howdah-base-") as folder:
        archive = Path(folder) / "base.tar"
        command = [*MMDEBSTRAP, suite, str(archive), *([mirror] if mirror else [])]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
        except FileNotFoundError as error:
            raise ImageError("mmdebstrap is not installed: apt-get install mmdebstrap.") from error
        except subprocess.TimeoutExpired as error:
            raise ImageError(f"mmdebstrap {suite} took longer than {SECONDS} s; is the mirror reachable?") from error
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or ["no output"])[-1]
            raise ImageError(f"mmdebstrap {suite} failed: {last}") from error
        changes = ['CMD ["/bin/bash"]', "LABEL io.howdah.image=base", f"LABEL io.howdah.suite={suite}"]
        client.api.import_image_from_file(str(archive), repository=repository, tag=tag, changes=changes)


def have_base(client: Any, wanted: dict[str, Any]) -> str:
    """Make the base image be there; return how it came."""
    try:
        client.images.get(wanted["base"])
    except ImageNotFound:
        why = "no reference is given"
    else:
        return "present"
    if wanted["strategy"] != "bootstrap" and wanted["base_pull"]:
        try:
            client.images.pull(wanted["base_pull"]).tag(wanted["base"])
        except DockerException as error:
            why = str(error)
        else:
            return "pulled"
    if wanted["strategy"] == "pull":
        raise ImageError(f"The base image {wanted['base_pull']} cannot be pulled: {why}.")
    bootstrap(client, wanted["base"], wanted["suite"], wanted["mirror"])
    client.images.get(wanted["base"])
    return "bootstrapped"


def build(client: Any, wanted: dict[str, Any]) -> str:
    """Build the image; return its id."""
    try:
        image, _ = client.images.build(
            path=wanted["context"],
            tag=wanted["name"],
            buildargs={"BASE": wanted["base"]},
            labels={name: str(value) for name, value in wanted["labels"].items()},
            # The host's own name resolution and proxies reach the package mirror.
            network_mode="host",
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        said = [line.get("stream", line.get("error", "")).strip() for line in error.build_log]
        tail = " | ".join([line for line in said if line][-5:])
        raise ImageError(f"{wanted['name']} cannot be built: {error.msg}. Last output: {tail}") from error
    return str(image.id)


def main() -> None:
    """Have the image, or say why not."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "context": {"type": "path", "required": True},
            "labels": {"type": "dict", "default": {}},
            "base": {"type": "str", "required": True},
            "suite": {"type": "str", "required": True},
            "base_pull": {"type": "str", "default": ""},
            "strategy": {"type": "str", "choices": ["auto", "pull", "bootstrap"], "default": "auto"},
            "mirror": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    if DOCKER_MISSING:
        module.fail_json(msg=DOCKER_MISSING)
    try:
        client = docker.from_env(timeout=SECONDS)
        try:
            image = client.images.get(module.params["name"])
        except ImageNotFound:
            if module.check_mode:
                module.exit_json(changed=True, image_id="", base_origin="")
            origin = have_base(client, module.params)
            module.exit_json(changed=True, image_id=build(client, module.params), base_origin=origin)
    except DockerException as error:
        module.fail_json(msg=f"The container engine does not answer: {error}")
    except ImageError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, image_id=image.id, base_origin="")


if __name__ == "__main__":
    main()
