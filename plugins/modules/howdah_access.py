#!/usr/bin/python
"""Rights on databases, as declared and no others."""

from __future__ import annotations

DOCUMENTATION = r"""
module: howdah_access
short_description: Grant what is declared on databases, and take back what is not
description:
  - Connection, schema and default rights of service roles, migrator and PUBLIC, per database in one transaction.
  - One call for all databases, because a call per right and database takes minutes.
options:
  dsn:
    description: libpq connection string of an administrator, without database and password.
    type: str
    required: true
  databases:
    description: The declaration.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Database.
        type: str
        required: true
      owner:
        description: Role that owns schema and objects.
        type: str
        required: true
      users:
        description: Login roles of its services.
        type: list
        elements: str
        default: []
      creators:
        description: Roles that may make schemas (the migrator).
        type: list
        elements: str
        default: []
      schema:
        description: Schema that the services use.
        type: str
        default: public
      extensions:
        description: Extensions that it has.
        type: list
        elements: str
        default: []
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
author:
  - The howdah maintainers
"""

EXAMPLES = r"""
- name: Grant what is declared
  howdah_access:
    dsn: host=/var/lib/howdah/local/socket user=postgres
    databases:
      - name: dadm_db
        owner: dadm_owner
        users: [dadm_user]
"""

RETURN = r"""
statements:
  description: What was, or would be, run, by database.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import psycopg

    from howdah.access import DatabaseAccess, apply_all

    HOWDAH_MISSING = ""
except ImportError:
    HOWDAH_MISSING = missing_required_lib("howdah", reason="to compare rights; run the role howdah_runtime first")


def main() -> None:
    """Make the rights stand."""
    module = AnsibleModule(
        argument_spec={
            "dsn": {"type": "str", "required": True},
            "databases": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "owner": {"type": "str", "required": True},
                    "users": {"type": "list", "elements": "str", "default": []},
                    "creators": {"type": "list", "elements": "str", "default": []},
                    "schema": {"type": "str", "default": "public"},
                    "extensions": {"type": "list", "elements": "str", "default": []},
                },
            },
        },
        supports_check_mode=True,
    )
    if HOWDAH_MISSING:
        module.fail_json(msg=HOWDAH_MISSING)
    accesses = [
        DatabaseAccess(
            database=item["name"],
            owner=item["owner"],
            users=tuple(item["users"]),
            creators=tuple(item["creators"]),
            schema=item["schema"],
            extensions=tuple(item["extensions"]),
        )
        for item in module.params["databases"]
    ]
    try:
        done = apply_all(module.params["dsn"], accesses, dry_run=module.check_mode)
    except psycopg.Error as error:
        module.fail_json(msg=f"The rights cannot be compared: {error}")
    lines = [f"{database}: {line}" for database, todo in done.items() for line in todo]
    module.exit_json(
        changed=bool(lines),
        statements=done,
        diff={"before": "", "after": "".join(f"{line}\n" for line in lines)},
    )


if __name__ == "__main__":
    main()
