"""Tells that a schema is at the head of its application's revisions without loading Alembic, which takes a while.

Alembic said so once; the ledger keeps which revision that was and what the folder of revisions held. While both are
as they were, nothing is pending.
"""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from howdah import ledger
from howdah.application import versions_folder
from howdah.fingerprint import content_hash
from howdah.pg import Connection, execute, qualified


def is_reached(connection: Connection, known: ledger.Ledger, schema: str, folder: Path) -> bool:
    """Return whether it is known that no revision is pending.

    :param folder: of the application.
    :raises ConfigurationError: it has no revisions.
    """
    kept = known.heads.get(schema)
    return kept is not None and kept == _now(connection, schema, folder)


def record(connection: Connection, known: ledger.Ledger, run_id: UUID, schema: str, folder: Path) -> None:
    """Keep what is there as the head: Alembic said that nothing is pending."""
    now = _now(connection, schema, folder)
    if now is not None and now != known.heads.get(schema):
        ledger.record_object(connection, known.application, run_id, schema, ledger.HEAD, "", "", now)


def _now(connection: Connection, schema: str, folder: Path) -> str | None:
    """Return the schema's revision and a digest of all revisions, or ``None`` where it is not at one of them."""
    table = qualified(schema, "alembic_version")
    there = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone()
    if there != (True,):
        return None
    revisions = execute(connection, f"SELECT version_num FROM {table} LIMIT 2").fetchall()
    if len(revisions) != 1:
        return None
    return f"{revisions[0][0]} {content_hash([('versions', versions_folder(folder))], length=64)}"
