"""Reads what the ledger knows of an application."""

from __future__ import annotations

from typing import Any

from howdah.errors import TargetRefused
from howdah.ledger.model import CHOICE, HEAD, REFUSED, KnownSource, Ledger, Load, Tally
from howdah.ledger.schema import check_version
from howdah.pg import Connection, execute
from howdah.shared import Shared


def read(connection: Connection, application: str) -> Ledger:
    """Return the ledger of an application.

    :raises TargetRefused: a newer howdah made it, or a schema ``howdah`` is there that is no ledger.
    """
    row = connection.execute(
        """SELECT to_regnamespace('howdah') IS NOT NULL, to_regclass('howdah.version') IS NOT NULL,
                  to_regnamespace('howdah') IS NOT NULL AND EXISTS (
                    SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace('howdah') AND relname <> 'heartbeat')"""
    ).fetchone()
    schema, made, filled = row or (False, False, False)
    if not made:
        if schema and filled:
            raise TargetRefused(
                "The target has a schema named howdah that is no ledger of ours.",
                "Rename it: that name is howdah's.",
            )
        return Ledger(application, False, {}, {}, frozenset())
    check_version(connection)
    sources = {
        name: KnownSource(*rest)
        for name, *rest in execute(
            connection,
            """SELECT source, size, blake3, profile, definition IS NOT NULL,
                      CASE WHEN catalog IS NOT NULL THEN stamp END
               FROM howdah.source WHERE application = %s""",
            [application],
        )
    }
    objects = connection.execute(
        """SELECT schema_name, kind, table_name, name,
                  CASE WHEN starts_with(kind, %s) OR kind = ANY (%s) THEN definition END
           FROM howdah.object WHERE application = %s""",
        [REFUSED, [CHOICE, HEAD], application],
    ).fetchall()
    shared = Shared()
    return Ledger(
        application,
        True,
        _loads(connection, application),
        sources,
        objects=frozenset(
            (shared(schema), shared(kind), name) for schema, kind, _, name, why in objects if why is None
        ),
        refused={
            (schema, kind.removeprefix(REFUSED), table, name): why
            for schema, kind, table, name, why in objects
            if why is not None and kind.startswith(REFUSED)
        },
        choices={(schema, name): chosen for schema, kind, _, name, chosen in objects if kind == CHOICE},
        heads={schema: head for schema, kind, _, _, head in objects if kind == HEAD},
    )


def _loads(connection: Connection, application: str) -> dict[tuple[str, str], Load]:
    """Return (source, table) → what the ledger, which is there, knows of it."""
    return {
        (source, table): Load(*rest)
        for source, table, *rest in connection.execute(
            """SELECT source, table_name, target_schema, target_table, run_id, snapshot_blake3,
                      content_digest, plan_digest, source_rows, loaded_rows, quarantined_rows, target_rows,
                      mapped, settled, key_columns, verified_at
               FROM howdah.load WHERE application = %s""",
            [application],
        )
    }


def tallies(connection: Connection, application: str) -> dict[tuple[str, str], Tally]:
    """Return (source, table) → what became of its rows."""
    shared = Shared()
    return {
        (shared(source), table): Tally(shared(schema), *rest)
        for source, table, schema, *rest in connection.execute(
            """SELECT source, table_name, target_schema, target_table, loaded_rows, quarantined_rows, mapped
               FROM howdah.load WHERE application = %s""",
            [application],
        )
    }


def catalogs(connection: Connection, application: str, sources: list[str]) -> dict[str, Any]:
    """Return source → the catalog that is kept of it, as JSON values."""
    if not sources:
        return {}
    rows = connection.execute(
        "SELECT source, catalog FROM howdah.source WHERE application = %s AND source = ANY (%s)",
        [application, sources],
    )
    return dict(rows.fetchall())
