#!/usr/bin/python
"""A secret in a file of its own, and the SCRAM verifier beside it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: howdah_secret
short_description: Keep a secret in a file of mode 0600, with its SCRAM verifier
description:
  - Generates the secret once where none is given, and never shows it.
  - The verifier is computed here, so that the server never sees the password, and kept, so that it stays the same.
options:
  directory:
    description: Folder of the secrets; it is made private.
    type: path
    required: true
  names:
    description: One secret per name.
    type: list
    elements: str
    required: true
  values:
    description: Values by name for secrets that the operator chose (from a vault); others are generated.
    type: dict
    default: {}
  verifiers:
    description: Whether SCRAM verifiers are wanted.
    type: bool
    default: true
  given_only:
    description: Another party made these secrets, so none is generated, and they have the characters that they have.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
author:
  - The howdah maintainers
"""

EXAMPLES = r"""
- name: Have passwords
  howdah_secret:
    directory: /etc/howdah/local/secrets
    names: [dadm_user]
  register: __secrets
  no_log: true
"""

RETURN = r"""
verifiers:
  description: SCRAM verifier by name; register it with no_log.
  returned: when wanted
  type: dict
created:
  description: Names whose secret is new or changed.
  returned: always
  type: list
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from howdah.secrets import PLAIN, generate_password, scram_verifier, verifier_matches, write_private

    HOWDAH_MISSING = ""
except ImportError:
    HOWDAH_MISSING = missing_required_lib("howdah", reason="to make secrets; run the role howdah_runtime first")


def settle(directory: Path, name: str, given: str, *, verifiers: bool, write: bool) -> tuple[bool, str]:
    """Make secret and verifier be there; return whether that changed anything, and the verifier.

    :param given: the operator's value, empty for none.
    """
    secret_file, verifier_file = directory / name, directory / f"{name}.scram"
    password = secret_file.read_text(encoding="utf-8").rstrip("\n") if secret_file.exists() else None
    changed = password is None or given not in ("", password)
    if changed:
        password = given or generate_password()
        if write:
            write_private(secret_file, password + "\n")
    if not verifiers or password is None:
        return changed, ""
    verifier = verifier_file.read_text(encoding="utf-8").strip() if verifier_file.exists() else ""
    if not verifier_matches(verifier, password):
        changed, verifier = True, scram_verifier(password)
        if write:
            write_private(verifier_file, verifier + "\n")
    return changed, verifier


def main() -> None:
    """Settle every secret."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "names": {"type": "list", "elements": "str", "required": True, "no_log": False},
            "values": {"type": "dict", "default": {}, "no_log": True},
            "verifiers": {"type": "bool", "default": True},
            "given_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if HOWDAH_MISSING:
        module.fail_json(msg=HOWDAH_MISSING)
    directory = Path(module.params["directory"])
    if not module.check_mode:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
    values = module.params["values"]
    given_only = module.params["given_only"]
    absent = [name for name in module.params["names"] if not values.get(name) and not (directory / name).exists()]
    if given_only and absent:
        module.fail_json(
            msg=f"The secret {', '.join(absent)} was not given. Put it into the vault (howdah_passwords), or into"
            f" a file of that name in {directory}, mode 0600."
        )
    awkward = [
        name
        for name in module.params["names"]
        if not given_only and values.get(name) and not PLAIN.fullmatch(str(values[name]).rstrip("\n"))
    ]
    if awkward:
        module.fail_json(
            msg=f"The password of {', '.join(awkward)} has characters that a URL, a shell or an env file would change."
            " Use letters, digits and . _ ~ - in the vault."
        )
    verifiers, created = {}, []
    for name in module.params["names"]:
        changed, verifiers[name] = settle(
            directory,
            name,
            # YAML gives an empty value as nothing, digits as a number, and a block with the end of its last line.
            str(values[name]).rstrip("\n") if values.get(name) is not None else "",
            verifiers=module.params["verifiers"],
            write=not module.check_mode,
        )
        if changed:
            created.append(name)
    module.exit_json(changed=bool(created), created=created, verifiers=verifiers)


if __name__ == "__main__":
    main()
