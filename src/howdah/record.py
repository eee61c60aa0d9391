"""Writes into the ledger what became of a table's rows, in the transaction that holds them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from howdah import ledger, ownership
from howdah.catalog.sqlite import open_snapshot
from howdah.context import Context, Loaded, Merged
from howdah.errors import SourceError, VerificationFailed
from howdah.ledger import Load, Quarantined
from howdah.pg import Connection, execute, qualified
from howdah.plan import TablePlan
from howdah.reading import count, key_of, pick, row_digest, tagged
from howdah.vector.encode import Reject


@dataclass(frozen=True)
class Result:
    """What loading a table came to.

    :ivar rows: rows that the source has.
    :ivar loaded: rows that the target holds; ``shared`` of them were there before and are not ours.
    :ivar started: of the clock that never goes back.
    :ivar touched: locators of the rows that were looked at: the others stay in quarantine if they are there; ``None``:
        all were.
    :ivar target_rows: rows that the target table holds at least, where they need not be counted.
    """

    rows: int
    loaded: int
    shared: int
    rejects: Sequence[Reject]
    content_digest: str
    mapped: int
    merged: Merged
    started: float
    touched: Sequence[int] | None = None
    target_rows: int | None = None


def is_fresh(context: Context, plan: TablePlan) -> bool:
    """Return whether the ledger holds nothing of a table."""
    return plan.identity not in context.known.loads and plan.identity not in context.waiting


def count_again(snapshot: Path, plan: TablePlan, rows: int) -> None:
    """Compare the rows that were read with SQLite's own count.

    :raises SourceError: the snapshot cannot be read.
    :raises VerificationFailed: they differ.
    """
    try:
        # Where the pages of a table are looked up, too: each connection holds what all tables are declared as.
        with open_snapshot(snapshot) as source:
            counted = count(source, plan.table)
    except sqlite3.Error as error:
        raise SourceError(
            f"Table {plan.table.name} cannot be counted: {error}.",
            "Check the file with: sqlite3 FILE 'PRAGMA integrity_check'",
        ) from error
    if rows != counted:
        raise VerificationFailed(
            f"{plan.table.name} of {plan.source}: {rows} rows were read and SQLite counts {counted}.",
            "The index of the source is damaged; try: sqlite3 FILE 'PRAGMA integrity_check'",
        )


def record(
    connection: Connection, context: Context, plan: TablePlan, result: Result, chunks: Callable[[], int]
) -> Loaded:
    """Write quarantine, chunks and load.

    :param chunks: writes the chunks; returns how many rows of ours wait to be deleted.
    :raises VerificationFailed: rows were lost on the way.
    :raises QuarantinedRows: over the budget.
    """
    known = context.known.loads.get(plan.identity)
    fresh = is_fresh(context, plan)
    before = {} if fresh else ledger.quarantined(connection, context.application, *plan.identity)
    if before:
        ledger.clear_quarantine(connection, context.application, *plan.identity, result.touched)
    _quarantine(connection, plan, result.rejects, context)
    waits = before or result.rejects
    after = ledger.quarantined(connection, context.application, *plan.identity) if waits else {}
    if result.rows != result.loaded + len(after):
        raise VerificationFailed(
            f"{plan.table.name} of {plan.source}: {result.rows} rows were read, {result.loaded} loaded and"
            f" {len(after)} set aside.",
            "Nothing of this table was kept. This is a defect of howdah: please report it.",
        )
    context.budget.spend(len(after), plan.table.name)
    retained = chunks()
    entry = Load(
        target_schema=plan.target.schema,
        target_table=plan.target.name,
        run_id=context.run_id,
        snapshot_blake3=context.snapshots[plan.source][1],
        content_digest=result.content_digest,
        plan_digest=plan.digest,
        source_rows=result.rows,
        loaded_rows=result.loaded,
        quarantined_rows=len(after),
        target_rows=_counted(connection, plan) if result.target_rows is None else result.target_rows,
        mapped=result.mapped,
        settled=retained == 0,
        key_columns=ownership.key_columns(plan),
        verified_at=None,
    )
    ledger.record_load(connection, context.application, *plan.identity, entry)
    same = known is not None and (known.plan_digest, known.content_digest, known.settled) == (
        entry.plan_digest,
        entry.content_digest,
        entry.settled,
    )
    return Loaded(
        plan=plan,
        loaded=result.loaded,
        quarantined=len(after),
        merged=result.merged,
        retained=retained,
        shared=result.shared,
        mapped=result.mapped,
        effective=not same or before != after or result.merged != Merged(),
        seconds=time.monotonic() - result.started,
    )


def _counted(connection: Connection, plan: TablePlan) -> int:
    rows = execute(connection, f"SELECT count(*) FROM {qualified(plan.target.schema, plan.target.name)}").fetchone()
    return int(rows[0]) if rows else 0


def _quarantine(connection: Connection, plan: TablePlan, rejects: Sequence[Reject], context: Context) -> None:
    if not rejects:
        return
    reasons = {reject.locator: reject for reject in rejects}
    path, _ = context.snapshots[plan.source]
    with open_snapshot(path) as snapshot:
        ledger.add_quarantine(
            connection,
            context.application,
            context.run_id,
            *plan.identity,
            (
                Quarantined(
                    locator=locator,
                    column=reasons[locator].column,
                    code=reasons[locator].code,
                    reason=reasons[locator].reason,
                    key=key_of(locator, row, plan.table),
                    row=tagged(row, plan.table),
                    digest=row_digest(row),
                )
                for locator, row in pick(snapshot, plan.table, set(reasons))
            ),
        )
