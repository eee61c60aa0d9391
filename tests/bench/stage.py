"""What stands ready before anything is timed: sources, the rows that they must become, ready-made ``COPY`` files."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import psycopg
from psycopg import sql

from tests.bench import contest, generate
from tests.bench.generate import Size
from tests.bench.target import TABLES, Database, Fingerprint, Server
from tests.bench.tools import HERE, Tools

PAGE = 8192  # bytes of a page of PostgreSQL
SMALL_FILE = Size(13, 130, 130)  # about 100 kB


def source(folder: Path, size: Size) -> Path:
    """Return the file of this size, written when it is not there; it is kept for the next time."""
    version = hashlib.sha256((HERE / "generate.py").read_bytes()).hexdigest()[:8]
    path = folder / f"source-{size.conversations}-{size.messages}-{size.metrics}-{version}.db"
    if not path.exists():
        for older in folder.glob("source-*.db"):
            if not older.stem.endswith(version):
                older.unlink()
        generate.write(path, size)
    return path


def changed(original: Path, path: Path) -> Path:
    """Copy a source and change one row in a hundred."""
    path.parent.mkdir()
    shutil.copyfile(original, path)
    generate.change(path)
    return path


def small_files(folder: Path, count: int) -> Path:
    """Write many sources that can be merged into the same tables."""
    for number in range(count):
        first = 1 + 2 * number * SMALL_FILE.metrics
        generate.write(folder / f"{number:05d}.db", SMALL_FILE, generate.SEED + number, first)
    return folder


def bare(keyed: Path, folder: Path) -> Path:
    """Copy the application without its second revision, which makes keys and indexes."""
    shutil.copytree(keyed, folder, ignore=shutil.ignore_patterns("0002_*", "__pycache__"))
    return folder


def truth(
    server: Server, tools: Tools, application: Path, original: Path, prepared: Path | None = None, parts: int = 1
) -> Fingerprint:
    """Return the fingerprint of the rows that a source must become, as PostgreSQL itself reads the source's text.

    :param prepared: write ready-made ``COPY`` files there, each table in so many parts.
    :raises RuntimeError: the rows could not be loaded.
    """
    with server.database(application) as database:
        command = [tools.python(), str(contest.PROGRAMS / "with_psycopg.py"), str(original), "1", "text"]
        done = subprocess.run(command, env=database.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"The rows to compare with could not be loaded: {done.stderr.strip()[-500:]}")
        if prepared is not None:
            prepared.mkdir()
            for table in TABLES:
                _export(database, table, prepared, parts)
        found = database.fingerprint()
    with closing(sqlite3.connect(original)) as connection:
        for table, (rows, _) in found.items():
            (there,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            if rows != there:
                raise RuntimeError(
                    f"{original} has {there:,} rows in {table}, and {rows:,} were loaded to compare with."
                )
    return found


def _export(database: Database, table: str, folder: Path, parts: int) -> None:
    """Write the rows of a table as ``TABLE.PART.FORM``, by ranges of pages: in the order in which they lie."""
    with psycopg.connect(database.dsn) as connection:
        (size,) = connection.execute("SELECT pg_relation_size(%s::regclass)", [table]).fetchone() or (0,)
        pages = -(-size // PAGE)
        for part in range(parts):
            first, end = (f"({pages * number // parts},0)" for number in (part, part + 1))
            for form in ("binary", "text"):
                statement = sql.SQL(
                    "COPY (SELECT * FROM {} WHERE ctid >= {}::tid AND ctid < {}::tid) TO STDOUT (FORMAT {})"
                ).format(sql.Identifier(table), first, end, sql.SQL(form))
                with (folder / f"{table}.{part}.{form}").open("wb") as file, connection.cursor().copy(statement) as out:
                    for block in out:
                        file.write(block)
