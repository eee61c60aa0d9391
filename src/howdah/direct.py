"""Loads a table that is new to us straight into its place, all in one transaction.

Into an empty table rows go first, and indexes after them; nothing is compared on the way, as there is nothing to
compare with. Rows are frozen as they come, so that nobody has to look at or to write their pages again for that; where
the server refuses a row or to freeze, all come once more and are not. Rows of others may be there (another source fills
the same table) where PostgreSQL itself refuses what breaks a rule. Where a row does, the whole load is undone, and the
way through a staging table finds out which it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from howdah import ownership, rebuild, record, stages
from howdah.conditions import compared, parents, refers
from howdah.context import Context, Loaded, Merged
from howdah.pg import BrokenConstraint, Connection, attempt, execute, qualified, quoted
from howdah.plan import TablePlan
from howdah.sending import Copied, NotFrozenError, Sender, Sent
from howdah.staging import Stage

# Below this, building indexes anew costs more than keeping them up.
_MANY = 20_000
# Pages at the head of a table whose rows are looked at.
_PROOF_PAGES = 4
# Bytes of an image as the ledger keeps it: a row of a binary COPY stream, one int8.
_IMAGE = 14

_STATE = """
SELECT c.relkind = 'r' AND NOT c.relhasrules AND NOT c.relrowsecurity AND NOT c.relispartition
   AND NOT EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent))
   AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
   EXISTS (SELECT FROM {table}),
   ARRAY (SELECT conname::text FROM pg_constraint WHERE conrelid = c.oid AND convalidated
          UNION SELECT ic.relname::text FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
          WHERE i.indrelid = c.oid AND i.indisvalid)
