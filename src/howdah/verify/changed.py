"""Compares the rows that a load was about, where the others were verified before and were not touched."""

from __future__ import annotations

from pathlib import Path

from howdah import encoding, ownership
from howdah.catalog.sqlite import open_snapshot
from howdah.context import Patched
from howdah.pg import Connection, execute
from howdah.plan import TablePlan
from howdah.reading import pick, row_digest
from howdah.verify import readback
from howdah.verify.compare import Buckets, Found, Outcome, Sides, describe, match
from howdah.verify.sums import agree_on
from howdah.verify.target import Reader

_KEYS = "pg_temp._howdah_touched"


def verify_changed(
    reader: Reader,
    connection: Connection,
    plan: TablePlan,
    snapshot: Path,
    waiting: dict[int, bytes],
    folder: Path,
    part: Patched,
) -> Outcome:
    """Compare rows of one table: those that the snapshot has, and those that the target has by their keys.

    :param reader: of the target; it may have read other tables before.
    :param waiting: locator → digest of the source rows in quarantine.
    :param folder: for temporary files.
    :param part: which rows; what had one of these keys and is no row of the snapshot must be gone.
    """
    ours = plan.rows - len(waiting)
    foreign = max(part.held - ours, 0)
    size = max(len(part.locators), 1)
    sides = Sides(Buckets(size, folder), Buckets(size, folder), plan)
    try:
        with connection.transaction(force_rollback=True):
            # As where they were loaded: by the index.
            execute(connection, "SET LOCAL random_page_cost = 1.1")
            ownership.give(connection, plan, _KEYS, part.keys)
            if agree_on(connection, plan, snapshot, waiting, part.locators.tolist(), _KEYS):
                return Outcome(plan, ours, len(waiting), foreign, (), 0)
            _fill(reader, connection, plan, snapshot, waiting, part, sides)
            found = Found([], [], [], set())
            for number in range(len(sides.expected)):
                match(sides.expected.read(number), sides.held.read(number), True, found)
            over = _left_over(connection, plan, found.extra)
    finally:
        sides.expected.close()
        sides.held.close()
    count = len(found.missing) + len(found.different) + len(found.doubled) + len(over)
    return Outcome(
        plan=plan,
        expected=ours,
        quarantined=len(waiting),
        foreign=foreign,
        differences=describe(connection, plan, snapshot, found, over) if count else (),
        count=count,
    )


def _fill(
    reader: Reader, connection: Connection, plan: TablePlan, snapshot: Path, waiting: dict[int, bytes], part: Patched,
    sides: Sides,
) -> None:  # fmt: skip
    """Fill both sides with the rows that whole columns could not settle, or with all where columns have no rules."""
    from howdah.verify import quick

    lanes = quick.lanes_of(plan, snapshot)
    rules = quick.rules_for(plan, lanes)
    if rules is not None:
        doubts = quick.Doubts(sides.expect, sides.hold)
        only = quick.Only(part.locators, list(ownership.literals(connection, plan, _KEYS)))
        quick.compare(reader, plan, rules, lanes, snapshot, waiting, doubts, lambda _: None, only)
        return
    with open_snapshot(snapshot) as source:
        for locator, row in pick(source, plan.table, set(part.locators.tolist())):
            if waiting.get(locator) != row_digest(row):
                sides.expect(locator, row)
    for fields in readback.rows(connection, plan, _KEYS):
        sides.hold(fields)


def _left_over(connection: Connection, plan: TablePlan, extra: set[bytes]) -> list[list[bytes]]:
    """Return the keys of the rows that the target has by these keys, where nothing was expected for them."""
    if not extra:
        return []
    return [key for key in readback.keys(connection, plan, _KEYS) if encoding.key_hash(key) in extra]
