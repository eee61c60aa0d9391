"""Finds SQLite files by their header and names them; everything else that lies there is told apart."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from howdah import header
from howdah.application import Application
from howdah.errors import ConfigurationError, SourceError
from howdah.findings import Finding
from howdah.header import shown

# Files that SQLite itself puts beside a database.
COMPANIONS = ("-wal", "-shm", "-journal")
# Names under which people expect a database.
_SUFFIXES = (".db", ".db3", ".s3db", ".sl3", ".sqlite", ".sqlite3")


@dataclass(frozen=True)
class SourceFile:
    """A SQLite file under the name that the ledger knows it by.

    :ivar expected: tables that should be there; a missing one is a finding.
    """

    name: str
    path: Path
    expected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ignored:
    """Something in a folder that is no source.

    :ivar why: the rest of a sentence that starts with its name.
    :ivar suspect: it may hold data that somebody expects to move.
    """

    path: Path
    why: str
    suspect: bool


@dataclass(frozen=True)
class Scan:
    """What lies in a folder and below, each part sorted by path.

    :ivar databases: SQLite files; of several names of one file, the one that is no link.
    :ivar unreadable: files and folders that may not be read, as the failure that says so.
    """

    databases: tuple[Path, ...]
    ignored: tuple[Ignored, ...]
    unreadable: tuple[SourceError, ...]


def scan(folder: Path) -> Scan:
    """Look at every file in a folder and below; linked folders are not entered."""
    databases: dict[Path, Path] = {}
    ignored: list[Ignored] = []
    unreadable: list[SourceError] = []

    def refuse(error: OSError) -> None:
        where = shown(Path(error.filename))
        unreadable.append(SourceError(f"{where} cannot be read: {error.strerror}.", "Run as a user who may read it."))

    files: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        here = Path(parent)
        files += (here / name for name in names)
        for path in (here / name for name in folders):
            if path.is_symlink():
                ignored.append(Ignored(path, "is a link to a folder: name the folder itself to look inside.", True))
    # Links last: a file goes by its own name where it has one here.
    for path in sorted(files, key=lambda path: (path.is_symlink(), path)):
        try:
            why = _look(path)
        except FileNotFoundError:
            continue  # A journal or a WAL that its writer removed meanwhile.
        except OSError as error:
            refuse(error)
            continue
        if why:
            ignored.append(why)
        elif (real := path.resolve()) in databases:
            ignored.append(Ignored(path, f"is another name of {shown(databases[real])}.", False))
        else:
            databases[real] = path
    return Scan(
        databases=tuple(sorted(databases.values())),
        ignored=tuple(sorted(ignored, key=lambda item: item.path)),
        unreadable=tuple(unreadable),
    )


def _look(path: Path) -> Ignored | None:
    """Return why a directory entry is no source, ``None`` for a database."""
    named = path.suffix.lower() in _SUFFIXES
    if path.is_symlink() and not path.exists():
        return Ignored(path, "is a link to nothing.", named)
    if not path.is_file():
        return Ignored(path, "is no file.", False)
    size = path.stat().st_size
    wrong = header.problem(header.read(path), size)
    if wrong is None:
        return None
    if _companion(path):
        return _orphan(path)
    suspect = wrong.kind == "damaged" or (wrong.kind == "truncated" and size >= len(header.MAGIC))
    return Ignored(path, wrong.what, suspect or (named and wrong.kind != "empty"))


def _orphan(path: Path) -> Ignored:
    """Return what to say about a companion; a WAL without its database holds rows that nobody will read."""
    owner = path.with_name(path.name.rpartition("-")[0])
    if owner.exists():
        return Ignored(path, f"belongs to {shown(owner)}.", False)
    holds = not path.name.endswith("-shm") and path.stat().st_size > 0
    return Ignored(path, f"belongs to {shown(owner)}, which is not there.", holds)


def walk(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield SQLite files: a file as given (checked), a folder's by header, sorted.

    :raises SourceError: a given path is missing or is no SQLite database, or a folder holds what may not be
        read.
    """
    for path in paths:
        header.status(path)
        if path.is_dir():
            found = scan(path)
            if found.unreadable:
                raise found.unreadable[0]
            yield from found.databases
        else:
            header.check(path)
            yield path


