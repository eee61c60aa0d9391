#!/usr/bin/python
"""A document with secrets in it, put together on the host that keeps them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: howdah_render
short_description: Write a file whose secrets are filled in on the host
description:
  - The controller renders the document with C(@@name@@) where a secret belongs; this module puts in the secret from its
    file. So no secret travels, and a diff shows none.
options:
  path:
    description: The file.
    type: path
    required: true
  content:
    description: The document with its marks.
    type: str
    required: true
  secrets_dir:
    description: Folder with one file per secret.
    type: path
    required: true
extends_documentation_fragment:
  - ansible.builtin.files
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Secrets are shown by their marks.
author:
  - The howdah maintainers
"""

EXAMPLES = r"""
- name: Configure a service
  howdah_render:
    path: /etc/howdah/local/services/openai-service.env
    content: "POSTGRES_PASSWORD=@@dadm_user@@\n"
    secrets_dir: /etc/howdah/local/secrets
    mode: "0600"
"""

RETURN = r"""
secrets:
  description: Names of the secrets that were filled in.
  returned: always
  type: list
"""

import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from howdah.secrets import write_private

    HOWDAH_MISSING = ""
except ImportError:
    HOWDAH_MISSING = missing_required_lib("howdah", reason="to fill in secrets; run the role howdah_runtime first")

MARK = re.compile(r"@@([A-Za-z0-9_-]+)@@")


def main() -> None:
    """Write the file when it differs."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "content": {"type": "str", "required": True},
            "secrets_dir": {"type": "path", "required": True},
        },
        add_file_common_args=True,
        supports_check_mode=True,
    )
    if HOWDAH_MISSING:
        module.fail_json(msg=HOWDAH_MISSING)
    path, content = Path(module.params["path"]), module.params["content"]
    names = sorted(set(MARK.findall(content)))
    secrets = {}
    for name in names:
        file = Path(module.params["secrets_dir"]) / name
        if not file.exists():
            if module.check_mode:
                module.exit_json(changed=True, secrets=names)
            module.fail_json(msg=f"The secret {file} is missing. Run playbooks/site.yml, which makes it.")
        secrets[name] = file.read_text(encoding="utf-8").rstrip("\n")
        module.no_log_values.add(secrets[name])
    text = MARK.sub(lambda match: secrets[match[1]], content)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    shown = before
    for name, secret in secrets.items():
        # A secret that was rotated is not known here any more, and must not be shown either.
        if before and secret not in before:
            shown = "(holds other secrets; not shown)\n"
            break
        shown = shown.replace(secret, f"@@{name}@@")
    changed = not path.exists() or before != text
    if changed and not module.check_mode:
        write_private(path, text)
    if path.exists():
        changed = module.set_fs_attributes_if_different(module.load_file_common_arguments(module.params), changed)
    module.exit_json(
        changed=changed,
        secrets=names,
        diff={"before": shown, "after": content, "before_header": str(path), "after_header": str(path)},
    )


if __name__ == "__main__":
    main()
