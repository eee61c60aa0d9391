#!/usr/bin/python
"""The key of the backup repository, and the receipt of the operator's copy of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: howdah_repository_key
short_description: Have the key of the backup repository, and know whether the operator has a copy
description:
  - Generates the key once where none is given, and never shows it.
  - Refuses another key than the one that is there, or that the operator has a copy of, because no backup could be read
    with it.
options:
  secrets_dir:
    description: Folder of the secrets; it is made private.
    type: path
    required: true
  config_dir:
    description: Folder of pgBackRest's configuration; the receipt lies there.
    type: path
    required: true
  passphrase:
    description: The operator's own key, from a vault.
    type: str
    default: ''
  copied_to:
    description: Where the operator's copy was put just now; a receipt of it is written.
    type: str
    default: ''
attributes:
  check_mode:
    support: full
author:
  - The howdah maintainers
"""

EXAMPLES = r"""
- name: Have the key
  howdah_repository_key:
    secrets_dir: /etc/howdah/local/secrets
    config_dir: /etc/howdah/local/backup
"""

RETURN = r"""
fingerprint:
  description: Fingerprint of the key; empty in check mode before there is one.
  returned: success
  type: str
escrowed:
  description: Whether the operator has a copy of this key.
  returned: success
  type: bool
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from howdah.errors import HowdahError
    from howdah.escrow import key_in_use, settle, write_receipt
    from howdah.secrets import PLAIN

    HOWDAH_MISSING = ""
except ImportError:
    HOWDAH_MISSING = missing_required_lib("howdah", reason="to make the key; run the role howdah_runtime first")


def main() -> None:
    """Settle the key."""
    module = AnsibleModule(
        argument_spec={
            "secrets_dir": {"type": "path", "required": True, "no_log": False},
            "config_dir": {"type": "path", "required": True},
            "passphrase": {"type": "str", "default": "", "no_log": True},
            "copied_to": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    if HOWDAH_MISSING:
        module.fail_json(msg=HOWDAH_MISSING)
    secrets_dir, config_dir = Path(module.params["secrets_dir"]), Path(module.params["config_dir"])
    given = module.params["passphrase"].strip()
    if given and not PLAIN.fullmatch(given):
        module.fail_json(
            msg="The passphrase of the repository has characters that its configuration would change."
            " Use letters, digits and . _ ~ - in the vault."
        )
    write = not module.check_mode
    if write:
        secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        secrets_dir.chmod(0o700)
    try:
        changed, fingerprint, escrowed = settle(secrets_dir, config_dir, given, write=write)
    except HowdahError as error:
        module.fail_json(msg=str(error))
    if module.params["copied_to"] and not escrowed:
        changed = True
        if write:
            write_receipt(config_dir, key_in_use(secrets_dir), module.params["copied_to"])
            escrowed = True
    module.exit_json(changed=changed, fingerprint=fingerprint, escrowed=escrowed)


if __name__ == "__main__":
    main()
