#!/usr/bin/python
"""Have PgBouncer run with its files, and prove that it does."""

from __future__ import annotations

DOCUMENTATION = r"""
module: howdah_pooler_settings
short_description: Have PgBouncer read its files, and prove what it runs with
description:
  - Compares what a running PgBouncer says of itself with its files, and has it read them when that differs, or when
    it is not known which files it read last.
  - Fails when PgBouncer goes on with something else; files with their C(.previous) beside them are then put back.
options:
  container:
    description: The pooler's container.
    type: str
    required: true
  path:
    description: C(pgbouncer.ini) on this host; the files it names lie beside it.
    type: path
    required: true
attributes:
  check_mode:
    support: full
author:
  - The howdah maintainers
"""

EXAMPLES = r"""
- name: Have the pooler run with its files
  howdah_pooler_settings:
    container: howdah-local-pgbouncer
    path: /etc/howdah/local/pgbouncer/pgbouncer.ini
"""

RETURN = r"""
pending_restart:
  description: Settings that only a restart of the container applies.
  returned: success
  type: list
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from howdah.errors import HowdahError
    from howdah.pooler import settle

    HOWDAH_MISSING = ""
except ImportError:
    HOWDAH_MISSING = missing_required_lib("howdah", reason="to ask the pooler; run the role howdah_runtime first")


def main() -> None:
    """Settle what PgBouncer runs with."""
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    if HOWDAH_MISSING:
        module.fail_json(msg=HOWDAH_MISSING)
    try:
        settled = settle(module.params["container"], Path(module.params["path"]), dry_run=module.check_mode)
    except HowdahError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=settled.changed, pending_restart=settled.pending_restart)


if __name__ == "__main__":
    main()
