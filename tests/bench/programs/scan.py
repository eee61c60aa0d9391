"""``scan.py INSTANCE DATABASE REPORT``: have the server read every value of every table, and send none."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import psycopg
from psycopg import sql

from howdah import instance


def main() -> None:
    """Copy each table to nowhere."""
    file, database, report = sys.argv[1:]
    with psycopg.connect(instance.load(file).dsn(database)) as connection:
        began = time.monotonic()
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            name = sql.Identifier(schema, table)
            connection.execute(sql.SQL("COPY {} TO '/dev/null' (FORMAT binary)").format(name))
        Path(report).write_text(json.dumps({"seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()
