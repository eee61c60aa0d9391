"""What a file is, by its first bytes; the layout is https://www.sqlite.org/fileformat2.html#the_database_header."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from howdah.errors import SourceError

MAGIC = b"SQLite format 3\x00"
SIZE = 100
# Enough to tell random bytes from others; also the usual page of SQLCipher.
SAMPLE = 4096

_PAYLOAD_FRACTIONS = b"\x40\x20\x20"
_PAGE_SIZES = tuple(512 << power for power in range(8))
_ROOT_KINDS = (0x05, 0x0D)
_PACKED = (
    (b"\x1f\x8b", "a gzip file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"BZh", "a bzip2 file"),
    (b"7z\xbc\xaf", "a 7z archive"),
)
_COPY_AGAIN = "Copy it again from where it lives, or restore it from a backup."


@dataclass(frozen=True)
class Header:
    """The fields of a database header that howdah looks at.

    :ivar page_size: bytes per page.
    :ivar reserved: bytes at the end of every page that hold no content.
    :ivar wal: the database is in WAL mode.
    :ivar change_counter: raised by every transaction outside WAL mode.
    :ivar pages: length in pages, 0 where the header does not know it.
    :ivar encoding: as ``PRAGMA encoding`` names it.
    """

    page_size: int
    reserved: int
    wal: bool
    change_counter: int
    pages: int
    encoding: str


@dataclass(frozen=True)
class Problem:
    """Why a file is no readable database.

    :ivar kind: ``empty``, ``truncated``, ``encrypted``, ``damaged``, ``packed`` or ``foreign``.
    :ivar what: the rest of a sentence that starts with the file's name.
    :ivar next_step: what to do about it.
    """

    kind: str
    what: str
    next_step: str


def parse(head: bytes) -> Header:
    """Return the fields of a header (at least 100 bytes that begin with the magic)."""

    def number(at: int) -> int:
        return int.from_bytes(head[at : at + 4], "big")

    size = int.from_bytes(head[16:18], "big")
    current = number(24) == number(92)
    return Header(
        page_size=65536 if size == 1 else size,
        reserved=head[20],
        wal=head[19] == 2,
        change_counter=number(24),
        pages=number(28) if current else 0,
        encoding={2: "UTF-16le", 3: "UTF-16be"}.get(number(56), "UTF-8"),
    )


def problem(head: bytes, size: int) -> Problem | None:
    """Return what is wrong with a file, ``None`` for a database as far as its header tells.

    :param head: its first ``SAMPLE`` bytes, fewer where there are no more.
    :param size: its length in bytes.
    """
    if not head:
        # SQLite takes it for a database without tables: it makes such a file when it opens a wrong path.
        return Problem("empty", "is empty (0 bytes): it holds no tables.", "Leave it out, or give the right file.")
    if head.startswith(MAGIC):
        if len(head) < SIZE:
            return Problem("truncated", f"is truncated after {size} bytes.", _COPY_AGAIN)
        if (page := parse(head).page_size) not in _PAGE_SIZES:
            why = f"is damaged: its header says that a page has {page} bytes, which no database has."
            return Problem("damaged", why, "Restore it from a backup.")
        return None
    if MAGIC.startswith(head[: len(MAGIC)]):
        return Problem("truncated", f"is truncated after {size} bytes.", _COPY_AGAIN)
    for magic, name in _PACKED:
        if head.startswith(magic):
            return Problem("packed", f"is {name}, no SQLite database.", "Unpack it first, or leave it out.")
    if head.startswith(b"** This file contains an SQLite 2"):
        return Problem("foreign", "is a SQLite 2 database.", "Convert it: sqlite OLD .dump | sqlite3 NEW")
    fields = head[21:24] == _PAYLOAD_FRACTIONS
    if fields and head[SIZE : SIZE + 1] and head[SIZE] in _ROOT_KINDS:
        return Problem("damaged", "is damaged: its first 16 bytes are overwritten.", "Restore it from a backup.")
    if fields or (size % 512 == 0 and _is_random(head)):
        why = "its header is hidden" if fields else "random bytes in whole pages, as SQLCipher writes them"
        return Problem(
            "encrypted",
            f"is encrypted, it seems: {why}.",
            "Decrypt it first (for SQLCipher: SELECT sqlcipher_export), or leave it out.",
        )
    return Problem("foreign", "is no SQLite database: its header is unknown.", "Leave it out, or give the right file.")


def _is_random(head: bytes) -> bool:
    """Return whether bytes look drawn evenly, by Pearson's chi-squared over 255 degrees of freedom."""
    expected = len(head) / 256
    if expected < 2:
        return False
    counts = Counter(head)
    statistic = sum((counts[value] - expected) ** 2 / expected for value in range(256))
    # Mean 255, standard deviation 22.6: six of those on either side.
    return 120 < statistic < 390


def shown(path: Path) -> str:
    """Return a path as text that can be printed and stored.

    Bytes that are no UTF-8 and control characters are escaped, as no terminal, JSON or PostgreSQL takes them.

    >>> shown(Path(os.fsdecode(b"caf\\xe9.db")))
    'caf\\\\xe9.db'
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def status(path: Path) -> os.stat_result:
    """Return the file's status, links followed.

    :raises SourceError: it is missing, or a folder on the way may not be entered.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        if path.is_symlink():
            raise SourceError(f"{shown(path)} is a link to nothing.", "Check where it points: ls -l") from error
        raise SourceError(f"{shown(path)} does not exist.", "Check the path.") from error
    except OSError as error:
        raise SourceError(
            f"{shown(path)} cannot be reached: {error.strerror}.",
            "Run as a user who may enter its folder.",
        ) from error


def read(path: Path) -> bytes:
    """Return the first ``SAMPLE`` bytes of a file.

    :raises OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return stream.read(SAMPLE)


def check(path: Path) -> Header:
    """Return the header of a database; refuse a file that cannot be one.

    :raises SourceError: missing, unreadable, empty, truncated, encrypted or something else.
    """
    found = status(path)
    if not path.is_file():
        raise SourceError(f"{shown(path)} is no file.", "Give a SQLite file, or a folder that holds some.")
    try:
        head = read(path)
    except OSError as error:
        raise SourceError(
            f"{shown(path)} cannot be read: {error.strerror}.", "Run as a user who may read it."
        ) from error
    wrong = problem(head, found.st_size)
    if wrong:
        raise SourceError(f"{shown(path)} {wrong.what}", wrong.next_step)
    return parse(head)
