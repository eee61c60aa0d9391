"""Brings cast rows into a staging table of the target, setting aside those that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from howdah.images import Keys
from howdah.pg import Connection, execute, quoted
from howdah.plan import TablePlan
from howdah.sending import Copied, Sender, Sent
from howdah.vector.encode import Reject
from howdah.vector.stream import Chunk

LOCATOR = "_howdah_locator"
CHUNK = "_howdah_chunk"
SHARED = "_howdah_shared"


@dataclass(frozen=True)
class Stage:
    """A staged table.

    :ivar name: the staging table, qualified and quoted; a temporary one, or that of a large table
        (:mod:`howdah.resume`).
    :ivar owned: the temporary table with the keys of our earlier rows, qualified and quoted.
    :ivar chunks: what was read, in reading order.
    :ivar mapped: identifiers that were mapped.
    :ivar images: chunk → what is known of its rows (:class:`howdah.images.Images`), none of them ours yet; empty where
        nothing is kept.
    :ivar resumed: rows that a run before had staged already.
    :ivar keys: of the rows that are there, where only some of the table's were staged.
    """

    plan: TablePlan
    name: str
    owned: str
    rows: int
    chunks: tuple[Chunk, ...]
    content_digest: str
    mapped: int
    rejects: list[Reject] = field(default_factory=list)
    images: dict[int, bytes] = field(default_factory=dict)
    resumed: int = 0
    keys: Keys = field(default_factory=Keys.none)

    @property
    def written(self) -> tuple[str, ...]:
        """Return the target columns that we fill."""
        return tuple(column.target for column in self.plan.columns if not column.computed)

    def fills(self, columns: tuple[str, ...]) -> bool:
        """Return whether the stage has all of these columns."""
        return set(columns) <= {column.target for column in self.plan.columns}


def stage(
    connection: Connection,
    snapshot: Path,
    plan: TablePlan,
    number: int,
    step: Callable[[int, int], None],
    only: NDArray[np.int64] | None = None,
) -> Stage:
    """Read a table, cast it, and copy it into a temporary table that vanishes with the transaction.

    :param number: makes the names of temporary tables unique within a transaction.
    :param step: called with the rows done and the bytes of text and blobs sent so far.
    :param only: rowids of the rows to stage, ascending; ``None``: all.
    """
    name = f"pg_temp._howdah_stage_{number}"
    execute(connection, f"CREATE TEMP TABLE _howdah_stage_{number} ({definition(plan)}) ON COMMIT DROP")
    sender = Sender(connection, snapshot, plan, name, filled(plan), staged=True, only=only)
    images: dict[int, bytes] = {}
    keys: list[Keys] = []

    def each(copied: Copied) -> None:
        if only is not None:
            keys.append(copied.keys)
        elif plan.imaged:
            images[copied.chunk.ordinal] = Keys.none().images(copied.read.locators, copied.read.digests).to_bytes()

    done = staged(connection, plan, name, number, sender.send(step, each))
    return replace(done, images=images, keys=Keys.joined(keys))


def definition(plan: TablePlan) -> str:
    """Return SQL of a staging table's columns."""
    columns = ", ".join(f"{quoted(column.target)} {column.type.sql}" for column in plan.columns)
    return f"{LOCATOR} bigint, {CHUNK} int, {SHARED} boolean NOT NULL DEFAULT false, {columns}"


def filled(plan: TablePlan) -> str:
    """Return the quoted names of the columns of a staging table that are sent."""
    return ", ".join([LOCATOR, CHUNK, *(quoted(column.target) for column in plan.columns)])


def _joined(plan: TablePlan) -> str:
    """Return SQL of the columns that checks and merge join or group by; empty: all."""
    used = {*plan.key, *(c for key in plan.target.foreign_keys for c in key.columns)}
    used |= {c for unique in plan.target.uniques for c in unique.used}
    there = [quoted(column.target) for column in plan.columns if column.target in used]
    return f"({', '.join(there)})" if there else ""


def staged(connection: Connection, plan: TablePlan, name: str, number: int, sent: Sent) -> Stage:
    """Return a staging table whose rows are there.

    :param number: makes the names of temporary tables unique within a transaction.
    """
    if sent.rows > 1000:
        # Autovacuum has not looked at it; without statistics the joins of the checks would be nested loops.
        execute(connection, f"ANALYZE {name} {_joined(plan)}")
    return Stage(
        plan=plan,
        name=name,
        owned=f"pg_temp._howdah_owned_{number}",
        rows=sent.rows,
        chunks=tuple(sent.chunks),
        content_digest=sent.content_digest,
        mapped=sent.mapped,
        rejects=sent.rejects,
    )
