"""Walks the pages of a rowid table, to tell which rows a damaged database can still give.

SQLite itself stops at the first bad page, and takes a page that belongs elsewhere for good. The interior pages say
which rowids each leaf may hold, so damage can be told to the page. The layout is
https://www.sqlite.org/fileformat2.html#b_tree_pages.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from howdah import header

FIRST, LAST = -(2**63), 2**63 - 1
_INTERIOR, _LEAF = 0x05, 0x0D
# SQLite's own limit for the depth of a tree.
_DEPTH = 20


@dataclass(frozen=True)
class Gap:
    """A page that cannot be trusted, and the rowids (both inclusive) that it, or what hangs below it, may hold."""

    first: int
    last: int
    page: int


@dataclass(frozen=True)
class Run:
    """Rows that can be read one after the other: the first and the last rowid, and how many there are."""

    first: int
    last: int
    rows: int


@dataclass
class Survey:
    """What one table's tree holds, all in the order of rowids.

    :ivar broken: rowids whose content runs over pages that are damaged.
    """

    runs: list[Run] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    _interrupted: bool = True

    def add_gap(self, gap: Gap) -> None:
        """Note a page that cannot be trusted."""
        self.gaps.append(gap)
        self._interrupted = True

    def add_broken(self, rowid: int) -> None:
        """Note a row that cannot be read."""
        self.broken.append(rowid)
        self._interrupted = True

    def add_rows(self, rowids: list[int]) -> None:
        """Note rows that can be read."""
        if not rowids:
            return
        if self._interrupted:
            self.runs.append(Run(rowids[0], rowids[-1], len(rowids)))
        else:
            self.runs[-1] = Run(self.runs[-1].first, rowids[-1], self.runs[-1].rows + len(rowids))
        self._interrupted = False


def fill(path: Path, gap: Gap) -> None:
    """Put a leaf with one row of five NULLs over a damaged page of ``sqlite_master``.

    SQLite reads a schema from end to end and stops at the first bad page; it passes over such a row.
    """
    fields = header.parse(header.read(path))
    rowid = gap.first if gap.first > FIRST else max(gap.last, 1)
    encoded = b"" if rowid >= 0x80 else bytes([rowid])
    if not encoded:
        groups = [rowid >> shift & 0x7F for shift in range(28, -1, -7)]
        encoded = bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])
    cell = b"\x06" + encoded + b"\x06" + bytes(5)
    end = fields.page_size - fields.reserved
    page = bytearray(fields.page_size)
    page[:10] = struct.pack(">BHHHBH", _LEAF, 0, 1, (end - len(cell)) & 0xFFFF, 0, end - len(cell))
    page[end - len(cell) : end] = cell
    with path.open("r+b") as stream:
        stream.seek((gap.page - 1) * fields.page_size)
        stream.write(page)


class Pages:
    """The pages of a database file that nobody writes.

    :param distrusted: pages that more than one place refers to, found by an earlier look.
    """

    def __init__(self, path: Path, distrusted: frozenset[int] = frozenset()) -> None:
        with path.open("rb") as stream:
            self._bytes = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        fields = header.parse(self._bytes[: header.SIZE])
        self._size = fields.page_size
        self._usable = fields.page_size - fields.reserved
        self._count = len(self._bytes) // self._size if self._size else 0
        self._uses = bytearray(self._count + 1)
        self._distrusted = distrusted

    def __enter__(self) -> Pages:
        """Return the pages; they are closed afterwards."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._bytes.close()

    @property
    def shared(self) -> frozenset[int]:
        """Return the pages that were met more than once: to whom they belong cannot be told."""
        return frozenset(number for number, uses in enumerate(self._uses) if uses > 1)

    def survey(self, root: int) -> Survey:
        """Return what is wrong in the tree of a rowid table."""
        found = Survey()
        self._walk(root, FIRST, LAST, 0, found)
        return found

    def _walk(self, number: int, first: int, last: int, depth: int, found: Survey) -> None:
        """Look at a page that may hold the rowids from first to last, and at what hangs below it."""
        if not self._claim(number) or depth > _DEPTH:
            found.add_gap(Gap(first, last, number))
            return
        base = (number - 1) * self._size
        page = self._bytes[base : base + self._usable]
        start = header.SIZE if number == 1 else 0
        children: list[tuple[int, int, int]] | None = None
        if page[start] == _LEAF:
            rows = self._leaf(page, start, first, last, empty=depth == 0)
            if rows is not None:
                _note(rows, found)
                return
        elif page[start] == _INTERIOR:
            children = _interior(page, start, first, last)
        if children is None:
            found.add_gap(Gap(first, last, number))
            return
        for child, low, high in children:
            self._walk(child, low, high, depth + 1, found)

    def _claim(self, number: int) -> bool:
        """Note a reference to a page; return whether it can be the only one to a page that is there."""
        if not 0 < number <= self._count:
            return False
        self._uses[number] = min(self._uses[number] + 1, 2)
        return self._uses[number] == 1 and number not in self._distrusted

    def _leaf(self, page: bytes, start: int, first: int, last: int, *, empty: bool) -> dict[int, bool] | None:
        """Return for each rowid of a leaf whether its row is whole, ``None`` for a bad page.

        Rowids out of order, or out of the range that the parent gives, mean that the page belongs elsewhere.
        """
        cells = _cells(page, start, 8)
        if cells is None or not (cells or empty):
            return None
        most, end, before = self._usable - 35, len(page), first - 1
        rows = {}
        for cell in cells:
            payload, at = _varint(page, cell)
            rowid, at = _varint(page, at)
            if not before < rowid <= last:
                return None
            before = rowid
            if payload <= most:
                rows[rowid] = 0 <= payload <= end - at
                continue
            local = self._local(payload)
            rows[rowid] = at + local + 4 <= end and self._follow(_number(page, at + local), payload - local)
        return rows

    def _local(self, payload: int) -> int:
        """Return how many bytes of a row lie on its leaf; the rest is on overflow pages."""
        most = self._usable - 35
        if payload <= most:
            return payload
        least = (self._usable - 12) * 32 // 255 - 23
        surplus = least + (payload - least) % (self._usable - 4)
        return surplus if surplus <= most else least

    def _follow(self, number: int, rest: int) -> bool:
        """Walk a chain of overflow pages; return whether it is whole."""
        while rest > 0:
            if not self._claim(number):
                return False
            at = (number - 1) * self._size
            number = _number(self._bytes[at : at + 4], 0)
            rest -= self._usable - 4
        return number == 0


