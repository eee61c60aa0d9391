"""Compares every row that a snapshot demands with every row that PostgreSQL holds."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from howdah import encoding, ownership
from howdah.catalog.sqlite import open_snapshot
from howdah.pg import Connection
from howdah.plan import TablePlan
from howdah.reading import Row, key_of, pick, row_digest, rows
from howdah.report import Difference
from howdah.verify import readback
from howdah.verify.expect import Expectation, UnexpectedError
from howdah.verify.target import Reader

# What compares columns loads only where sums leave a doubt.
if TYPE_CHECKING:
    from howdah.verify.quick import Counts

# Rows of one bucket are compared in memory, about 200 bytes each; larger tables are split over temporary
# files.
_ROWS_PER_BUCKET = 200_000
# Differences that are looked up and described; the rest is only counted.
_SAMPLE = 20
_RECORD = 32 + 8
# Rows that are compared one by one between two reports of progress.
_STEP = 10_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What comparing one table found.

    :ivar expected: rows that the snapshot demands (those in quarantine are not among them).
    :ivar foreign: rows of the target that are not ours.
    :ivar differences: a sample of at most 20; ``count`` is the whole number.
    """

    plan: TablePlan
    expected: int
    quarantined: int
    foreign: int
    differences: tuple[Difference, ...]
    count: int


@dataclass
class Found:
    """What did not agree: locators of the source, and keys' hashes.

    :ivar doubled: the target has their key more often.
    :ivar extra: keys that nothing was expected for.
    """

    missing: list[int]
    different: list[tuple[int, bytes]]
    doubled: list[int]
    extra: set[bytes]
    count: int = 0


class Buckets:
    """Records spread over buckets by the hash of their key, so that one bucket at a time fits in memory."""

    def __init__(self, rows: int, folder: Path) -> None:
        self._count = rows // _ROWS_PER_BUCKET + 1
        self._files: list[IO[bytes]] = [
            tempfile.SpooledTemporaryFile(max_size=1 << 24 if self._count == 1 else 1 << 16, dir=str(folder))  # noqa: SIM115 - closed in close()
            for _ in range(self._count)
        ]

    def add(self, key: bytes, row: bytes, locator: int) -> None:
        """Keep a row's key hash, the first half of its digest, and where it is."""
        number = int.from_bytes(key[:4], "big") % self._count
        self._files[number].write(key + row[:16] + locator.to_bytes(8, "big", signed=True))

    def read(self, number: int) -> Iterator[tuple[bytes, bytes, int]]:
        """Yield the records of one bucket."""
        stream = self._files[number]
        stream.seek(0)
        while block := stream.read(_RECORD * 4096):
            for at in range(0, len(block), _RECORD):
                record = block[at : at + _RECORD]
                yield record[:16], record[16:32], int.from_bytes(record[32:], "big", signed=True)

    def __len__(self) -> int:
        """Return the number of buckets."""
        return self._count

    def close(self) -> None:
        """Let go of the temporary files."""
        for stream in self._files:
            stream.close()


def verify_table(
    reader: Reader,
    connection: Connection,
    plan: TablePlan,
    application: str,
    snapshot: Path,
    waiting: dict[int, bytes],
    folder: Path,
    step: Callable[[int], None],
) -> Outcome:
    """Compare every row of one table.

    :param reader: of the target; it may have read other tables before.
    :param waiting: locator → digest of the source rows in quarantine; a row that changed since is none of
        them.
    :param folder: for temporary files.
    :param step: called with the source rows read so far, now and then.
    """
    size = max(plan.rows, 1)
    sides = Sides(Buckets(size, folder), Buckets(size, folder), plan)
    try:
        counts = _counted(reader, connection, plan, snapshot, waiting, sides, step)
        found = Found([], [], [], set())
        for number in range(len(sides.expected)):
            match(sides.expected.read(number), sides.held.read(number), bool(plan.key), found)
    finally:
        sides.expected.close()
        sides.held.close()
    over = _left_over(connection, plan, application, found.extra)
    foreign = counts.held - counts.expected + len(found.missing) - len(found.doubled) - len(over)
    count = len(found.missing) + len(found.different) + len(found.doubled) + len(over)
    return Outcome(
        plan=plan,
        expected=counts.expected,
        quarantined=counts.waiting,
        foreign=max(foreign, 0),
        differences=describe(connection, plan, snapshot, found, over) if count else (),
        count=count,
    )


class Sides:
    """Rows of both sides that are compared one by one."""

    def __init__(self, expected: Buckets, held: Buckets, plan: TablePlan) -> None:
        self.expected, self.held = expected, held
        self._expectation = Expectation(plan)
        targets = [column.target for column in plan.columns]
        self._positions = [targets.index(name) for name in plan.key] or list(range(len(targets)))

    def expect(self, locator: int, row: Row) -> None:
        """Take in a source row."""
        try:
            fields = self._expectation.fields(row)
        except UnexpectedError:
            # It should have gone to quarantine and is not there: whatever the target holds for it is wrong.
            self.expected.add(encoding.key_hash([b"?", row_digest(row)]), b"\x00" * 16, locator)
            return
        self.expected.add(encoding.key_hash(self._expectation.key(fields)), encoding.row_hash(fields), locator)

    def hold(self, fields: list[bytes]) -> None:
        """Take in a target row, given by its canonical fields."""
        self.held.add(encoding.key_hash(fields[p] for p in self._positions), encoding.row_hash(fields), 0)


