"""pgloader with what made it fastest: typed tables that are there already, more workers, larger batches."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import shape

COMMANDS = """
LOAD DATABASE
  FROM sqlite://{source}
  INTO postgresql://{user}@{host}:{port}/{database}
  WITH data only, no truncate, create no tables, create no indexes, no foreign keys, reset no sequences,
       workers = {threads}, concurrency = {concurrency},
       batch rows = 50000, batch size = 64MB, prefetch rows = 50000
  INCLUDING ONLY TABLE NAMES LIKE {tables}
  CAST {casts}
;
"""
# A real is not sent at all without its function; every other value goes as SQLite has it, and PostgreSQL reads it.
FUNCTIONS = {"float8": " using float-to-string"}


def commands(source: str, workers: int) -> str:
    """Return pgloader's command file."""
    casts = [
        f"column {table}.{column} to {kind}{FUNCTIONS.get(kind, '')}"
        for table, columns in shape.TABLES.items()
        for column, kind in columns.items()
        if kind not in ("text", "int8")
    ]
    place = {name: quote(os.environ[f"PG{name.upper()}"]) for name in ("user", "host", "port", "database")}
    return COMMANDS.format(
        source=source,
        threads=2 * workers,
        concurrency=1,
        tables=", ".join(f"'{table}'" for table in shape.TABLES),
        casts=", ".join(casts),
        **place,
    )


if __name__ == "__main__":
    source, workers, (program,) = shape.arguments()
    # It holds the password of a throw-away server, and pgloader is not told it in an argument.
    with tempfile.NamedTemporaryFile("w", suffix=".load", delete=False) as file:
        file.write(commands(source, workers))
    try:
        done = subprocess.run([program, "--on-error-stop", file.name], check=False)
    finally:
        Path(file.name).unlink()
    raise SystemExit(done.returncode)
