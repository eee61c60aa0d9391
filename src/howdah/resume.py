"""Large tables: staged for good, some chunks at a time, so that a run that was ended does not start over.

Each group of chunks is committed together with its rows in ``howdah.staged_chunk``. The rest of the load, from the
checks to the end of the stage, is one transaction, as for any other table. The next run of a load that was ended reads
the source again and compares the chunks' digests; from the first chunk that differs on, it sends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from howdah import __version__, record, stages, staging
from howdah.catalog.sqlite import open_snapshot
from howdah.context import Context
from howdah.pg import Connection, execute, qualified
from howdah.plan import TablePlan
from howdah.sending import Copied, Sender
from howdah.staging import CHUNK, Stage
from howdah.vector.encode import Reject

LARGE_BYTES = 4 << 30
"""Tables of at least this size in the source are staged for good; smaller ones load faster in one go."""
GROUP_BYTES = 32 << 20
"""At least so many bytes of a COPY stream are committed together; at least 1."""


def is_large(plan: TablePlan, context: Context) -> bool:
    """Return whether a table takes so much of the source that starting over would hurt."""
    path, _ = context.snapshots[plan.source]
    size = path.stat().st_size
    return size >= LARGE_BYTES and _size(path, plan.table.name, size) >= LARGE_BYTES


def _size(path: Path, table: str, whole: int) -> int:
    """Return the bytes of a table's pages; those of the whole file where SQLite cannot tell."""
    with open_snapshot(path) as source:
        try:
            # By pages: the bytes that dbstat adds up overflow at 4 GB (seen with SQLite 3.40).
            row = source.execute(
                "SELECT pageno * page_size FROM dbstat, pragma_page_size WHERE name = ? AND aggregate = 1", [table]
            ).fetchone()
        except sqlite3.Error:
            return whole
    return int(row[0]) if row and row[0] else whole


def stage(connection: Connection, plan: TablePlan, number: int, context: Context) -> Stage:
    """Read a table, cast it, and bring it into its staging table, chunk by chunk; keep what is there already.

    Runs outside any transaction.

    :param number: makes the names of temporary tables unique within a transaction.
    :raises SourceError: the snapshot cannot be read.
    :raises VerificationFailed: other rows were read than SQLite counts.
    """
    path, _ = context.snapshots[plan.source]
    name = stages.name_of(context.application, plan)
    table = qualified("howdah", name)
    sender = Sender(connection, path, plan, table, staging.filled(plan), staged=True)
    columns = [(column.name, column.declared) for column in plan.table.columns]
    recipe = sha256(ascii([__version__, columns]).encode()).hexdigest()
    known = stages.find(connection, context.application, plan, recipe)
    if known is None:
        stages.make(connection, context.application, plan, recipe, staging.definition(plan))
    filling = _Filling(connection, name, sender, known or (), imaged=plan.imaged)
    filling.fill(partial(context.step, plan))
    record.count_again(path, plan, sender.sent.rows)
    return replace(staging.staged(connection, plan, table, number, sender.sent), resumed=filling.resumed)


class _Filling:
    """Brings into a stage what is not there yet.

    :param known: what is there.
    :param imaged: keep what is known of each row.
    :ivar resumed: rows that were there and stayed.
    """

    def __init__(
        self, connection: Connection, name: str, sender: Sender, known: tuple[stages.Chunk, ...], *, imaged: bool
    ) -> None:
        self._imaged = imaged
        self._connection = connection
        self._name = name
        self._sender = sender
        self._known = known
        self._sending = False
        self.resumed = 0

    def fill(self, step: Callable[[int, int], None]) -> None:
        digests = [chunk.digest for chunk in self._known]
        with closing(self._sender.chunks(digests, self._begin)) as chunks:
            while self._group(chunks, step):
                pass
        if not self._sending:
            self._begin(len(self._sender.sent.chunks))

    def _begin(self, ordinal: int) -> None:
        """Take back what was staged from a chunk on: the source has something else there now."""
        self._sending = True
        self.resumed = sum(chunk.rows for chunk in self._known[:ordinal])
        if ordinal < len(self._known):
            with self._connection.transaction():
                table = qualified("howdah", self._name)
                execute(self._connection, f"DELETE FROM {table} WHERE {CHUNK} >= %s", [ordinal])
                stages.forget(self._connection, self._name, ordinal)

    def _group(self, chunks: Iterator[Copied], step: Callable[[int, int], None]) -> bool:
        """Stage some chunks and commit them; return whether there may be more."""
        sent = self._sender.sent
        enough = sent.size + GROUP_BYTES
        made = []
        with self._connection.transaction():
            told = len(sent.rejects)
            for chunk in chunks:
                if self._sending:
                    made.append(self._made(chunk, sent.rejects[told:]))
                else:
                    known = self._known[chunk.chunk.ordinal]
                    sent.rejects += [Reject(*reject) for reject in known.rejects]
                    sent.mapped += known.mapped
                told = len(sent.rejects)
                step(sent.rows, sent.size)
                if sent.size >= enough:
                    break
            stages.add(self._connection, self._name, made)
        return sent.size >= enough

    def _made(self, copied: Copied, rejects: list[Reject]) -> stages.Chunk:
        told = tuple((reject.locator, reject.column, reject.code, reject.reason) for reject in rejects)
        chunk, images = copied.chunk, copied.images if self._imaged else None
        return stages.Chunk(
            chunk.ordinal,
            chunk.first,
            chunk.last,
            chunk.rows,
            chunk.digest,
            chunk.mapped,
            told,
            copied.keys.to_bytes(),
            images,
        )
