#!/usr/bin/python
"""A backup of an instance: there is one, or one more is taken."""

from __future__ import annotations

DOCUMENTATION = r"""
module: howdah_backup
short_description: Have a backup of an instance, or take one more
description:
  - With C(state=prepared) creates the stanza in the repository where there is none.
  - With C(state=present) also takes a full backup where the repository holds no good one.
  - With C(state=taken) always takes one.
options:
  instance:
    description: The instance's file on this host, or the name of its environment.
    type: str
    required: true
  state:
    description: How much there shall be.
    type: str
    choices: [prepared, present, taken]
    default: present
  type:
    description: Type of backup; C(auto) is full where there is none, else differential.
    type: str
    choices: [auto, full, diff, incr]
    default: auto
attributes:
  check_mode:
    support: full
author:
  - The howdah maintainers
"""

EXAMPLES = r"""
- name: Have a backup
  howdah_backup:
    instance: local
"""

RETURN = r"""
label:
  description: Label of the newest backup.
  returned: when there is one
  type: str
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from howdah.backup import list_backups, prepare, take_each
    from howdah.errors import HowdahError
    from howdah.instance import load

    HOWDAH_MISSING = ""
except ImportError:
    HOWDAH_MISSING = missing_required_lib("howdah", reason="to take backups; run the role howdah_runtime first")


def main() -> None:
    """Have a backup."""
    module = AnsibleModule(
        argument_spec={
            "instance": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["prepared", "present", "taken"], "default": "present"},
            "type": {"type": "str", "choices": ["auto", "full", "diff", "incr"], "default": "auto"},
        },
        supports_check_mode=True,
    )
    if HOWDAH_MISSING:
        module.fail_json(msg=HOWDAH_MISSING)
    try:
        instance = load(module.params["instance"])
        made = prepare(instance, dry_run=module.check_mode)
        if module.params["state"] == "prepared" or (made and module.check_mode):
            module.exit_json(changed=made, msg="The stanza is there.")
        good = [backup for backup in list_backups(instance) if not backup.error]
        if good and module.params["state"] == "present":
            module.exit_json(changed=made, label=good[-1].label, msg=f"{good[-1].label} is there.")
        if module.check_mode:
            module.exit_json(changed=True, msg="A backup would be taken.")
        done = take_each(instance, module.params["type"])
    except HowdahError as error:
        module.fail_json(msg=str(error))
    for warning in done.warnings:
        module.warn(warning)
    taken = done.backups[0]
    seconds = taken.stopped - taken.started
    module.exit_json(
        changed=True,
        label=taken.label,
        msg=f"{taken.kind} backup {taken.label}: {taken.size / 1e6:.1f} MB in {seconds} s.",
    )


if __name__ == "__main__":
    main()
