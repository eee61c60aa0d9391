#!/usr/bin/python
"""Classify a change of the server's configuration, or apply it and prove that it took."""

from __future__ import annotations

DOCUMENTATION = r"""
module: howdah_server_settings
short_description: Classify and prove changes of a PostgreSQL server's configuration
description:
  - With C(state=classified) tells whether new content of C(postgresql.conf) needs nothing, a reload or a restart.
  - With C(state=loaded) has the server read its files, waits until it did, and fails when it refused a line.
options:
  dsn:
    description: libpq connection string of an administrator, without a password.
    type: str
    required: true
  state:
    description: What to do.
    type: str
    choices: [classified, loaded]
    required: true
  path:
    description: C(postgresql.conf) on this host, as it is in force.
    type: path
  content:
    description: The new content.
    type: str
  files:
    description:
      - With C(state=loaded), the files that are new and have their C(.previous) beside them.
      - The previous ones are put back when the server refuses the new ones, and removed when it takes them.
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
- name: Ask what the new settings need
  howdah_server_settings:
    dsn: host=/var/lib/howdah/local/socket user=postgres dbname=postgres
    state: classified
    path: /etc/howdah/local/postgres/postgresql.conf
    content: "{{ lookup('ansible.builtin.template', 'postgresql.conf.j2') }}"
"""

RETURN = r"""
kind:
  description: C(none), C(reload) or C(restart).
  returned: state=classified
  type: str
settings:
  description: Settings that differ.
  returned: state=classified
  type: list
restart_settings:
  description: Those that only a restart applies.
  returned: state=classified
  type: list
pending_restart:
  description: Settings that wait for a restart.
  returned: always
  type: list
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import psycopg

    from howdah.errors import HowdahError
    from howdah.previous import on_trial
    from howdah.server_config import classify, parse_settings, prove, reload, restart_only_settings

    HOWDAH_MISSING = ""
except ImportError:
    HOWDAH_MISSING = missing_required_lib("howdah", reason="to read settings; run the role howdah_runtime first")


def load(connection: Any, files: list[str]) -> Any:
    """Have the server read its files; put the previous ones back when it refuses them."""
    with on_trial(map(Path, files)):
        return reload(connection)


def main() -> None:
    """Classify, or load and prove."""
    module = AnsibleModule(
        argument_spec={
            "dsn": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["classified", "loaded"], "required": True},
            "path": {"type": "path"},
            "content": {"type": "str"},
            "files": {"type": "list", "elements": "path", "default": []},
        },
        required_if=[("state", "classified", ("path", "content"))],
        supports_check_mode=True,
    )
    if HOWDAH_MISSING:
        module.fail_json(msg=HOWDAH_MISSING)
    try:
        with psycopg.connect(module.params["dsn"], autocommit=True, connect_timeout=10) as connection:
            if module.params["state"] == "classified":
                path = Path(module.params["path"])
                before = path.read_text(encoding="utf-8") if path.exists() else ""
                change = classify(
                    parse_settings(before),
                    parse_settings(module.params["content"]),
                    restart_only_settings(connection),
                )
                module.exit_json(changed=False, pending_restart=prove(connection).pending_restart, **vars(change))
            proof = prove(connection) if module.check_mode else load(connection, module.params["files"])
            module.exit_json(changed=True, pending_restart=proof.pending_restart)
    except HowdahError as error:
        module.fail_json(msg=str(error))
    except psycopg.Error as error:
        module.fail_json(msg=f"The server cannot be asked: {error}")


if __name__ == "__main__":
    main()
