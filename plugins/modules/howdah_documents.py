#!/usr/bin/python
"""The folders and files of a role, in one call, with secrets filled in on the host that keeps them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: howdah_documents
short_description: Have folders and files as described, with secrets filled in on the host
description:
  - The controller renders a document with C(@@name@@) where a secret belongs; this module puts in the secret from its
    file. So no secret travels, and a diff shows none.
  - One call settles all files of a role, because a call per file costs a second each.
options:
  directories:
    description: Folders, in order.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The folder.
        type: path
        required: true
      owner:
        description: Owner, as name or number.
        type: str
        default: root
      group:
        description: Group, as name or number.
        type: str
        default: root
      mode:
        description: Mode.
        type: str
        default: '0755'
  documents:
    description: Files. Each is replaced in one step, or left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file.
        type: path
        required: true
      content:
        description: The document with its marks.
        type: str
      copy_of:
        description: A file on the host whose content it has, instead of C(content).
        type: path
      keep_previous:
        description: Keep the old file as C(PATH.previous) until who reads it has taken the new one or refused it.
        type: bool
        default: false
      owner:
        description: Owner, as name or number.
        type: str
        default: root
      group:
        description: Group, as name or number.
        type: str
        default: root
      mode:
        description: Mode.
        type: str
        default: '0644'
  secrets_dir:
    description: Folder with one file per secret.
    type: path
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
  howdah_documents:
    directories:
      - path: /etc/howdah/local/services
        mode: "0700"
    documents:
      - path: /etc/howdah/local/services/openai-service.env
        content: "POSTGRES_PASSWORD=@@dadm_user@@\n"
        mode: "0600"
    secrets_dir: /etc/howdah/local/secrets
"""

RETURN = r"""
written:
  description: Files whose content is new.
  returned: always
  type: list
"""

import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from howdah.previous import previous_of
    from howdah.secrets import write_private

    HOWDAH_MISSING = ""
except ImportError:
    HOWDAH_MISSING = missing_required_lib("howdah", reason="to write files; run the role howdah_runtime first")

MARK = re.compile(r"@@([A-Za-z0-9_.-]+)@@")


class DocumentError(Exception):
    """A document cannot be put together."""


def filled(content: str, secrets_dir: str | None) -> tuple[str, dict[str, str]]:
    """Return the document with its secrets, and those secrets by name."""
    secrets = {}
    for name in sorted(set(MARK.findall(content))):
        file = Path(secrets_dir or "/") / name
        if not secrets_dir or not file.is_file():
            raise DocumentError(f"The secret {file} is missing. Run playbooks/site.yml, which makes it.")
        secrets[name] = file.read_text(encoding="utf-8").rstrip("\n")
    return MARK.sub(lambda match: secrets[match[1]], content), secrets


def masked(before: str, secrets: dict[str, str], secrets_dir: str | None) -> str:
    """Return a file's old content without its secrets."""
    # A secret that was rotated is not known here any more, and must not be shown either.
    if before and any(secret not in before for secret in secrets.values()):
        return "(holds other secrets; not shown)\n"
    # The old content may hold secrets that the new one does not: every secret there is counts.
    files = Path(secrets_dir).iterdir() if secrets_dir and Path(secrets_dir).is_dir() else ()
    known = {file.read_text(encoding="utf-8").rstrip("\n"): file.name for file in files if file.is_file()}
    # The longest first: one may begin like another.
    for secret in sorted(filter(None, known), key=len, reverse=True):
        before = before.replace(secret, f"@@{known[secret]}@@")
    return before


def attributes(module: AnsibleModule, item: dict[str, Any], changed: bool) -> bool:
    """Settle owner, group and mode of a path that exists; return whether anything is different."""
    wanted = {key: item[key] for key in ("path", "owner", "group", "mode")}
    arguments = module.load_file_common_arguments(
        {**wanted, "attributes": None, "selevel": None, "serole": None}
        | {"setype": None, "seuser": None, "unsafe_writes": False}
    )
    return bool(module.set_fs_attributes_if_different(arguments, changed, diff={}))


def settle_directory(module: AnsibleModule, item: dict[str, Any]) -> bool:
    """Have a folder; return whether that changed anything."""
    path = Path(item["path"])
    missing = not path.is_dir()
    if missing and not module.check_mode:
        path.mkdir(parents=True, mode=0o700)
    return attributes(module, item, missing) if path.is_dir() else missing


def old_content(path: Path) -> str | None:
    """Return what a file holds, line ends and all; bytes that are no text compare as different from any document."""
    return path.read_bytes().decode("utf-8", errors="replace") if path.is_file() else None


def settle_document(
    module: AnsibleModule, item: dict[str, Any], secrets_dir: str | None
) -> tuple[bool, bool, dict[str, str]]:
    """Have a file; return whether anything, and whether its content, changed, and the diff."""
    path = Path(item["path"])
    content = item["content"]
    if item["copy_of"]:
        origin = Path(item["copy_of"])
        if not origin.is_file():
            raise DocumentError(f"{origin} is missing, so {path} cannot be a copy of it.")
        content = old_content(origin)
    text, secrets = filled(content, secrets_dir)
    module.no_log_values.update(secrets.values())
    before = old_content(path)
    new = before != text
    if new and not module.check_mode:
        previous = previous_of(path)
        # A previous file that still stands is the one in force: the run that wrote a newer one never got to prove it.
        if item["keep_previous"] and before is not None and not previous.exists():
            previous.hardlink_to(path)
        write_private(path, text)
    changed = attributes(module, item, new) if path.is_file() else new
    diff = {"before": masked(before or "", secrets, secrets_dir), "after": content}
    diff |= {"before_header": str(path), "after_header": str(path)}
    return changed, new, diff if new else {}


def main() -> None:
    """Settle folders, then files."""
    attributes_spec = {
        "path": {"type": "path", "required": True},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
    }
    module = AnsibleModule(
        argument_spec={
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {**attributes_spec, "mode": {"type": "str", "default": "0755"}},
            },
            "documents": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    **attributes_spec,
                    "content": {"type": "str"},
                    "copy_of": {"type": "path"},
                    "keep_previous": {"type": "bool", "default": False},
                    "mode": {"type": "str", "default": "0644"},
                },
                "required_one_of": [("content", "copy_of")],
                "mutually_exclusive": [("content", "copy_of")],
            },
            "secrets_dir": {"type": "path"},
        },
        supports_check_mode=True,
    )
    # On a bare host check mode says what would be written before the engine is there.
    if HOWDAH_MISSING and not module.check_mode:
        module.fail_json(msg=HOWDAH_MISSING)
    changed, written, diffs = False, [], []
    try:
        for item in module.params["directories"]:
            changed = settle_directory(module, item) or changed
        for item in module.params["documents"]:
            touched, new, diff = settle_document(module, item, module.params["secrets_dir"])
            changed = changed or touched
            if new:
                written.append(item["path"])
                diffs.append(diff)
    except DocumentError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'A file'} cannot be written: {error.strerror}.")
    module.exit_json(changed=changed, written=written, diff=diffs)


if __name__ == "__main__":
    main()
