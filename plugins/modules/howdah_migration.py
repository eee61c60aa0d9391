#!/usr/bin/python
"""The migration of an application: planned, moved and verified, or verified again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: howdah_migration
short_description: Plan, run or verify the migration of SQLite sources into PostgreSQL
description:
  - With C(state=planned) reads sources and target and says what would move; changes nothing.
  - With C(state=migrated) moves what is missing or changed, and verifies every row. Run again, it changes nothing.
  - With C(state=verified) compares every row of the sources with what PostgreSQL holds.
  - While it works, the task shows where it is, in a line now and then.
options:
  state:
    description: What shall be true afterwards.
    type: str
    choices: [planned, migrated, verified]
    default: migrated
  sources:
    description: SQLite files, or folders that hold some, on this host.
    type: list
    elements: path
    required: true
  application:
    description: Application folder on this host; without one the schema is derived from the sources.
    type: path
  dsn:
    description: libpq connection string without a password.
    type: str
    required: true
  schema:
    description: Target schema, where it is not the application's.
    type: str
  jobs:
    description: Tables that are loaded at the same time.
    type: int
    default: 1
  identifiers:
    description: How names are written in PostgreSQL, where the schema is derived; by default as before, else C(lower).
    type: str
    choices: [lower, keep, snake]
  orphans:
    description:
      - What becomes of rows without the parent they refer to, where the schema is derived.
      - C(keep) moves them and leaves the foreign key NOT VALID; by default as before, else C(quarantine).
    type: str
    choices: [quarantine, keep]
  max_quarantined:
    description: Stop before more rows than this go to quarantine.
    type: int
  salvage:
    description: Move what can still be read of a damaged source, instead of refusing it; the lost rows are reported.
    type: bool
    default: false
  allow_quarantine:
    description: Whether a run that ends with rows in quarantine, or lost in a damaged source, is a success.
    type: bool
    default: true
  report:
    description: File that gets the report as JSON.
    type: path
  html:
    description: File that gets the report as one HTML page.
    type: path
  interval:
    description: Seconds between two lines of progress; a run that takes less shows none.
    type: float
    default: 10.0
  watched:
    description: Folder through which the run is watched; the action plugin gives it.
    type: path
  fingerprint:
    description: Fingerprint of the engine that the controller's checkout has; another one is refused.
    type: str
attributes:
  check_mode:
    support: full
    details: In check mode a migration is planned.
  action:
    support: full
    details: It runs in the background of the host; where the play is ended, or the connection lost, it stops.
  async:
    support: full
    details: Without progress.
author:
  - The howdah maintainers
"""

EXAMPLES = r"""
- name: Migrate
  howdah_migration:
    application: /srv/howdah/applications/dadm
    sources: [/srv/dadm]
    dsn: host=/var/lib/howdah/local/socket user=howdah_migrator dbname=dadm_db
"""

RETURN = r"""
sentence:
  description: The outcome in one sentence.
  returned: always
  type: str
report:
  description: The report; C(docs/operator-guide.md) describes it.
  returned: when migrated or verified
  type: dict
plan:
  description: The plan.
  returned: when planned
  type: dict
"""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from howdah import pipeline
    from howdah.errors import HowdahError
    from howdah.fingerprint import fingerprint
    from howdah.progress import silent
    from howdah.report import render_html, write_parts, write_text
    from howdah.stopping import Stopped, stoppable
    from howdah.watched import watched

    HOWDAH_MISSING = ""
except ImportError as error:
    HOWDAH_MISSING = f"{missing_required_lib('howdah', reason='to migrate; run the role howdah_runtime first')} {error}"


def request(wanted: dict[str, Any]) -> Any:
    """Return the engine's request."""
    return pipeline.Request(
        sources=tuple(Path(path) for path in wanted["sources"]),
        dsn=wanted["dsn"],
        application=Path(wanted["application"]) if wanted["application"] else None,
        schema=wanted["schema"],
        jobs=wanted["jobs"],
        max_quarantined=wanted["max_quarantined"],
        identifiers=wanted["identifiers"],
        orphans=wanted["orphans"],
        salvage=wanted["salvage"],
    )


def keep(report: Any, wanted: dict[str, Any]) -> None:
    """Write the report where it is wanted."""
    if wanted["report"]:
        write_parts(Path(wanted["report"]), report.to_json())
    if wanted["html"]:
        write_text(Path(wanted["html"]), render_html(report))


def told(wanted: dict[str, Any]) -> Any:
    """Return a context that gives what progress is told to."""
    return watched(Path(wanted["watched"]), wanted["interval"]) if wanted["watched"] else nullcontext(silent)


def run(module: AnsibleModule, progress: Any) -> dict[str, Any]:
    """Do what is wanted; return the module's result."""
    wanted = module.params
    if wanted["state"] == "planned" or (module.check_mode and wanted["state"] == "migrated"):
        plan = pipeline.plan(request(wanted), progress)
        pending = plan.pending and wanted["state"] == "migrated"
        return {"changed": pending, "sentence": plan.sentence, "plan": plan.to_dict()}
    act = pipeline.migrate if wanted["state"] == "migrated" else pipeline.verify
    report = act(request(wanted), progress)
    if not module.check_mode:
        keep(report, wanted)
    result = {"changed": report.changed, "sentence": report.sentence, "report": report.to_dict()}
    if report.exit_code == 4 or (report.exit_code == 3 and not wanted["allow_quarantine"]):
        module.fail_json(msg=f"{report.sentence} See {wanted['html'] or wanted['report'] or 'the report'}.", **result)
    return result


def main() -> None:
    """Run, and exit as the engine says."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["planned", "migrated", "verified"], "default": "migrated"},
            "sources": {"type": "list", "elements": "path", "required": True},
            "application": {"type": "path"},
            "dsn": {"type": "str", "required": True},
            "schema": {"type": "str"},
            "jobs": {"type": "int", "default": 1},
            "max_quarantined": {"type": "int"},
            "identifiers": {"type": "str", "choices": ["lower", "keep", "snake"]},
            "orphans": {"type": "str", "choices": ["quarantine", "keep"]},
            "salvage": {"type": "bool", "default": False},
            "allow_quarantine": {"type": "bool", "default": True},
            "report": {"type": "path"},
            "html": {"type": "path"},
            "interval": {"type": "float", "default": 10.0},
            "watched": {"type": "path"},
            "fingerprint": {"type": "str"},
        },
        supports_check_mode=True,
    )
    if HOWDAH_MISSING:
        module.fail_json(msg=HOWDAH_MISSING)
    expected = module.params["fingerprint"]
    if expected and expected != fingerprint():
        module.fail_json(
            msg=f"This host's engine is {fingerprint()}, the checkout's is {expected}."
            " Run the role howdah_runtime (playbooks/site.yml) first."
        )
    try:
        with stoppable(), told(module.params) as progress:
            result = run(module, progress)
    except HowdahError as error:
        module.fail_json(msg=str(error), exit_code=error.exit_code)
    except Stopped as error:
        module.fail_json(msg=f"Stopped by {error}. What was committed is whole; run it again, and it finishes.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