def _counted(
    reader: Reader, connection: Connection, plan: TablePlan, snapshot: Path, waiting: dict[int, bytes], sides: Sides,
    step: Callable[[int], None],
) -> Counts:  # fmt: skip
    """Fill both sides with the rows that whole columns could not settle; return how many there are in all."""
    from howdah.verify import quick

    lanes = quick.lanes_of(plan, snapshot)
    rules = quick.rules_for(plan, lanes)
    if rules is not None:
        with contextlib.suppress(quick.OutOfStepError):
            doubts = quick.Doubts(sides.expect, sides.hold)
            return quick.compare(reader, plan, rules, lanes, snapshot, waiting, doubts, step)
    counts = quick.Counts()
    with open_snapshot(snapshot) as source:
        for locator, row in rows(source, plan.table):
            if locator in waiting and waiting[locator] == row_digest(row):
                counts.waiting += 1
            else:
                counts.expected += 1
                sides.expect(locator, row)
            if not counts.read % _STEP:
                step(counts.read)
    for fields in readback.rows(connection, plan):
        counts.held += 1
        sides.hold(fields)
    return counts


def match(
    expected: Iterator[tuple[bytes, bytes, int]],
    actual: Iterator[tuple[bytes, bytes, int]],
    keyed: bool,
    found: Found,
) -> None:
    """Match the rows of both sides by key, and note in ``found`` what does not agree.

    :param keyed: rows have a key: one that nothing was expected for is noted as well.
    """
    wanted: dict[bytes, list[tuple[bytes, int]]] = defaultdict(list)
    for key, row, locator in expected:
        wanted[key].append((row, locator))
    met: Counter[bytes] = Counter()
    for key, row, _ in actual:
        candidates = wanted.get(key)
        if candidates is None:
            if keyed:
                found.extra.add(key)
            continue
        met[key] += 1
        if met[key] > len(candidates):
            found.doubled.append(candidates[0][1])
        elif candidates[met[key] - 1][0] != row:
            found.different.append((candidates[met[key] - 1][1], key))
    for key, candidates in wanted.items():
        found.missing += [locator for _, locator in candidates[met[key] :]]


def _left_over(connection: Connection, plan: TablePlan, application: str, extra: set[bytes]) -> list[list[bytes]]:
    """Return keys of rows that the ledger calls ours and the snapshot does not have.

    Rows that wait until others let go of them are not among them: the run that left them there said so.
    """
    if not extra or not plan.key:
        return []
    with connection.transaction(force_rollback=True):
        ownership.recall(connection, application, plan, "pg_temp._howdah_ours")
        ownership.recall(connection, application, plan, "pg_temp._howdah_waiting", ownership.RETAINED)
        waiting = {encoding.key_hash(key) for key in readback.keys(connection, plan, "pg_temp._howdah_waiting")}
        ours = list(readback.keys(connection, plan, "pg_temp._howdah_ours"))
    return [key for key in ours if encoding.key_hash(key) in extra - waiting]


def describe(
    connection: Connection, plan: TablePlan, snapshot: Path, found: Found, left_over: list[list[bytes]]
) -> tuple[Difference, ...]:
    """Look up a sample of the differences: which row, which columns."""
    differs = dict(found.different[:_SAMPLE])
    sample = set(differs) | set(found.missing[:_SAMPLE]) | set(found.doubled[:_SAMPLE])
    held = _held(connection, plan, set(differs.values()))
    expectation = Expectation(plan)
    described: list[Difference] = []
    with open_snapshot(snapshot) as source:
        for locator, row in pick(source, plan.table, sample):
            kind = "different" if locator in differs else "missing" if locator in found.missing else "doubled"
            columns: tuple[str, ...] = ()
            if kind == "different" and differs[locator] in held:
                pairs = zip(plan.columns, expectation.fields(row), held[differs[locator]], strict=True)
                columns = tuple(column.target for column, one, other in pairs if one != other)
            described.append(_difference(plan, kind, key_of(locator, row, plan.table), columns))
    described += [_difference(plan, "left_over", _readable(key)) for key in left_over[:_SAMPLE]]
    return tuple(described[:_SAMPLE])


def _held(connection: Connection, plan: TablePlan, wanted: set[bytes]) -> dict[bytes, list[bytes]]:
    if not wanted:
        return {}
    targets = [column.target for column in plan.columns]
    positions = [targets.index(name) for name in plan.key] or list(range(len(targets)))
    return {
        key: fields
        for fields in readback.rows(connection, plan)
        if (key := encoding.key_hash(fields[p] for p in positions)) in wanted
    }


def _difference(plan: TablePlan, kind: str, key: str, columns: tuple[str, ...] = ()) -> Difference:
    return Difference(
        source=plan.source,
        table=plan.table.name,
        target=f"{plan.target.schema}.{plan.target.name}",
        kind=kind,
        key=key,
        columns=columns,
    )


def _readable(key: list[bytes]) -> str:
    return ", ".join(part[5:].decode() if part[:1] in (b"t", b"i", b"n") else part[5:].hex() for part in key)
