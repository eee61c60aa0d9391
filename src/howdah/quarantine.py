"""The rows that did not fit: counted, read and exported, whole and with the reason."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from howdah import files, ledger, pg
from howdah.errors import ConfigurationError
from howdah.pg import Connection
from howdah.report import QuarantineGroup

DEPENDS_ON_TARGET = frozenset({"orphan", "conflict", "unique_conflict"})
"""Reasons that may go away without a change of the source."""
DEPENDS_ON_ROWS = DEPENDS_ON_TARGET | {"duplicate_key", "duplicate_unique"}
"""Reasons that may go away when another row changes."""


@dataclass(frozen=True)
class Selection:
    """Which rows are meant; ``None`` means all.

    :ivar application: as the ledger calls it: the application's name, or ``schema NAME`` without one.
    :ivar table: source table.
    """

    application: str | None = None
    table: str | None = None


@dataclass(frozen=True)
class QuarantinedRow:
    """One row in quarantine.

    :ivar key: primary key in the source, else rowid or position.
    :ivar column: source column that does not fit; several are separated by commas.
    :ivar row: every value, with its storage class; see :func:`howdah.reading.tagged`.
    """

    application: str
    source: str
    table: str
    key: dict[str, Any]
    column: str
    code: str
    reason: str
    run_id: str
    quarantined_at: datetime
    row: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-ready values; docs/operator-guide.md describes them."""
        return {
            "application": self.application,
            "source": self.source,
            "table": self.table,
            "key": self.key,
            "column": self.column,
            "code": self.code,
            "reason": self.reason,
            "run_id": self.run_id,
            "quarantined_at": self.quarantined_at.isoformat(),
            "row": self.row,
        }


_MEANT = """(%(application)s::text IS NULL OR application = %(application)s)
       AND (%(table)s::text IS NULL OR table_name = %(table)s)"""


@contextmanager
def opened(dsn: str, selection: Selection) -> Iterator[Connection]:
    """Give a connection on which the selected rows can be asked for.

    A wrong database or a wrong name is refused: it must not look like "no rows".

    :raises ConfigurationError: no ledger, or nothing of that name in it.
    :raises TargetRefused: the server does not let us in, or a newer howdah made the ledger.
    """
    try:
        with pg.connect(dsn) as connection:
            _check(connection, selection)
            yield connection
    except pg.Error as error:
        raise pg.explain(error) from error


def _check(connection: Connection, selection: Selection) -> None:
    if not ledger.read(connection, "").exists:
        raise ConfigurationError(
            f"Database {connection.info.dbname} holds no ledger of howdah: nothing was migrated into it yet.",
            "Check --to, or run howdah migrate first.",
        )
    known = connection.execute("SELECT DISTINCT application, table_name FROM howdah.load ORDER BY 1, 2").fetchall()
    applications = list(dict.fromkeys(application for application, _ in known))
    if selection.application is not None and selection.application not in applications:
        raise ConfigurationError(
            f"The ledger of {connection.info.dbname} knows no application {selection.application}.",
            f"It knows: {', '.join(applications)}",
        )
    tables = {table for application, table in known if selection.application in (None, application)}
    if selection.table is not None and selection.table not in tables:
        raise ConfigurationError(
            f"The ledger of {connection.info.dbname} knows no source table {selection.table}.",
            f"It knows: {', '.join(sorted(tables))}",
        )


def groups(connection: Connection, selection: Selection) -> tuple[QuarantineGroup, ...]:
    """Return how many rows wait, by table, column and reason; most rows of a table first."""
    rows = pg.execute(
        connection,
        f"""SELECT application, source, table_name, column_name, code, min(reason), count(*)
            FROM howdah.quarantine WHERE {_MEANT}
            GROUP BY application, source, table_name, column_name, code
            ORDER BY application, source, table_name, count(*) DESC, column_name, code""",
        _parameters(selection),
    )
    return tuple(QuarantineGroup(*row) for row in rows)


def rows(connection: Connection, selection: Selection, limit: int | None = None) -> Iterator[QuarantinedRow]:
    """Yield the rows in quarantine as of one moment, in the order of their tables; never all in memory.

    :param limit: at most so many; ``None`` means all.
    """
    with connection.transaction(), connection.cursor("howdah_quarantine") as cursor:
        cursor.execute(
            f"""SELECT application, source, table_name, source_key, column_name, code, reason, run_id::text,
                       quarantined_at, row_data
                FROM howdah.quarantine WHERE {_MEANT}
                ORDER BY application, source, table_name, locator LIMIT %(limit)s""",
            _parameters(selection) | {"limit": limit},
        )
        for row in cursor:
            yield QuarantinedRow(*row)


def _parameters(selection: Selection) -> dict[str, Any]:
    return {"application": selection.application, "table": selection.table}


FORMATS = (".jsonl", ".csv")


def export(connection: Connection, selection: Selection, path: Path) -> int:
    """Write the rows in quarantine into a file, whole or not at all; return how many.

    ``.jsonl`` has one JSON object in each line; ``.csv`` the same fields as columns, ``key`` and ``row`` as
    JSON, so that storage classes survive in both. The file is readable by its owner only.

    :raises ConfigurationError: another extension, or no file can be made there.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigurationError(
            f"{path} says by its extension in no known format what to write.", f"End it in {' or '.join(FORMATS)}."
        )
    write, newline = (_csv, "") if path.suffix.lower() == ".csv" else (_jsonl, None)
    try:
        with files.whole(path, mode=0o600, newline=newline) as stream:
            return write(stream, rows(connection, selection))
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}.", "Name a file in a folder that is there and yours."
        ) from error


def _jsonl(stream: TextIO, found: Iterator[QuarantinedRow]) -> int:
    count = 0
    for row in found:
        stream.write(json.dumps(row.to_dict(), ensure_ascii=False) + "\n")
        count += 1
    return count


_FIELDS = (
    "application",
    "source",
    "table",
    "key",
    "column",
    "code",
    "reason",
    "run_id",
    "quarantined_at",
    "row",
)


def _csv(stream: TextIO, found: Iterator[QuarantinedRow]) -> int:
    count = 0
    writer = csv.DictWriter(stream, _FIELDS)
    writer.writeheader()
    for row in found:
        values = row.to_dict()
        texts = {name: json.dumps(values[name], ensure_ascii=False) for name in ("key", "row")}
        writer.writerow(values | texts)
        count += 1
    return count
