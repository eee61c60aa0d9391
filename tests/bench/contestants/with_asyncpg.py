"""asyncpg: ``copy_records_to_table``, which is binary; values are cast in Python."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import shape


def timestamp(text: str) -> datetime:
    """Return the moment; a spelling without a zone means UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


CASTS: dict[str, Callable[[Any], Any]] = {"uuid": UUID, "timestamptz": timestamp, "bool": bool}


def records(source: str, part: shape.Part) -> Iterator[tuple]:
    """Yield the rows with the values that the driver expects."""
    casts = [(place, CASTS[kind]) for place, kind in enumerate(part.columns.values()) if kind in CASTS]
    for row in part.rows(source):
        values = list(row)
        for place, cast in casts:
            if values[place] is not None:
                values[place] = cast(values[place])
        yield tuple(values)


async def move(source: str, parts: list[shape.Part]) -> None:
    """Move the rows of the parts over one connection, each part in one ``COPY``."""
    connection = await asyncpg.connect()
    try:
        for part in parts:
            await connection.copy_records_to_table(
                part.table, records=records(source, part), columns=list(part.columns)
            )
    finally:
        await connection.close()


def copy(source: str, parts: list[shape.Part]) -> None:
    """Do the same in a process of its own."""
    asyncio.run(move(source, parts))


if __name__ == "__main__":
    source, workers, _ = shape.arguments()
    shape.run(copy, [(source, parts) for parts in shape.share(source, workers)])