def _note(rows: dict[int, bool], found: Survey) -> None:
    if all(rows.values()):
        found.add_rows(list(rows))
        return
    for rowid, whole in rows.items():
        if whole:
            found.add_rows([rowid])
        else:
            found.add_broken(rowid)


def _interior(page: bytes, start: int, first: int, last: int) -> list[tuple[int, int, int]] | None:
    """Return (child, first rowid, last rowid) of an interior page, ``None`` for a bad page."""
    cells = _cells(page, start, 12)
    if cells is None:
        return None
    children = []
    for cell in cells:
        key = _varint(page, cell + 4)[0]
        if not first <= key <= last:
            return None
        children.append((_number(page, cell), first, key))
        first = key + 1
    return [*children, (_number(page, start + 8), first, last)]


def _cells(page: bytes, start: int, head: int) -> list[int] | None:
    """Return where the cells of a page begin, ``None`` where its header makes no sense."""
    count = page[start + 3] << 8 | page[start + 4]
    array = start + head
    content = array + 2 * count
    if content > len(page):
        return None
    cells = list(struct.unpack_from(f">{count}H", page, array))
    return cells if all(content <= cell <= len(page) - 4 for cell in cells) else None


def _number(page: bytes, at: int) -> int:
    return int.from_bytes(page[at : at + 4], "big")


def _varint(page: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length integer (signed, 64 bits) and where it ends; bytes past the end count as zero."""
    value = 0
    for index, byte in enumerate(page[at : at + 8], start=at + 1):
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, index
    value = value << 8 | int.from_bytes(page[at + 8 : at + 9], "big")
    return value - 2**64 if value >= 2**63 else value, at + 9
