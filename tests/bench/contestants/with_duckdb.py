"""DuckDB: ``INSERT … SELECT`` from its SQLite scanner into its PostgreSQL one; values are cast by DuckDB."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import duckdb
import shape

# What DuckDB calls a type; jsonb takes the text as it is.
NAMES = {"uuid": "UUID", "timestamptz": "TIMESTAMPTZ", "bool": "BOOLEAN"}


def extension(name: str) -> Path:
    """Return the extension that a wheel brought, for exactly this version of DuckDB."""
    package = find_spec(f"duckdb_extension_{name}")
    if package is None or package.origin is None:
        raise SystemExit(f"The package duckdb-extension-{name} is not installed.")
    return Path(package.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"


def literal(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def move(source: str, threads: int) -> None:
    """Move all tables, each in one statement."""
    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}")
    connection.execute("SET TimeZone = 'UTC'")
    for name in ("sqlite_scanner", "postgres_scanner"):
        connection.execute(f"LOAD {literal(str(extension(name)))}")
    connection.execute(f"ATTACH {literal(source)} AS source (TYPE sqlite, READ_ONLY)")
    connection.execute("ATTACH '' AS target (TYPE postgres)")
    for table, columns in shape.TABLES.items():
        values = ", ".join(f"{name}::{NAMES[kind]}" if kind in NAMES else name for name, kind in columns.items())
        connection.execute(
            f"INSERT INTO target.public.{table} ({', '.join(columns)}) SELECT {values} FROM source.{table}"
        )


if __name__ == "__main__":
    source, workers, _ = shape.arguments()
    move(source, workers)
