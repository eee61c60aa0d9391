"""Finds SQLite files by their header, and says what is wrong with those that are none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from howdah.application import Application
from howdah.errors import ConfigurationError, SourceError
from howdah.findings import Finding

HEADER = b"SQLite format 3\x00"
# Files that SQLite itself puts beside a database, and ours.
COMPANIONS = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class SourceFile:
    """A SQLite file under the name that the ledger knows it by.

    :ivar expected: tables that should be there; a missing one is a finding.
    """

    name: str
    path: Path
    expected: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileFacts:
    """What ``howdah discover`` prints about a file.

    :ivar size: bytes, without the WAL.
    :ivar tables: row count of each ordinary table.
    :ivar sha256: digest of the main file's bytes.
    """

    path: Path
    size: int
    journal_mode: str
    tables: tuple[tuple[str, int], ...]
    sha256: str


def has_header(path: Path) -> bool:
    """Return whether the file starts like a SQLite database."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(HEADER)) == HEADER
    except OSError:
        return False


def check_header(path: Path) -> None:
    """Refuse a file that cannot be a readable SQLite database.

    :raises SourceError: missing, unreadable, empty, truncated, encrypted or something else.
    """
    if not path.exists():
        raise SourceError(f"{path} does not exist.", "Check the path.")
    if not path.is_file():
        raise SourceError(f"{path} is no file.", "Give a SQLite file, or a folder that holds some.")
    try:
        with path.open("rb") as stream:
            head = stream.read(100)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
    if not head:
        raise SourceError(f"{path} is empty: it holds no tables.", "Leave it out, or copy the right file.")
    if not head.startswith(HEADER):
        if HEADER.startswith(head[: len(HEADER)]):
            raise SourceError(f"{path} is truncated after {len(head)} bytes.", "Copy it again from where it lives.")
        raise SourceError(
            f"{path} is no SQLite database, or it is encrypted: its header is unknown.",
            "Decrypt it first (for SQLCipher: sqlcipher_export), or leave it out.",
        )
    if len(head) < 100:
        raise SourceError(f"{path} is truncated after {len(head)} bytes.", "Copy it again from where it lives.")


def walk(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield SQLite files: a file as given (checked), a folder's by header, sorted.

    :raises SourceError: a given path is missing or is no SQLite database.
    """
    for path in paths:
        if path.is_dir():
            yield from (entry for entry in sorted(path.rglob("*")) if entry.is_file() and has_header(entry))
        else:
            check_header(path)
            yield path


def facts(path: Path) -> FileFacts:
    """Return what is in a SQLite file, read through a read-only connection.

    :raises SourceError: when SQLite cannot read it.
    """
    check_header(path)
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
            names = [
                str(row[0])
                for row in connection.execute(
                    """SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
                       AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"""
                )
            ]
            counts = tuple(
                (
                    name,
                    int(connection.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()[0]),
                )
                for name in names
            )
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise SourceError(
            f"{path} cannot be read by SQLite: {error}.", "Try: sqlite3 FILE 'PRAGMA quick_check'"
        ) from error
    digest = sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return FileFacts(path=path, size=path.stat().st_size, journal_mode=mode, tables=counts, sha256=digest.hexdigest())


def quoted(name: str) -> str:
    """Return a SQLite identifier in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def resolve(
    paths: tuple[Path, ...], application: Application | None
) -> tuple[tuple[SourceFile, ...], tuple[Finding, ...]]:
    """Turn what was given on the command line into named sources.

    Names must stay the same from run to run, as the ledger knows sources by them: the application's name for
    a source (with the file's path behind it where a glob matches several), or the path relative to the given
    folder.

    :raises ConfigurationError: nothing given, or nothing found.
    :raises SourceError: a file that is no SQLite database.
    """
    if not paths:
        raise ConfigurationError("No source was given.", "Name a SQLite file or a folder.")
    for path in paths:
        if not path.exists():
            raise SourceError(f"{path} does not exist.", "Check the path.")
    found = _of_application(paths, application) if application else (_plain(paths), ())
    if not found[0]:
        shown = ", ".join(str(path) for path in paths)
        raise SourceError(f"There is no SQLite database in {shown}.", "Try: howdah discover " + shown)
    return found


def _plain(paths: tuple[Path, ...]) -> tuple[SourceFile, ...]:
    named: dict[Path, str] = {}
    for given in paths:
        for path in walk([given]):
            resolved = path.resolve()
            named.setdefault(resolved, str(path.relative_to(given)) if given.is_dir() else path.name)
    names = list(named.values())
    return tuple(
        SourceFile(name=name if names.count(name) == 1 else str(path), path=path) for path, name in named.items()
    )


def _of_application(
    paths: tuple[Path, ...], application: Application
) -> tuple[tuple[SourceFile, ...], tuple[Finding, ...]]:
    files: list[SourceFile] = []
    findings: list[Finding] = []
    taken: set[Path] = set()
    for source in application.sources:
        matches: dict[Path, str] = {}
        for given in paths:
            if given.is_dir():
                candidates = sorted(entry for entry in given.glob(source.path) if entry.is_file())
                matches |= {p.resolve(): str(p.relative_to(given)) for p in candidates if not _companion(p)}
            elif given.match(source.path) or given.name == Path(source.path).name:
                matches[given.resolve()] = given.name
        for path, relative in matches.items():
            check_header(path)
            taken.add(path)
            name = source.name if len(matches) == 1 else f"{source.name}:{relative}"
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
            shown = ", ".join(str(path) for path in paths)
            raise SourceError(
                f"Source {source.name!r} of {application.name} is missing: no {source.path} under {shown}.",
                "Give the folder that holds it, or mark it optional in application.yml.",
            )
    for path in walk(paths):
        if path.resolve() not in taken:
            findings.append(
                Finding(
                    "warning",
                    "file_not_declared",
                    f"{path} is a SQLite file that no source of the application names.",
                )
            )
    return tuple(files), tuple(findings)


def _companion(path: Path) -> bool:
    return path.name.endswith(COMPANIONS)
