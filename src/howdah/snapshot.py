"""The frozen copy of a source; the source itself is never written, and nothing is left beside it."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import time
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from functools import partial
from pathlib import Path

from howdah import copying, header
from howdah.discover import SourceFile
from howdah.errors import SourceError
from howdah.examination import Examinations, damaged, problem_of
from howdah.findings import Finding
from howdah.freeze import PATIENCE, beside, freeze, remove
from howdah.header import shown

# Left free on the disk that takes the snapshots, in bytes.
RESERVE = 64 * 1024 * 1024
# A stamp counts only when no file changed so shortly before it, in ns.
SETTLING = 2_000_000_000
# Below this many bytes a second thread costs more than it saves.
_LARGE = 4 << 20


@dataclass(frozen=True)
class Snapshot:
    """A frozen copy of one source.

    :ivar path: the copy; a plain file without a WAL.
    :ivar size: bytes of the copy.
    :ivar blake3: BLAKE3 of the copy's bytes. An unchanged source gives the same bytes; a changed digest only
        means "look closer", as VACUUM or a checkpoint changes bytes and no row.
    :ivar stamp: of the source, from before it was copied.
    :ivar findings: what was lost, where the copy was salvaged from a damaged source.
    """

    source: SourceFile
    path: Path
    size: int
    blake3: str
    stamp: Stamp
    findings: tuple[Finding, ...] = ()

    @property
    def salvaged(self) -> bool:
        """Return whether the source was damaged, and the copy holds what could be read of it."""
        return any(finding.code == "salvaged" for finding in self.findings)


@dataclass(frozen=True)
class Stamp:
    """What the file system says about a source, to tell cheaply that it did not change.

    :ivar files: of the database, its ``-wal`` and its ``-journal``: size in bytes (-1 where there is none), time of
        modification and of status change (ns since the epoch), inode.
    :ivar change_counter: SQLite's, from the header; WAL mode does not raise it.
    :ivar taken: when, in ns since the epoch.
    """

    files: tuple[tuple[int, int, int, int], ...]
    change_counter: int
    taken: int

    @property
    def settled(self) -> bool:
        """Return whether any later change must show.

        Not so when a file was touched less than two seconds before (a change in the same tick of the clock looks
        the same; the coarsest file systems tick every two seconds; git has the same rule for its index), when it
        carries a time yet to come, or when a journal waits to be rolled back.
        """
        journal = self.files[2]
        newest = max(moment for _, modified, changed, _ in self.files for moment in (modified, changed))
        return journal[0] <= 0 and newest + SETTLING < self.taken

    def proves_unchanged(self, now: Stamp) -> bool:
        """Return whether the source is as it was when this stamp was taken, given the stamp of now."""
        return self.settled and (self.files, self.change_counter) == (now.files, now.change_counter)


def stamp(path: Path) -> Stamp:
    """Return the stamp of a source; take it *before* the copy that it shall stand for.

    :raises SourceError: missing, unreadable, or no SQLite database.
    """
    taken = time.time_ns()
    real = path.resolve()
    counter = header.check(real).change_counter
    return Stamp(tuple(_state(beside(real, suffix)) for suffix in ("", "-wal", "-journal")), counter, taken)


def _state(path: Path) -> tuple[int, int, int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (-1, 0, 0, 0)
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def check_space(sources: tuple[SourceFile, ...], folder: Path) -> None:
    """Refuse before the first copy when they would not all fit.

    :raises SourceError: with what is needed and what is there.
    """
    needed = sum(_size_with_wal(source.path.resolve()) for source in sources) + RESERVE
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SourceError(
            f"The snapshots need {needed / 1e6:,.0f} MB in {folder.parent}, and {free / 1e6:,.0f} MB are free.",
            "Set TMPDIR to a folder with room.",
        )


def take(
    source: SourceFile, folder: Path, *, salvaging: bool = False, examinations: Examinations | None = None
) -> Snapshot:
    """Copy a source as of one moment, WAL included, and check that the copy is whole.

    A writer may go on writing: the copy then shows one committed state of it.

    :param salvaging: copy what can still be read of a damaged source, instead of refusing it.
    :param examinations: check a large copy there, in the background; what is wrong with it is said there, too.
    :raises SourceError: not SQLite, locked, corrupt, or unreadable.
    """
    taken = stamp(source.path)
    wal = header.check(source.path).wal
    target = folder / f"{hashlib.sha256(os.fsencode(source.path)).hexdigest()[:16]}.sqlite"
    if target.exists():
        remove(target)
    problem = ""
    findings: tuple[Finding, ...] = ()
    try:
        digest = freeze(source.path, target, wal=wal)
        if examinations and not salvaging and target.stat().st_size >= _LARGE:
            examinations.begin(source.path, target)
        else:
            problem = problem_of(target)
        if problem and salvaging:
            from howdah import salvage

            damaged_copy = target.rename(target.with_suffix(".damaged"))
            findings = salvage.rebuild(damaged_copy, target, source.name, problem)
            damaged_copy.unlink()
            digest, problem = partial(copying.digest_of, target), problem_of(target)
        blake3 = digest()
    except sqlite3.DatabaseError as error:
        raise _refused(source.path, target, error) from error
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise _no_room(source.path, target) from error
        raise SourceError(
            f"{shown(source.path)} cannot be copied: {error.strerror}.", "Check the disk that it lies on."
        ) from error
    if problem:
        raise damaged(source.path, problem)
    return Snapshot(source, target, target.stat().st_size, blake3, taken, findings)


def _refused(path: Path, target: Path, error: sqlite3.DatabaseError) -> SourceError:
    name = error.sqlite_errorname
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return SourceError(
            f"{shown(path)} stayed locked by a writer for {PATIENCE:.0f} seconds.",
            "Let the writer finish its transaction, then run the same command again.",
        )
    if name == "SQLITE_FULL":
        return _no_room(path, target)
    return SourceError(f"{shown(path)} cannot be read by SQLite: {error}.", "Restore it from a backup.")


def _no_room(path: Path, target: Path) -> SourceError:
    return SourceError(
        f"There is no room for the snapshot of {shown(path)} in {target.parent}.", "Set TMPDIR to a folder with room."
    )


def _size_with_wal(path: Path) -> int:
    wal = beside(path, "-wal")
    return header.status(path).st_size + (wal.stat().st_size if wal.exists() else 0)
