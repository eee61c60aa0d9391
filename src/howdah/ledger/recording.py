"""Writes runs, sources, loads and created objects into the ledger."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from howdah import __version__
from howdah.ledger.model import CHOICE, REFUSED, Ledger, Load
from howdah.pg import Connection, as_json, copy_text, copy_typed, execute, qualified
from howdah.plain import gathered


@dataclass(frozen=True)
class Source:
    """What is kept of a source.

    :ivar size: bytes of its snapshot.
    :ivar profile: parts of JSON text, as are ``definition`` and ``catalog``; ``stamp`` is one.
    """

    name: str
    path: str
    size: int
    blake3: str
    profile: Iterable[str]
    definition: Iterable[str]
    stamp: str | None
    catalog: Iterable[str]


_LOAD = {
    "target_schema": "text",
    "target_table": "text",
    "run_id": "uuid",
    "snapshot_blake3": "text",
    "content_digest": "text",
    "plan_digest": "text",
    "source_rows": "int8",
    "loaded_rows": "int8",
    "quarantined_rows": "int8",
    "target_rows": "int8",
    "mapped": "int8",
    "settled": "bool",
    "key_columns": "jsonb",
    "verified_at": "timestamptz",
}
"""The columns of ``howdah.load`` that a :class:`~howdah.ledger.model.Load` fills, and their types."""


# A long report goes to the server in parts.
_PARTS = "CREATE TEMP TABLE _howdah_report (number int GENERATED ALWAYS AS IDENTITY, part text NOT NULL) ON COMMIT DROP"


def start_run(connection: Connection, application: str, run_id: UUID) -> None:
    """Record that a run works on the target."""
    connection.execute(
        "INSERT INTO howdah.run (run_id, application, howdah_version) VALUES (%s, %s, %s)",
        [run_id, application, __version__],
    )


def finish_run(connection: Connection, run_id: UUID, verdict: str, report: Iterable[str]) -> None:
    """Record how a run ended.

    :param report: parts of JSON text.
    """
    with connection.transaction():
        blocks = map(_without_zeros, gathered(report))
        first, *more = itertools.islice(blocks, 2)
        value = "%s::jsonb"
        if more:
            connection.execute(_PARTS)
            for part in itertools.chain([first, *more], blocks):
                connection.execute("INSERT INTO pg_temp._howdah_report (part) VALUES (%s)", [part])
            first, value = (
                "",
                "(SELECT (%s || string_agg(part, '' ORDER BY number))::jsonb FROM pg_temp._howdah_report)",
            )
        execute(
            connection,
            f"UPDATE howdah.run SET finished_at = clock_timestamp(), verdict = %s, report = {value} WHERE run_id = %s",
            [verdict, first, run_id],
        )


def _without_zeros(text: str) -> str:
    return text.replace("\\u0000", "\\ufffd")


def record_sources(connection: Connection, application: str, run_id: UUID, sources: Sequence[Source]) -> None:
    """Record what sources were when all their tables were loaded from them, or found as they had been loaded."""
    names = [source.name for source in sources]
    with connection.transaction():
        # A table that is the same in other bytes (after a VACUUM, or as another table changed) is not compared again.
        connection.execute(
            """UPDATE howdah.load SET snapshot_blake3 = given.blake3
               FROM unnest(%s::text[], %s::text[]) AS given (source, blake3)
               WHERE application = %s AND load.source = given.source AND snapshot_blake3 <> given.blake3""",
            [names, [source.blake3 for source in sources], application],
        )
        connection.execute(
            "DELETE FROM howdah.source WHERE application = %s AND source = ANY (%s)", [application, names]
        )
        copy_text(
            connection,
            """COPY howdah.source (application, run_id, source, path, size, blake3, profile, definition, stamp, catalog)
               FROM STDIN""",
            (
                [
                    [application],
                    [str(run_id)],
                    [s.name],
                    [_storable(s.path)],
                    [str(s.size)],
                    [s.blake3],
                    s.profile,
                    s.definition,
                    s.stamp and [s.stamp],
                    s.catalog,
                ]
                for s in sources
            ),
        )


def _storable(text: str) -> str:
    """Return text that PostgreSQL can hold: a path may have bytes that are no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def record_load(connection: Connection, application: str, source: str, table: str, load: Load) -> None:
    """Record a load, in the transaction that holds its rows."""
    updates = ", ".join(f"{name} = excluded.{name}" for name in _LOAD)
    execute(
        connection,
        f"""INSERT INTO howdah.load (application, source, table_name, {", ".join(_LOAD)})
            VALUES (%s, %s, %s, {", ".join(["%s"] * len(_LOAD))})
            ON CONFLICT (application, source, table_name) DO UPDATE
            SET loaded_at = now(), {updates}""",
        [application, source, table, *_values(load)],
    )


