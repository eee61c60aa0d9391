"""Loads an empty table straight into its place: rows first, indexes after them, all in one transaction.

Nothing is compared on the way, as there is nothing to compare with. Where a row breaks a rule of the table, the
whole load is undone, and the way through a staging table finds out which row it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from howdah import ownership, rebuild, record, stages
from howdah.conditions import compared, image_digest, parents, refers
from howdah.context import Context, Loaded, Merged
from howdah.pg import BrokenConstraint, Connection, attempt, execute, qualified, quoted
from howdah.plan import TablePlan
from howdah.sending import Copied, Sender, Sent
from howdah.staging import Stage

# Below this, building indexes anew costs more than keeping them up.
_MANY = 20_000

_PLAIN = """
SELECT c.relkind = 'r' AND NOT c.relhasrules AND NOT c.relrowsecurity AND NOT c.relispartition
   AND NOT EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent))
   AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
FROM pg_class c WHERE c.oid = to_regclass(%s)
"""


class NotDirectError(Exception):
    """The rows must be looked at one by one; nothing was changed."""


def suits(connection: Connection, plan: TablePlan, context: Context) -> bool:
    """Return whether a table is empty, new to us, and has nothing that acts on rows as they come."""
    known = context.known.loads.get(plan.identity)
    if known is not None and (known.loaded_rows or not known.settled):
        return False
    if any(column.computed for column in plan.columns):
        return False  # COPY takes no generated column, and what PostgreSQL computes is compared in the stage
    row = connection.execute(_PLAIN, [qualified(plan.target.schema, plan.target.name)]).fetchone()
    return bool(row and row[0]) and _empty(connection, plan)


def load(connection: Connection, plan: TablePlan, context: Context, started: float, stage: Stage | None) -> Loaded:
    """Load a table in a transaction of its own.

    :param started: when work on it began, of the clock that never goes back.
    :param stage: of a large table, where its rows wait; it is dropped.
    :raises NotDirectError: a row breaks a rule of the table, or somebody else has put rows into it.
    :raises VerificationFailed: rows were lost on the way.
    :raises QuarantinedRows: over the budget.
    """
    try:
        with connection.transaction():
            loaded = _load(connection, plan, context, started, stage)
            if stage:
                stages.drop(connection, stages.name_of(context.application, plan))
            return loaded
    except BrokenConstraint as error:
        raise NotDirectError from error


def _load(connection: Connection, plan: TablePlan, context: Context, started: float, stage: Stage | None) -> Loaded:
    target = qualified(plan.target.schema, plan.target.name)
    execute(connection, f"LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE")
    if not _empty(connection, plan):
        raise NotDirectError
    taken: tuple[rebuild.Taken, ...] = ()
    if plan.rows >= _MANY:
        # A file of its own is filled from front to back; a table that others refer to cannot have one.
        attempt(connection, f"TRUNCATE {target}")
        taken = rebuild.take_down(connection, target)
    columns = ", ".join(quoted(column.target) for column in plan.columns)
    with _unchecked_references(connection, plan):
        if stage:
            sent = _unstage(connection, stage, target, columns)
        else:
            path, _ = context.snapshots[plan.source]
            sender = Sender(connection, path, plan, target, columns, staged=False)
            with ownership.Writer(connection, context.application, context.run_id, plan) as ledger:
                sent = sender.send(partial(context.step, plan), partial(_own, ledger, plan))
            record.count_again(path, plan, sent.rows)
    rebuild.put_up(connection, taken)
    _check(connection, plan, target)
    return record.record(
        connection,
        context,
        plan,
        record.Result(
            rows=sent.rows,
            loaded=sent.copied,
            shared=0,
            rejects=sent.rejects,
            content_digest=sent.content_digest,
            mapped=sent.mapped,
            merged=Merged(inserted=sent.copied),
            started=started,
        ),
        partial(_chunks, connection, context, plan, sent, stage),
    )


def _unstage(connection: Connection, stage: Stage, target: str, columns: str) -> Sent:
    statement = f"INSERT INTO {target} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {stage.name}"
    return Sent(
        rows=stage.rows,
        copied=execute(connection, statement).rowcount,
        mapped=stage.mapped,
        content_digest=stage.content_digest,
        chunks=list(stage.chunks),
        rejects=list(stage.rejects),
    )


@contextmanager
def _unchecked_references(connection: Connection, plan: TablePlan) -> Iterator[None]:
    """Look at references all at once afterwards instead of row by row, if we may."""
    unchecked = bool(plan.target.foreign_keys) and attempt(connection, "SET LOCAL session_replication_role = replica")
    yield
    if unchecked:
        execute(connection, "SET LOCAL session_replication_role = origin")


def _empty(connection: Connection, plan: TablePlan) -> bool:
    target = qualified(plan.target.schema, plan.target.name)
    return execute(connection, f"SELECT 1 FROM {target} LIMIT 1").fetchone() is None


def _own(ledger: ownership.Writer, plan: TablePlan, copied: Copied) -> None:
    """Record a chunk, whose rows are all ours; without a key they are told apart once all are there."""
    if plan.key:
        ledger.add(copied.chunk, copied.keys.to_bytes(), copied.images if plan.imaged else None)


def _chunks(connection: Connection, context: Context, plan: TablePlan, sent: Sent, stage: Stage | None) -> int:
    if plan.key and stage:
        stages.adopt(connection, context.application, plan, context.run_id)
    elif not plan.key:
        keys = ownership.digests_by_chunk(connection, plan, image_digest(tuple(c.target for c in plan.columns)))
        ownership.record(connection, context.application, context.run_id, plan, sent.chunks, keys)
    return 0


def _check(connection: Connection, plan: TablePlan, target: str) -> None:
    """Look at all rows for what no constraint or index of the table has looked at yet.

    :raises NotDirectError: some row breaks a rule.
    """
    filled = {column.target for column in plan.columns}
    there = rebuild.names(connection, target)
    questions = []
    for unique in plan.target.uniques:
        if unique.name not in there and filled >= set(unique.used):
            parts = ", ".join(unique.expressions)
            questions.append(f"SELECT 1 FROM {target} WHERE {compared(unique)} GROUP BY {parts} HAVING count(*) > 1")
    for check in plan.target.checks:
        if check.name not in there and filled >= set(check.used):
            questions.append(f"SELECT 1 FROM {target} WHERE NOT ({check.expression})")
    for key in plan.target.foreign_keys:
        if filled >= set(key.columns):
            questions.append(f"SELECT 1 FROM {target} t WHERE {refers(key, 't')} AND NOT EXISTS ({parents(key, 't')})")
    if questions:
        execute(connection, f"ANALYZE {target}")
    for question in questions:
        if execute(connection, f"{question} LIMIT 1").fetchone():
            raise NotDirectError
