"""What the ledger tells of a schema: who loaded rows into it, from what, and which rows never came."""

from __future__ import annotations

from typing import Any

from howdah import ledger
from howdah.pg import Connection


def applications(connection: Connection, schema: str) -> tuple[str, ...]:
    """Return the applications that loaded rows into a schema; none where there is no ledger that this role may read.

    :raises TargetRefused: a newer howdah made the ledger.
    """
    if not _readable(connection):
        return ()
    ledger.check_version(connection)
    rows = connection.execute(
        "SELECT DISTINCT application FROM howdah.load WHERE target_schema = %s ORDER BY 1", [schema]
    )
    return tuple(name for (name,) in rows)


def _readable(connection: Connection) -> bool:
    row = connection.execute(
        """SELECT coalesce(bool_and(has_table_privilege(c.oid, 'SELECT')), false)
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = 'howdah' AND has_schema_privilege(n.oid, 'USAGE')
             AND c.relname IN ('version', 'source', 'load', 'quarantine')
           HAVING count(*) = 4"""
    ).fetchone()
    return bool(row and row[0])


def definitions(connection: Connection, application: str) -> dict[str, dict[str, Any]]:
    """Return source → what is kept of its schema and casts; see :mod:`howdah.definition`."""
    rows = connection.execute(
        "SELECT source, definition FROM howdah.source WHERE application = %s ORDER BY source", [application]
    )
    return dict(rows.fetchall())


def waiting_rows(connection: Connection, application: str) -> dict[tuple[str, str], int]:
    """Return (source, table) → how many of its rows wait in quarantine."""
    rows = connection.execute(
        """SELECT source, table_name, count(*) FROM howdah.quarantine WHERE application = %s
           GROUP BY 1, 2 ORDER BY 1, 2""",
        [application],
    )
    return {(source, table): count for source, table, count in rows}
