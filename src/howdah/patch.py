"""Loads only the rows of a table that changed, came or went; whatever else they touch, the whole table is loaded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from howdah import checks, chunks, counting, ledger, merge, ownership, record, staging
from howdah.chunks import Imaged, Locators
from howdah.conditions import same
from howdah.context import Context, Loaded, Merged, Patched
from howdah.delta import Delta
from howdah.errors import TargetRefused
from howdah.images import Images, Keys, binary, raw
from howdah.ledger import Load
from howdah.order import batched
from howdah.ownership import Written
from howdah.pg import BrokenConstraint, Connection, ConnectionLost, execute, qualified
from howdah.plan import TablePlan
from howdah.quarantine import DEPENDS_ON_ROWS
from howdah.staging import SHARED, Stage
from howdah.vector.batches import UNIT_ROWS
from howdah.vector.digests import Digests

# A chunk does not grow beyond so many rows.
_LARGEST = 4 * UNIT_ROWS
# Chunks that are in memory at once: with their keys, about half a megabyte each.
_TOGETHER = 16


class NotPatchedError(Exception):
    """What the rows touch must be looked at as a whole; nothing was changed."""


def suits(connection: Connection, plan: TablePlan, context: Context) -> bool:
    """Return whether the rows of a table that changed can be loaded without the others."""
    known = context.known.loads.get(plan.identity)
    if plan.identity not in context.deltas or known is None or known.plan_digest != plan.digest:
        return False
    if known.key_columns != ownership.key_columns(plan):
        return False
    if known.mapped or any(column.computed for column in plan.columns):
        return False  # identifiers that were mapped are counted over the whole table
    waiting = ledger.waiting_reasons(connection, context.application).get(plan.identity, frozenset())
    return not waiting & DEPENDS_ON_ROWS


def load(connection: Connection, plan: TablePlan, context: Context) -> Loaded:
    """Load what changed, in a transaction of its own.

    :raises NotPatchedError: a row clashes with one that did not change, or others refer to a row that goes.
    :raises VerificationFailed: rows were lost on the way.
    :raises QuarantinedRows: over the budget.
    """
    try:
        with connection.transaction():
            return _load(connection, plan, context, context.deltas[plan.identity])
    except BrokenConstraint as error:
        raise NotPatchedError from error


def _load(connection: Connection, plan: TablePlan, context: Context, delta: Delta) -> Loaded:
    started = time.monotonic()
    # Few rows of a table that was read not long ago: by its index they are found faster than the planner believes.
    execute(connection, "SET LOCAL random_page_cost = 1.1")
    known = context.known.loads[plan.identity]
    path, _ = context.snapshots[plan.source]
    stage = staging.stage(connection, path, plan, 0, partial(context.step, plan), delta.come)
    if stage.rows != len(delta.come) or stage.mapped:
        raise NotPatchedError
    target = qualified(plan.target.schema, plan.target.name)
    execute(connection, f"LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE")
    come = stage.keys
    gone = _record_chunks(connection, context, plan, delta, come)
    stays, ours = gone.within(come), come.within(gone)
    # Where PostgreSQL looks itself, it looks at references that are new and at no others.
    guarded = _guarded(connection, plan, target)
    if not (stays and ours and guarded):
        ownership.give(connection, plan, stage.owned, gone.to_bytes())
    # Counting takes as long as merging.
    counted = context.counts.begin(known)
    try:
        merged = _merged(connection, stage, counted, stays=stays, ours=ours, guarded=guarded)
    except BaseException:
        context.counts.give_up(counted)
        raise
    more = merged.inserted - merged.deleted
    before = _before(connection, known, counted, more)
    if before < known.target_rows and plan.target.name not in context.shared:
        raise NotPatchedError
    held = before + more
    loaded = record.record(
        connection,
        context,
        plan,
        record.Result(
            rows=delta.rows,
            loaded=known.loaded_rows - len(gone.locators) + len(come.locators),
            shared=0,
            rejects=stage.rejects,
            content_digest=delta.content_digest,
            mapped=0,
            merged=merged,
            started=started,
            touched=np.union1d(delta.gone, delta.come).tolist(),
            target_rows=held,
        ),
        lambda: 0,
    )
    touched = come.to_bytes() if stays else gone.to_bytes() + come.to_bytes()
    return replace(loaded, patched=Patched(delta.come, touched, held))


def _before(connection: Connection, known: Load, counted: Future[int], more: int) -> int:
    """Return how many rows the table of a load had for others; where nobody else could count them, they are counted."""
    try:
        return counted.result()
    except (ConnectionLost, TargetRefused):
        return (counting.held(connection, known) or 0) - more


def _merged(
    connection: Connection, stage: Stage, counted: Future[int], *, stays: bool, ours: bool, guarded: bool
) -> Merged:
    """Bring the target up to date with the rows that are staged.

    :param counted: is over before the table is changed in its structure.
    :param stays: no key of our earlier rows vanishes; with ``ours``, none is new.
    :param guarded: PostgreSQL itself refuses rows that refer to none.
    """
    target = qualified(stage.plan.target.schema, stage.plan.target.name)
    if checks.within(connection, stage):
        raise NotPatchedError
    deleted = 0 if stays else _deleted(connection, stage, target)
    if checks.against_target(connection, stage, known=ours):
        raise NotPatchedError
    if not ours and execute(connection, f"SELECT 1 FROM {stage.name} WHERE {SHARED} LIMIT 1").fetchone():
        raise NotPatchedError
    if not guarded and checks.orphans(connection, stage, {stage.plan.target.name: stage}, {}):
        raise NotPatchedError
    merged = replace(merge.write(connection, stage, lambda: wait([counted])), deleted=deleted)
    # At the end of the transaction it would be too late: what is recorded counts for the run.
    execute(connection, "SET CONSTRAINTS ALL IMMEDIATE")
    return merged


def _guarded(connection: Connection, plan: TablePlan, target: str) -> bool:
    """Return whether PostgreSQL itself refuses rows that refer to none."""
    row = connection.execute(
        """SELECT ARRAY (SELECT conname::text FROM pg_constraint c WHERE conrelid = to_regclass(%(table)s)
                         AND contype = 'f' AND convalidated
                         AND current_setting('session_replication_role') <> 'replica' AND NOT EXISTS (
                           SELECT FROM pg_trigger t WHERE t.tgconstraint = c.oid AND t.tgenabled <> 'O'))""",
        {"table": target},
    ).fetchone() or ([],)
    return {key.name for key in plan.target.foreign_keys} <= set(row[0])


def _deleted(connection: Connection, stage: Stage, target: str) -> int:
    """Delete rows of ours that are staged no more; return how many."""
    deleted = merge.delete_vanished(connection, stage)
    left = f"""
        SELECT 1 FROM {stage.owned} o JOIN {target} t ON {same(stage.plan.key, "t", "o")}
        WHERE NOT EXISTS (SELECT 1 FROM {stage.name} s WHERE {same(stage.plan.key, "s", "o")}) LIMIT 1"""
    if execute(connection, left).fetchone():
        raise NotPatchedError
    return deleted


def _record_chunks(connection: Connection, context: Context, plan: TablePlan, delta: Delta, come: Keys) -> Keys:
    """Bring the chunks of the ledger up to date; return the keys of the rows that go, of those that are ours."""
    found: list[Keys] = []
    known = chunks.imaged(connection, context.application, plan)
    last = known[-1].last if known else np.iinfo(np.int64).min
    behind = delta.come > last
    gone = dict(chunks.touched(known, delta.gone))
    within = dict(chunks.touched(known, delta.come[~behind]))
    none = delta.gone[:0]
    for some in batched(sorted(gone.keys() | within.keys()), _TOGETHER):
        wanted = [(known[p], gone.get(p, none), within.get(p, none)) for p in some]
        touched = _kept(connection, context, plan, delta, wanted)
        made = []
        for chunk, rows in touched:
            ours = chunk.sizes > 0
            keys = chunk.keys if ours.all() else chunk.keys.filter(pa.array(ours))
            found.append(Keys(chunk.gone[ours], keys))
            made.append(_remade(connection, context, plan, chunk, _some(delta, come, rows)))
        ownership.replace_chunks(connection, context.application, context.run_id, plan, made)
    free = max((chunk.ordinal for chunk in known), default=-1) + 1
    added = delta.come[behind]
    for number, start in enumerate(range(0, len(added), UNIT_ROWS), free):
        new = _made(number, Keys.none(), delta.digests[:0], _some(delta, come, added[start : start + UNIT_ROWS]))
        ownership.replace_chunks(connection, context.application, context.run_id, plan, [new])
    return Keys.joined(found)


@dataclass(frozen=True)
class _Kept:
    """What the ledger keeps of a chunk from which rows go.

    :ivar gone: locators of those rows, with their places in the chunk, sizes of their keys, and keys.
    """

    chunk: Imaged
    images: Images
    gone: Locators
    places: chunks.Places
    sizes: NDArray[np.int32]
    keys: pa.BinaryArray


def _kept(
    connection: Connection,
    context: Context,
    plan: TablePlan,
    delta: Delta,
    touched: list[tuple[Imaged, Locators, Locators]],
) -> Iterator[tuple[_Kept, Locators]]:
    """Yield what the ledger keeps of chunks, and the locators of the rows that come into each."""
    wanted = [chunk for chunk, _, _ in touched]
    images = list(chunks.images(connection, context.application, plan, wanted, known=delta.images))
    places = [np.searchsorted(each.locators, gone) for each, (_, gone, _) in zip(images, touched, strict=True)]
    rows = [(chunk, each, at) for chunk, each, at in zip(wanted, images, places, strict=True)]
    keys = chunks.keys_of(connection, context.application, plan, rows)
    for (chunk, each, at), (_, gone, come), values in zip(rows, touched, keys, strict=True):
        sizes = each.sizes[at]
        yield _Kept(chunk, each, gone, at, sizes, binary(values, sizes)), come


def _remade(
    connection: Connection, context: Context, plan: TablePlan, kept: _Kept, arrived: tuple[Keys, Digests]
) -> Written:
    """Return a chunk as it is to be, now that some rows arrived."""
    if np.array_equal(kept.gone, arrived[0].locators) and kept.keys.equals(arrived[0].values):
        # Rows that have other values under the same keys, as most changes are.
        digests = kept.images.digests.copy()
        digests[kept.places] = arrived[1]
        return Written(kept.chunk.ordinal, replace(kept.images, digests=digests))
    stays = np.ones(len(kept.images), np.bool_)
    stays[kept.places] = False
    keys = kept.images.keys(chunks.keys(connection, context.application, plan, kept.chunk))
    remain = Keys(kept.images.locators[stays], keys.filter(pa.array(stays)))
    return _made(kept.chunk.ordinal, remain, kept.images.digests[stays], arrived)


def _some(delta: Delta, come: Keys, locators: Locators) -> tuple[Keys, Digests]:
    """Return keys and digests of some of the rows that came; a row that is not ours has no key."""
    digests = delta.digests[np.searchsorted(delta.come, locators)]
    places = np.searchsorted(come.locators, locators)
    start = int(places[0]) if len(places) else 0
    if np.array_equal(come.locators[start : start + len(locators)], locators):
        # As in most cases; whatever else takes rows out of an array takes a library that is slow to load.
        return Keys(locators, come.values.slice(start, len(locators))), digests
    ours = np.zeros(len(locators), np.bool_)
    inside = places < len(come.locators)
    ours[inside] = come.locators[places[inside]] == locators[inside]
    keys = come.values.take(pa.array(np.where(ours, places, 0), mask=~ours)).fill_null(b"")
    return Keys(locators, keys), digests


def _made(ordinal: int, kept: Keys, kept_digests: Digests, more: tuple[Keys, Digests]) -> Written:
    """Return a chunk of rows that stay and rows that came."""
    keys, digests = more
    locators = np.concatenate([kept.locators, keys.locators])
    order = np.argsort(locators)
    if len(order) > _LARGEST:
        raise NotPatchedError
    values = pa.concat_arrays([kept.values, keys.values]).take(pa.array(order))
    sizes = np.diff(raw(values)[1])
    images = Images(locators[order], np.concatenate([kept_digests, digests])[order], sizes)
    return Written(ordinal, images, raw(values)[0].tobytes())
