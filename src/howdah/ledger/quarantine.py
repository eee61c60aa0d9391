"""The rows of a table in quarantine, as loading and verification need them; see also :mod:`howdah.quarantine`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from howdah.ledger.model import Quarantined
from howdah.pg import Connection, copy_in


def quarantined(connection: Connection, application: str, source: str, table: str) -> dict[int, bytes]:
    """Return locator → row digest of the rows of a table that wait in quarantine."""
    rows = connection.execute(
        "SELECT locator, row_digest FROM howdah.quarantine WHERE application = %s AND source = %s AND table_name = %s",
        [application, source, table],
    )
    return {locator: bytes(digest) for locator, digest in rows}


def waiting(connection: Connection, application: str) -> dict[tuple[str, str], int]:
    """Return (source, table) → how many of its rows are in quarantine; tables without any are left out."""
    return {
        (source, table): count
        for source, table, count in connection.execute(
            "SELECT source, table_name, count(*) FROM howdah.quarantine WHERE application = %s GROUP BY 1, 2",
            [application],
        )
    }


def waiting_reasons(connection: Connection, application: str) -> dict[tuple[str, str], frozenset[str]]:
    """Return (source, table) → the codes of its rows in quarantine."""
    return {
        (source, table): frozenset(codes)
        for source, table, codes in connection.execute(
            """SELECT source, table_name, array_agg(DISTINCT code) FROM howdah.quarantine
               WHERE application = %s GROUP BY 1, 2""",
            [application],
        )
    }


def clear_quarantine(
    connection: Connection, application: str, source: str, table: str, locators: Sequence[int] | None = None
) -> None:
    """Take rows of an earlier load of a table out of quarantine.

    :param locators: of those rows; ``None``: all.
    """
    connection.execute(
        """DELETE FROM howdah.quarantine WHERE application = %s AND source = %s AND table_name = %s
           AND (%s::bigint[] IS NULL OR locator = ANY (%s))""",
        [application, source, table, locators, locators],
    )


def add_quarantine(
    connection: Connection,
    application: str,
    run_id: UUID,
    source: str,
    table: str,
    rows: Iterable[Quarantined],
) -> None:
    """Put rows of a table that did not fit into quarantine."""
    copy_in(
        connection,
        """COPY howdah.quarantine (run_id, application, source, table_name, locator, source_key,
                                   column_name, code, reason, row_data, row_digest) FROM STDIN""",
        (
            (
                run_id,
                application,
                source,
                table,
                r.locator,
                r.key,
                r.column,
                r.code,
                r.reason,
                r.row,
                r.digest,
            )
            for r in rows
        ),
    )
