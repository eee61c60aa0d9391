"""Compares small tables row by row, where setting up whole columns would cost more than their rows.

Sources that fill the same target table are compared together, so that it is read once and not once for each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from howdah import encoding
from howdah.catalog.sqlite import open_snapshot
from howdah.order import batched
from howdah.ownership import key_columns
from howdah.pg import Connection
from howdah.plan import TablePlan
from howdah.reading import row_digest, rows
from howdah.shared import Shared
from howdah.verify import readback
from howdah.verify.compare import Buckets, Found, Outcome, Sides, match

# Microseconds, roughly: what comparing one row by itself takes, and one row of a column; what setting that up takes.
_BY_ITSELF = 60
_IN_COLUMN = 2
_SET_UP = 30_000
# Tables whose keys are in memory at the same time.
_TABLES = 100
# The target may hold rows of other people, but not so many that reading them costs more than it saves.
_OTHERS = 1_000


def groups(plans: Iterable[TablePlan]) -> list[tuple[TablePlan, ...]]:
    """Return plans that are read back by the same query together, in the order of the first of each."""
    shared = Shared()
    found: dict[object, list[TablePlan]] = {}
    for plan in plans:
        columns = shared(tuple((column.target, column.type) for column in plan.columns))
        found.setdefault((plan.target.schema, plan.target.name, columns, plan.key), []).append(plan)
    return [tuple(group) for group in found.values()]


def is_worth_it(plans: Sequence[TablePlan]) -> bool:
    """Return whether rows of a group are compared sooner one by one; as columns, each plan reads the whole table."""
    size = sum(plan.rows for plan in plans)
    return size * _BY_ITSELF < len(plans) * (_SET_UP + size * _IN_COLUMN)


def verify_together(
    connection: Connection,
    plans: Sequence[TablePlan],
    application: str,
    snapshots: Mapping[str, Path],
    waiting: Mapping[tuple[str, str], Mapping[int, bytes]],
    folder: Path,
) -> tuple[Outcome, ...] | None:
    """Compare every row of tables of one group; return ``None`` where each must be looked at by itself.

    That is so where anything differs, or where the target holds far more rows than these tables.

    :param snapshots: source → its snapshot.
    :param waiting: table → locator → digest of its rows in quarantine; a row that changed since is none of them.
    :param folder: for temporary files.
    """
    size = max(sum(plan.rows for plan in plans), 1)
    buckets = Buckets(size, folder), Buckets(size, folder)
    try:
        counts = [_expect(Sides(*buckets, plan), plan, snapshots, waiting.get(plan.identity, {})) for plan in plans]
        sides, most = Sides(*buckets, plans[0]), 2 * size + _OTHERS
        held = 0
        for fields in readback.rows(connection, plans[0], limit=most + 1):
            held += 1
            sides.hold(fields)
        found = Found([], [], [], set())
        if held <= most:
            for number in range(len(buckets[0])):
                match(buckets[0].read(number), buckets[1].read(number), bool(plans[0].key), found)
    finally:
        for bucket in buckets:
            bucket.close()
    if held > most or found.missing or found.different or found.doubled:
        return None
    if found.extra and _are_ours(connection, plans, application, found.extra):
        return None
    return tuple(
        Outcome(plan, expected, quarantined, max(held - expected, 0), (), 0)
        for plan, (expected, quarantined) in zip(plans, counts, strict=True)
    )


def _expect(
    sides: Sides, plan: TablePlan, snapshots: Mapping[str, Path], waiting: Mapping[int, bytes]
) -> tuple[int, int]:
    """Take in the rows of a source; return how many are expected in the target, and how many are in quarantine."""
    expected = quarantined = 0
    with open_snapshot(snapshots[plan.source]) as source:
        for locator, row in rows(source, plan.table):
            if locator in waiting and waiting[locator] == row_digest(row):
                quarantined += 1
            else:
                expected += 1
                sides.expect(locator, row)
    return expected, quarantined


def _are_ours(connection: Connection, plans: Sequence[TablePlan], application: str, extra: set[bytes]) -> bool:
    """Return whether the ledger calls any of these rows ours, or has keys that cannot be compared with theirs.

    :param extra: hashes of the keys of rows that nothing was expected for.
    """
    columns = key_columns(plans[0])
    for some in batched(plans, _TABLES):
        kept = connection.execute(
            """SELECT key_columns, keys
               FROM unnest(%s::text[], %s::text[]) AS wanted (source, table_name)
               JOIN howdah.load USING (source, table_name) JOIN howdah.chunk USING (application, source, table_name)
               WHERE application = %s""",
            [[plan.source for plan in some], [plan.table.name for plan in some], application],
            binary=True,
        )
        for before, keys in kept:
            if before != columns:
                return True
            if any(encoding.key_hash(key) in extra for key in readback.kept_keys(plans[0], keys)):
                return True
    return False