def quoted(name: str) -> str:
    """Return a SQLite identifier in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def resolve(
    paths: tuple[Path, ...], application: Application | None
) -> tuple[tuple[SourceFile, ...], tuple[Finding, ...]]:
    """Turn what was given on the command line into named sources.

    Names must stay the same from run to run, as the ledger knows sources by them: the application's name for
    a source (with the file's path behind it where a pattern may match several), or the path relative to the given
    folder.

    :raises ConfigurationError: nothing given, or nothing found.
    :raises SourceError: a file that is no SQLite database.
    """
    if not paths:
        raise ConfigurationError("No source was given.", "Name a SQLite file or a folder.")
    for path in paths:
        header.status(path)
    found = _of_application(paths, application) if application else _plain(paths)
    if not found[0]:
        named = ", ".join(map(shown, paths))
        raise SourceError(f"There is no SQLite database in {named}.", "Try: howdah discover " + named)
    return found


def _plain(paths: tuple[Path, ...]) -> tuple[tuple[SourceFile, ...], tuple[Finding, ...]]:
    named: dict[Path, tuple[str, Path]] = {}
    findings: list[Finding] = []
    for given in paths:
        if given.is_dir():
            found = scan(given)
            if found.unreadable:
                raise found.unreadable[0]
            findings += map(_left, (item for item in found.ignored if item.suspect))
            for path in found.databases:
                named.setdefault(path.resolve(), (shown(path.relative_to(given)), path))
        else:
            header.check(given)
            named.setdefault(given.resolve(), (shown(Path(given.name)), given))
    names = Counter(name for name, _ in named.values())
    return (
        tuple(
            SourceFile(name=name if names[name] == 1 else shown(resolved), path=path)
            for resolved, (name, path) in named.items()
        ),
        tuple(findings),
    )


def _left(item: Ignored) -> Finding:
    return Finding("warning", "file_ignored", f"{shown(item.path)} {item.why}")


def _of_application(
    paths: tuple[Path, ...], application: Application
) -> tuple[tuple[SourceFile, ...], tuple[Finding, ...]]:
    files: list[SourceFile] = []
    findings: list[Finding] = []
    taken: set[Path] = set()
    for source in application.sources:
        matches: dict[Path, str] = {}
        # A second file that comes along must not change what the first one is known by.
        several = any(mark in source.path for mark in "*?[")
        depth = len(Path(source.path).parts)
        for given in paths:
            if given.is_dir():
                candidates = sorted(entry for entry in given.glob(source.path) if entry.is_file())
                matches |= {p.resolve(): shown(p.relative_to(given)) for p in candidates if not _companion(p)}
            elif given.match(source.path) or given.name == Path(source.path).name:
                matches[given.resolve()] = shown(Path(*given.resolve().parts[-depth:]))
        for path, relative in matches.items():
            header.check(path)
            taken.add(path)
            name = f"{source.name}:{relative}" if several or len(matches) > 1 else source.name
            files.append(SourceFile(name=name, path=path, expected=source.tables))
        if not matches and source.optional:
            findings.append(
                Finding(
                    "info",
                    "source_absent",
                    f"Optional source {source.path} is not there.",
                    source=source.name,
                )
            )
        elif not matches:
            named = ", ".join(map(shown, paths))
            raise SourceError(
                f"Source {source.name!r} of {application.name} is missing: no {source.path} under {named}.",
                "Give the folder that holds it, or mark it optional in application.yml.",
            )
    for path in walk(paths):
        if path.resolve() not in taken:
            findings.append(
                Finding(
                    "warning",
                    "file_not_declared",
                    f"{shown(path)} is a SQLite file that no source of the application names.",
                )
            )
    return tuple(files), tuple(findings)


def _companion(path: Path) -> bool:
    return path.name.endswith(COMPANIONS)
