"""Loads tables: everything about one table, its ledger rows included, in one transaction."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from howdah import checks, ledger, merge, ownership
from howdah.catalog.sqlite import open_snapshot
from howdah.errors import QuarantinedRows, VerificationFailed
from howdah.ledger import Ledger, Load, Quarantined
from howdah.pg import Connection, Rollback, execute, qualified, quoted
from howdah.plan import TablePlan
from howdah.progress import Event, Progress, silent
from howdah.reading import count, key_of, pick, row_digest, tagged
from howdah.staging import Stage, stage


@dataclass
class Budget:
    """How many more rows may go to quarantine in this run; shared by all workers."""

    left: int | None
    limit: int | None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, rows: int, table: str) -> None:
        """Take rows off the budget.

        :raises QuarantinedRows: when there are too many; the table's transaction is then rolled back.
        """
        if self.left is None:
            return
        with self._lock:
            self.left -= rows
            if self.left < 0:
                raise QuarantinedRows(
                    f"More than {self.limit} rows would go to quarantine; stopped at table {table}, which is"
                    " unchanged.",
                    "Look at the reasons with howdah plan, correct the source or application.yml, or raise "
                    "--max-quarantined.",
                )


@dataclass(frozen=True)
class Context:
    """What loading needs to know about the run.

    :ivar snapshots: source name → (path of its snapshot, sha256).
    """

    application: str
    run_id: UUID
    snapshots: Mapping[str, tuple[Path, str]]
    known: Ledger
    budget: Budget
    progress: Progress = silent


@dataclass(frozen=True)
class Loaded:
    """What loading one table did.

    :ivar retained: rows of ours that wait to be deleted, because others still refer to them.
    :ivar shared: rows that were there already, equal, and are not ours.
    :ivar effective: something in the target is not as it was before.
    """

    plan: TablePlan
    loaded: int
    quarantined: int
    merged: merge.Merged
    retained: int
    shared: int
    mapped: int
    effective: bool
    seconds: float


def load_group(
    connection: Connection,
    group: tuple[TablePlan, ...],
    context: Context,
    unsettled: tuple[TablePlan, ...] = (),
) -> tuple[Loaded, ...]:
    """Load the tables of one group in one transaction and return what was done.

    A load that would leave everything as it is, is rolled back: no write.

    :param unsettled: tables with rows that wait to be deleted; they count as gone when parents are looked
        for.
    :raises VerificationFailed: rows were lost on the way.
    :raises QuarantinedRows: over the budget.
    """
    result: tuple[Loaded, ...] = ()
    with connection.transaction():
        result = _load_group(connection, group, context, unsettled)
        if not any(loaded.effective for loaded in result):
            raise Rollback
    return result


def _load_group(
    connection: Connection, group: tuple[TablePlan, ...], context: Context, unsettled: tuple[TablePlan, ...]
) -> tuple[Loaded, ...]:
    started = time.monotonic()
    stages = [_stage(connection, plan, number, context) for number, plan in enumerate(group)]
    by_target = {s.plan.target.name: s for s in stages}
    for s in stages:
        # Readers go on; writers wait, so that nobody fills a gap between a check and the insert it is for.
        target = qualified(s.plan.target.schema, s.plan.target.name)
        execute(connection, f"LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE")
        ownership.recall(connection, context.application, s.plan, s.owned)
    doomed = _doomed(connection, context, unsettled)
    restore = _defer(connection, stages)
    deleted = dict.fromkeys(by_target, 0)
    for s in stages:
        checks.within(connection, s)
    while True:
        for s in reversed(stages):
            deleted[s.plan.target.name] += merge.delete_vanished(connection, s)
        # A row set aside may be another's parent, and its old version must go: again until nothing is found.
        if not sum(checks.against_target(connection, s) for s in stages) + sum(
            checks.orphans(connection, s, by_target, doomed) for s in stages
        ):
            break
    written = {s.plan.target.name: merge.write(connection, s) for s in stages}
    _restore(connection, restore)
    return tuple(
        _record(connection, s, context, written[s.plan.target.name], deleted[s.plan.target.name], started)
        for s in stages
    )


def _stage(connection: Connection, plan: TablePlan, number: int, context: Context) -> Stage:
    path, _ = context.snapshots[plan.source]

    def step(done: int, size: int) -> None:
        context.progress(Event("load", *plan.identity, done, plan.rows, size))

    staged = stage(connection, path, plan, number, step)
    with open_snapshot(path) as snapshot:
        counted = count(snapshot, plan.table)
    if staged.rows != counted:
        raise VerificationFailed(
            f"{plan.table.name} of {plan.source}: {staged.rows} rows were read and SQLite counts {counted}.",
            "The index of the source is damaged; try: sqlite3 FILE 'PRAGMA integrity_check'",
        )
    return staged


def _doomed(
    connection: Connection, context: Context, unsettled: tuple[TablePlan, ...]
) -> dict[str, tuple[str, tuple[str, ...]]]:
    found = {}
    for number, plan in enumerate(unsettled):
        name = f"pg_temp._howdah_doomed_{number}"
        ownership.recall(connection, context.application, plan, name, ownership.RETAINED)
        found[plan.target.name] = (name, plan.key)
    return found


def _defer(connection: Connection, stages: list[Stage]) -> list[tuple[str, str, str]]:
    """Let foreign keys among these tables be checked at the end; return what is to be undone."""
    names = [s.plan.target.name for s in stages]
    fresh = all(execute(connection, f"SELECT 1 FROM {s.owned} LIMIT 1").fetchone() is None for s in stages)
    if len(stages) == 1 and fresh:
        return []  # one INSERT checks references to its own rows at its end
    rows = connection.execute(
        """SELECT c.relname, con.conname, con.condeferrable, con.condeferred
           FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid JOIN pg_class f ON f.oid =
           con.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace AND n.oid = f.relnamespace
           WHERE con.contype = 'f' AND n.nspname = %s AND c.relname = ANY (%s) AND f.relname = ANY (%s)""",
        [stages[0].plan.target.schema, names, names],
    ).fetchall()
    undo = []
    for table, name, deferrable, deferred in rows:
        where = qualified(stages[0].plan.target.schema, table)
        was = ("DEFERRABLE" if deferrable else "NOT DEFERRABLE") + (" INITIALLY DEFERRED" if deferred else "")
        change = f"ALTER TABLE {where} ALTER CONSTRAINT {quoted(name)}"
        execute(connection, f"{change} DEFERRABLE INITIALLY DEFERRED")
        undo.append((where, quoted(name), was))
    return undo


def _restore(connection: Connection, undo: list[tuple[str, str, str]]) -> None:
    if undo:
        execute(connection, "SET CONSTRAINTS ALL IMMEDIATE")
    for where, name, was in undo:
        execute(connection, f"ALTER TABLE {where} ALTER CONSTRAINT {name} {was}")


def _record(
    connection: Connection, s: Stage, context: Context, written: merge.Merged, deleted: int, started: float
) -> Loaded:
    plan, known = s.plan, context.known.loads.get(s.plan.identity)
    loaded, shared = execute(
        connection, f"SELECT count(*), count(*) FILTER (WHERE _howdah_shared) FROM {s.name}"
    ).fetchone() or (0, 0)
    if s.rows != loaded + len(s.rejects):
        raise VerificationFailed(
            f"{plan.table.name} of {plan.source}: {s.rows} rows were read, {loaded} loaded and"
            f" {len(s.rejects)} set aside.",
            "Nothing of this table was kept. This is a defect of howdah: please report it.",
        )
    before = ledger.quarantined(connection, context.application, *plan.identity)
    _quarantine(connection, s, context)
    after = ledger.quarantined(connection, context.application, *plan.identity)
    context.budget.spend(len(s.rejects), plan.table.name)
    retained = merge.record_chunks(connection, context.application, context.run_id, s)
    target = qualified(plan.target.schema, plan.target.name)
    rows = execute(connection, f"SELECT count(*) FROM {target}").fetchone() or (0,)
    entry = Load(
        target_schema=plan.target.schema,
        target_table=plan.target.name,
        run_id=context.run_id,
        snapshot_sha256=context.snapshots[plan.source][1],
        content_digest=s.content_digest,
        plan_digest=plan.digest,
        source_rows=s.rows,
        loaded_rows=loaded,
        quarantined_rows=len(s.rejects),
        target_rows=rows[0],
        mapped=s.mapped,
        settled=retained == 0,
        key_columns=ownership.key_columns(plan),
        verified_at=None,
    )
    ledger.record_load(connection, context.application, *plan.identity, entry)
    merged = merge.Merged(written.inserted, written.updated, deleted)
    same = known is not None and (known.plan_digest, known.content_digest, known.settled) == (
        entry.plan_digest,
        entry.content_digest,
        entry.settled,
    )
    return Loaded(
        plan=plan,
        loaded=loaded,
        quarantined=len(s.rejects),
        merged=merged,
        retained=retained,
        shared=shared,
        mapped=s.mapped,
        effective=not same or before != after or merged != merge.Merged(),
        seconds=time.monotonic() - started,
    )


def _quarantine(connection: Connection, s: Stage, context: Context) -> None:
    ledger.clear_quarantine(connection, context.application, *s.plan.identity)
    if not s.rejects:
        return
    reasons = {reject.locator: reject for reject in s.rejects}
    path, _ = context.snapshots[s.plan.source]
    with open_snapshot(path) as snapshot:
        ledger.add_quarantine(
            connection,
            context.application,
            context.run_id,
            *s.plan.identity,
            (
                Quarantined(
                    locator=locator,
                    column=reasons[locator].column,
                    code=reasons[locator].code,
                    reason=reasons[locator].reason,
                    key=key_of(locator, row, s.plan.table),
                    row=tagged(row, s.plan.table),
                    digest=row_digest(row),
                )
                for locator, row in pick(snapshot, s.plan.table, set(reasons))
            ),
        )


def settle(connection: Connection, plan: TablePlan, context: Context) -> tuple[int, int]:
    """Delete rows that had to wait for others to let go of them; return (deleted, still waiting).

    Runs after all tables were loaded, children before parents.
    """
    with connection.transaction():
        name = "pg_temp._howdah_retained"
        if not ownership.recall(connection, context.application, plan, name, ownership.RETAINED):
            return 0, 0
        target = qualified(plan.target.schema, plan.target.name)
        execute(connection, f"LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE")
        deleted = merge.delete_retained(connection, plan, name)
        if not deleted:
            waiting = execute(connection, f"SELECT count(*) FROM {name}").fetchone() or (0,)
            return 0, int(waiting[0])
        left = merge.record_retained(connection, context.application, context.run_id, plan, name)
        connection.execute(
            """UPDATE howdah.load SET settled = %s, target_rows = target_rows - %s
               WHERE application = %s AND source = %s AND table_name = %s""",
            [left == 0, deleted, context.application, *plan.identity],
        )
        return deleted, left
