#!/usr/bin/python
"""PgBouncer's list of users, made of SCRAM verifiers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: howdah_userlist
short_description: Write PgBouncer's auth_file from SCRAM verifiers
description:
  - Reads the verifiers that M(howdah_secret) keeps, and writes one line per user. No password is read or written.
options:
  path:
    description: The file.
    type: path
    required: true
  secrets_dir:
    description: Folder of the verifiers.
    type: path
    required: true
  users:
    description: Login roles.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - ansible.builtin.files
attributes:
  check_mode:
    support: full
author:
  - The howdah maintainers
"""

EXAMPLES = r"""
- name: Write who may come in
  howdah_userlist:
    path: /etc/howdah/local/pgbouncer/userlist.txt
    secrets_dir: /etc/howdah/local/secrets
    users: [dadm_user]
    mode: "0640"
"""

RETURN = r"""
users:
  description: How many users the file lists.
  returned: always
  type: int
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from howdah.secrets import write_private

    HOWDAH_MISSING = ""
except ImportError:
    HOWDAH_MISSING = missing_required_lib("howdah", reason="to write secrets; run the role howdah_runtime first")


def quoted(text: str) -> str:
    """Quote a field as PgBouncer's auth_file wants it."""
    return '"' + text.replace('"', '""') + '"'


def main() -> None:
    """Write the list when it differs."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "secrets_dir": {"type": "path", "required": True},
            "users": {"type": "list", "elements": "str", "required": True},
        },
        add_file_common_args=True,
        supports_check_mode=True,
    )
    if HOWDAH_MISSING:
        module.fail_json(msg=HOWDAH_MISSING)
    path, users = Path(module.params["path"]), sorted(module.params["users"])
    lines = []
    for user in users:
        verifier = Path(module.params["secrets_dir"]) / f"{user}.scram"
        if not verifier.exists():
            if module.check_mode:
                module.exit_json(changed=True, users=len(users))
            module.fail_json(msg=f"{verifier} is missing. Run the role postgres_databases first.")
        lines.append(f"{quoted(user)} {quoted(verifier.read_text(encoding='utf-8').strip())}\n")
    text = "".join(lines)
    changed = not path.exists() or path.read_text(encoding="utf-8") != text
    if changed and not module.check_mode:
        write_private(path, text)
    if path.exists():
        changed = module.set_fs_attributes_if_different(module.load_file_common_arguments(module.params), changed)
    module.exit_json(changed=changed, users=len(users))


if __name__ == "__main__":
    main()
