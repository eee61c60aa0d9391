"""Compares the rows that a load was about, where the others were verified before and were not touched."""

from __future__ import annotations

from pathlib import Path

from howdah import encoding, ownership
from howdah.catalog.sqlite import open_snapshot
from howdah.context import Patched
from howdah.pg import Connection, execute, qualified
from howdah.plan import TablePlan
from howdah.reading import pick, row_digest
from howdah.verify import readback
from howdah.verify.compare import Buckets, Found, Outcome, Sides, describe, match

_KEYS = "pg_temp._howdah_touched"


def verify_changed(
    connection: Connection,
    plan: TablePlan,
    snapshot: Path,
    waiting: dict[int, bytes],
    folder: Path,
    part: Patched,
) -> Outcome:
    """Compare rows of one table, one by one: those that the snapshot has, and those that the target has by their keys.

    :param waiting: locator → digest of the source rows in quarantine.
    :param folder: for temporary files.
    :param part: which rows; what had one of these keys and is no row of the snapshot must be gone.
    """
    size = max(len(part.locators), 1)
    sides = Sides(Buckets(size, folder), Buckets(size, folder), plan)
    try:
        with open_snapshot(snapshot) as source:
            for locator, row in pick(source, plan.table, set(part.locators.tolist())):
                if waiting.get(locator) != row_digest(row):
                    sides.expect(locator, row)
        with connection.transaction(force_rollback=True):
            ownership.give(connection, plan, _KEYS, part.keys)
            for fields in readback.rows(connection, plan, _KEYS):
                sides.hold(fields)
            left_over = _left_over(connection, plan)
        found = Found([], [], [], set())
        for number in range(len(sides.expected)):
            match(sides.expected.read(number), sides.held.read(number), True, found)
    finally:
        sides.expected.close()
        sides.held.close()
    over = [key for key, hashed in left_over if hashed in found.extra]
    count = len(found.missing) + len(found.different) + len(found.doubled) + len(over)
    (held,) = execute(
        connection, f"SELECT count(*) FROM {qualified(plan.target.schema, plan.target.name)}"
    ).fetchone() or (0,)
    ours = plan.rows - len(waiting)
    return Outcome(
        plan=plan,
        expected=ours,
        quarantined=len(waiting),
        foreign=max(held - ours, 0),
        differences=describe(connection, plan, snapshot, found, over) if count else (),
        count=count,
    )


def _left_over(connection: Connection, plan: TablePlan) -> list[tuple[list[bytes], bytes]]:
    """Return the keys of the rows that the target has by these keys, each with its hash."""
    return [(key, encoding.key_hash(key)) for key in readback.keys(connection, plan, _KEYS)]
