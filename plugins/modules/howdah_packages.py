#!/usr/bin/python
"""Debian packages on a host, with apt-get alone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: howdah_packages
short_description: Have Debian packages, also on a host with a broken third-party list or without python3-apt
description:
  - Asks dpkg first, so that nothing else runs where all packages are there.
  - Unlike M(ansible.builtin.apt) it needs no Python library on the host, works in check mode without one, and goes on
    when the package list of a third party cannot be fetched, as long as the packages can.
options:
  names:
    description: Packages.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    support: full
author:
  - The howdah maintainers
"""

EXAMPLES = r"""
- name: Install cron
  howdah_packages:
    names: [cron]
"""

RETURN = r"""
missing:
  description: Packages that were not there before.
  returned: always
  type: list
"""

from ansible.module_utils.basic import AnsibleModule

INSTALL = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def absent(module: AnsibleModule, names: list[str]) -> list[str]:
    """Return those of ``names`` that dpkg does not list as installed."""
    missing = []
    for name in names:
        code, out, _ = module.run_command(["dpkg-query", "--show", "--showformat=${Status}", name])
        if code != 0 or not out.endswith(" installed"):
            missing.append(name)
    return missing


def main() -> None:
    """Install what is missing."""
    module = AnsibleModule(
        argument_spec={"names": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    if module.get_bin_path("apt-get") is None:
        module.fail_json(msg="This host has no apt-get. howdah installs packages on Debian and its relatives only.")
    missing = absent(module, module.params["names"])
    if not missing or module.check_mode:
        module.exit_json(changed=bool(missing), missing=missing)
    # Lists may be old or empty; what an update cannot fetch is judged by whether the packages come.
    module.run_command(["apt-get", "update", "--quiet"], environ_update=ENVIRONMENT)
    code, out, err = module.run_command([*INSTALL, *missing], environ_update=ENVIRONMENT)
    if code != 0 or absent(module, missing):
        said = [line for line in (err + "\n" + out).splitlines() if line.startswith(("E:", "dpkg: error"))]
        module.fail_json(
            msg=f"apt-get could not install {', '.join(missing)}: {(said or ['no reason given'])[0]}"
            " Can this host reach its package mirror?"
        )
    module.exit_json(changed=True, missing=missing)


if __name__ == "__main__":
    main()