def add_loads(connection: Connection, application: str, loads: Sequence[tuple[str, str, Load]]) -> None:
    """Record loads of tables that the ledger does not know, in the transaction that holds their rows.

    :param loads: source, table and load of each.
    """
    copy_typed(
        connection,
        f"""COPY howdah.load (application, source, table_name, {", ".join(_LOAD)}) FROM STDIN (FORMAT BINARY)""",
        ("text", "text", "text", *_LOAD.values()),
        ((application, source, table, *_values(load)) for source, table, load in loads),
    )


def _values(load: Load) -> list[Any]:
    found = ((getattr(load, name), kind) for name, kind in _LOAD.items())
    return [as_json(value) if kind == "jsonb" else value for value, kind in found]


def mark_doubtful(connection: Connection, application: str, source: str, table: str) -> None:
    """Record that a table differs from its source, so that the next ``migrate`` compares it row by row."""
    connection.execute(
        """UPDATE howdah.load SET verified_at = NULL, snapshot_blake3 = '', content_digest = ''
           WHERE application = %s AND source = %s AND table_name = %s""",
        [application, source, table],
    )


def mark_verified(connection: Connection, application: str, tables: Collection[tuple[str, str]]) -> None:
    """Record that tables were verified.

    :param tables: source and table of each.
    """
    connection.execute(
        """UPDATE howdah.load SET verified_at = clock_timestamp()
           FROM unnest(%s::text[], %s::text[]) AS found (source, table_name)
           WHERE application = %s AND load.source = found.source AND load.table_name = found.table_name""",
        [[source for source, _ in tables], [table for _, table in tables], application],
    )


def recount(connection: Connection, application: str, schema: str, table: str) -> None:
    """Record how many rows a target table holds by now that several sources have filled."""
    execute(
        connection,
        f"""UPDATE howdah.load SET target_rows = (SELECT count(*) FROM {qualified(schema, table)})
            WHERE application = %s AND target_schema = %s AND target_table = %s""",
        [application, schema, table],
    )


def record_object(
    connection: Connection,
    application: str,
    run_id: UUID,
    schema: str,
    kind: str,
    name: str,
    table: str,
    sql: str,
) -> None:
    """Record that howdah created something, in the transaction that creates it."""
    record_objects(connection, application, run_id, schema, [(kind, name, table, sql)])


def record_objects(
    connection: Connection, application: str, run_id: UUID, schema: str, objects: Sequence[tuple[str, str, str, str]]
) -> None:
    """Record that howdah created something, in the transaction that creates it.

    :param objects: kind, name, table and SQL of each.
    """
    connection.execute(
        """INSERT INTO howdah.object (application, schema_name, run_id, kind, name, table_name, definition)
           SELECT %s, %s, %s, made.* FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS made
           ON CONFLICT (application, schema_name, kind, table_name, name)
           DO UPDATE SET run_id = excluded.run_id, definition = excluded.definition""",
        [application, schema, run_id, *(list(values) for values in zip(*objects, strict=True))],
    )


def record_refusals(
    connection: Connection, known: Ledger, run_id: UUID, schema: str, refused: Mapping[tuple[str, str, str], str]
) -> None:
    """Record what PostgreSQL did not take, and why."""
    for (kind, table, name), why in refused.items():
        if known.refused.get((schema, kind, table, name)) != why:
            record_object(connection, known.application, run_id, schema, REFUSED + kind, name, table, why)


def record_choices(
    connection: Connection, known: Ledger, run_id: UUID, schema: str, choices: Mapping[str, str]
) -> None:
    """Record what was chosen for a derived schema."""
    for name, chosen in choices.items():
        if known.choices.get((schema, name)) != chosen:
            record_object(connection, known.application, run_id, schema, CHOICE, name, "", chosen)