FROM pg_class c WHERE c.oid = to_regclass(%s)
"""


class NotDirectError(Exception):
    """The rows must be looked at one by one; nothing was changed."""


def suits(plan: TablePlan, context: Context) -> bool:
    """Return whether a table is new to us, so that it may be worth a try."""
    known = context.known.loads.get(plan.identity)
    if known is not None and (known.loaded_rows or not known.settled):
        return False
    # COPY takes no generated column, and what PostgreSQL computes is compared in the stage.
    return not any(column.computed for column in plan.columns)


def load(connection: Connection, plan: TablePlan, context: Context, started: float, stage: Stage | None) -> Loaded:
    """Load a table in a transaction of its own.

    :param started: when work on it began, of the clock that never goes back.
    :param stage: of a large table, where its rows wait; it is dropped.
    :raises NotDirectError: a row breaks a rule of the table, or something acts on rows as they come, or rows of others
        are there and not every rule of the table is looked at by PostgreSQL.
    :raises VerificationFailed: rows were lost on the way.
    :raises QuarantinedRows: over the budget.
    """
    try:
        try:
            return _loaded(connection, plan, context, started, stage, frozen=True)
        except NotFrozenError:
            return _loaded(connection, plan, context, started, stage, frozen=False)
    except BrokenConstraint as error:
        raise NotDirectError from error


def _loaded(
    connection: Connection, plan: TablePlan, context: Context, started: float, stage: Stage | None, *, frozen: bool
) -> Loaded:
    with connection.transaction():
        loaded = _load(connection, plan, context, started, stage, frozen=frozen)
        if stage:
            stages.drop(connection, stages.name_of(context.application, plan))
        return loaded


def _load(
    connection: Connection, plan: TablePlan, context: Context, started: float, stage: Stage | None, *, frozen: bool
) -> Loaded:
    target = qualified(plan.target.schema, plan.target.name)
    execute(connection, f"LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE")
    filled, guarded = state(connection, plan, target)
    if filled and not (guarded and plan.key):
        raise NotDirectError
    taken: tuple[rebuild.Taken, ...] = ()
    owned = taken_over = False
    if plan.rows >= _MANY and not filled:
        # A file of its own is filled from front to back; a table that others refer to cannot have one.
        taken_over = attempt(connection, f"TRUNCATE {target}")
        taken = rebuild.take_down(connection, target)
    columns = ", ".join(quoted(column.target) for column in plan.columns)
    # PostgreSQL looks at references one by one; all at once is faster for many.
    by_server = guarded and (filled or plan.rows < _MANY)
    with contextlib.nullcontext() if by_server else _unchecked_references(connection, plan):
        if stage:
            sent = _unstage(connection, stage, target, columns)
        else:
            path, _ = context.snapshots[plan.source]
            # Images made here are compared with some that the server makes; fewer rows it may as well do alone.
            imaged = bool(not plan.key and taken_over)
            frozen = frozen and taken_over
            sender = Sender(connection, path, plan, target, columns, staged=False, frozen=frozen, imaged=imaged)
            fresh = record.is_fresh(context, plan)
            with ownership.Writer(connection, context.application, context.run_id, plan, fresh=fresh) as ledger:
                owner = _Owner(ledger, plan, sender)
                sent = sender.send(partial(context.step, plan), owner.add)
            owned = owner.done and owner.proven(connection, target)
            record.count_again(path, plan, sent.rows)
    rebuild.put_up(connection, taken)
    if not by_server:
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
            target_rows=sent.copied,
        ),
        partial(_chunks, connection, context, plan, sent, stage, owned=owned),
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


@contextlib.contextmanager
def _unchecked_references(connection: Connection, plan: TablePlan) -> Iterator[None]:
    """Look at references all at once afterwards instead of row by row, if we may."""
    unchecked = bool(plan.target.foreign_keys) and attempt(connection, "SET LOCAL session_replication_role = replica")
    yield
    if unchecked:
        execute(connection, "SET LOCAL session_replication_role = origin")


def state(connection: Connection, plan: TablePlan, target: str) -> tuple[bool, bool]:
    """Return whether a table that we have locked holds rows, and whether all its rules are in force there.

    :raises NotDirectError: something acts on rows as they come.
    """
    plain, filled, names = execute(connection, _STATE.format(table=target), [target]).fetchone() or (False, True, [])
    if not plain:
        raise NotDirectError
    kept = plan.target
    rules = {rule.name for rules in (kept.uniques, kept.checks, kept.foreign_keys) for rule in rules}
    return filled, rules <= set(names)


class _Owner:
    """Records the chunks of a load, whose rows are all ours.

    :ivar done: that is all; otherwise rows without a key are told apart once all are there.
    """

    def __init__(self, ledger: ownership.Writer, plan: TablePlan, sender: Sender) -> None:
        self._ledger = ledger
        self._plan = plan
        self._sender = sender
        self._first: bytes | None = None
        self.done = bool(plan.key) or sender.imaged

    def add(self, copied: Copied) -> None:
        """Record a chunk."""
        self.done = self.done and (bool(self._plan.key) or self._sender.imaged)
        if not self.done:
            return
        keys = copied.keys.to_bytes()
        if self._first is None:
            self._first = keys
        self._ledger.add(copied.chunk, keys, copied.images if self._plan.imaged else None)

    def proven(self, connection: Connection, target: str) -> bool:
        """Return whether the server makes the same images of the first rows as were made here."""
        if self._plan.key:
            return True
        query = f"SELECT {ownership.image_row(self._plan)} FROM {target} WHERE ctid < '({_PROOF_PAGES},0)'"
        found = execute(connection, query).fetchall()
        kept = self._first or b""
        images = {kept[at : at + _IMAGE] for at in range(0, len(kept), _IMAGE)}
        return {bytes(image) for (image,) in found} <= images


def _chunks(
    connection: Connection, context: Context, plan: TablePlan, sent: Sent, stage: Stage | None, *, owned: bool
) -> int:
    if plan.key and stage:
        stages.adopt(connection, context.application, plan, context.run_id)
    elif not plan.key and not owned:
        ownership.record_images(connection, context.application, context.run_id, plan, sent.chunks)
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
