"""Loads tables: everything about one table, its ledger rows included, in one transaction."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from howdah import checks, direct, merge, ownership, patch, record, resume, small, stages
from howdah.context import Context, Loaded, Merged
from howdah.pg import Connection, Rollback, execute, qualified, quoted
from howdah.plan import TablePlan
from howdah.staging import Stage, stage


def load_portion(
    connection: Connection, portion: small.Portion, context: Context, unsettled: tuple[TablePlan, ...] = ()
) -> tuple[Loaded, ...]:
    """Load the tables of one portion in their order and return what was done.

    Together if nothing stands against it; otherwise the half of them without what does, and so on.

    :raises: as :func:`load_group`.
    """
    plans = portion.plans
    if len(plans) > 1 and not unsettled:
        try:
            return small.load(connection, portion, context)
        except small.RefusedError:
            middle = len(plans) // 2
            return tuple(
                loaded
                for half in (plans[:middle], plans[middle:])
                for loaded in load_portion(connection, small.read(connection, half, context), context)
            )
        except direct.NotDirectError:
            pass
    return tuple(loaded for plan in plans for loaded in load_group(connection, (plan,), context, unsettled))


def load_group(
    connection: Connection,
    group: tuple[TablePlan, ...],
    context: Context,
    unsettled: tuple[TablePlan, ...] = (),
) -> tuple[Loaded, ...]:
    """Load the tables of one group in one transaction and return what was done.

    A load that would leave everything as it is, is rolled back: no write. Rows of large tables are brought to the
    server in transactions before it.

    :param unsettled: tables with rows that wait to be deleted; they count as gone when parents are looked
        for.
    :raises VerificationFailed: rows were lost on the way.
    :raises QuarantinedRows: over the budget.
    """
    started = time.monotonic()
    if len(group) == 1 and not unsettled and patch.suits(connection, group[0], context):
        with contextlib.suppress(patch.NotPatchedError):
            return (patch.load(connection, group[0], context),)
    large = {
        plan.identity: resume.stage(connection, plan, number, context)
        for number, plan in enumerate(group)
        if resume.is_large(plan, context)
    }
    if len(group) == 1 and not unsettled and direct.suits(group[0], context):
        with contextlib.suppress(direct.NotDirectError):
            loaded = direct.load(connection, group[0], context, started, large.get(group[0].identity))
            return _noting_resumed((loaded,), large)
    result: tuple[Loaded, ...] = ()
    with connection.transaction():
        result = _load_group(connection, group, context, unsettled, started, large)
        if not any(loaded.effective for loaded in result):
            raise Rollback
        _drop(connection, context, large)
        return _noting_resumed(result, large)
    _drop(connection, context, large)
    return _noting_resumed(result, large)


def _noting_resumed(result: tuple[Loaded, ...], large: Mapping[tuple[str, str], Stage]) -> tuple[Loaded, ...]:
    staged = {identity: stage.resumed for identity, stage in large.items()}
    return tuple(replace(item, resumed=staged.get(item.plan.identity, 0)) for item in result)


def _drop(connection: Connection, context: Context, large: Mapping[tuple[str, str], Stage]) -> None:
    for s in large.values():
        stages.drop(connection, stages.name_of(context.application, s.plan))


def _load_group(
    connection: Connection,
    group: tuple[TablePlan, ...],
    context: Context,
    unsettled: tuple[TablePlan, ...],
    started: float,
    large: Mapping[tuple[str, str], Stage],
) -> tuple[Loaded, ...]:
    staged = [
        large.get(plan.identity) or _stage(connection, plan, number, context) for number, plan in enumerate(group)
    ]
    by_target = {s.plan.target.name: s for s in staged}
    for s in staged:
        # Readers go on; writers wait, so that nobody fills a gap between a check and the insert it is for.
        target = qualified(s.plan.target.schema, s.plan.target.name)
        execute(connection, f"LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE")
        ownership.recall(connection, context.application, s.plan, s.owned)
    doomed = _doomed(connection, context, unsettled)
    restore = _defer(connection, staged)
    deleted = dict.fromkeys(by_target, 0)
    for s in staged:
        checks.within(connection, s)
    while True:
        for s in reversed(staged):
            deleted[s.plan.target.name] += merge.delete_vanished(connection, s)
        # A row set aside may be another's parent, and its old version must go: again until nothing is found.
        if not sum(checks.against_target(connection, s) for s in staged) + sum(
            checks.orphans(connection, s, by_target, doomed) for s in staged
        ):
            break
    written = {s.plan.target.name: merge.write(connection, s) for s in staged}
    _restore(connection, restore)
    return tuple(
        _record(connection, s, context, written[s.plan.target.name], deleted[s.plan.target.name], started)
        for s in staged
    )


def _stage(connection: Connection, plan: TablePlan, number: int, context: Context) -> Stage:
    path, _ = context.snapshots[plan.source]
    staged = stage(connection, path, plan, number, partial(context.step, plan))
    record.count_again(path, plan, staged.rows)
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
    connection: Connection, s: Stage, context: Context, written: Merged, deleted: int, started: float
) -> Loaded:
    loaded, shared = execute(
        connection, f"SELECT count(*), count(*) FILTER (WHERE _howdah_shared) FROM {s.name}"
    ).fetchone() or (0, 0)
    return record.record(
        connection,
        context,
        s.plan,
        record.Result(
            rows=s.rows,
            loaded=loaded,
            shared=shared,
            rejects=s.rejects,
            content_digest=s.content_digest,
            mapped=s.mapped,
            merged=Merged(written.inserted, written.updated, deleted),
            started=started,
        ),
        lambda: merge.record_chunks(connection, context.application, context.run_id, s),
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
