"""Plain psycopg: ``COPY`` with ``write_row``; values are cast in Python (binary) or by the server (text)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import shape
from psycopg.types.json import set_json_dumps


def timestamp(text: str) -> datetime:
    """Return the moment; a spelling without a zone means UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


CASTS: dict[str, Callable[[Any], Any]] = {"uuid": UUID, "timestamptz": timestamp, "bool": bool}


def copy(source: str, parts: list[shape.Part], binary: bool) -> None:
    """Move the rows of the parts over one connection, each part in one ``COPY``."""
    with psycopg.connect() as connection:
        # The source holds JSON as text already.
        set_json_dumps(lambda text: text, connection)
        for part in parts:
            form = " (FORMAT BINARY)" if binary else ""
            casts = [CASTS.get(kind) if binary else None for kind in part.columns.values()]
            with connection.cursor().copy(f"COPY {part.table} ({', '.join(part.columns)}) FROM STDIN{form}") as stream:
                if binary:
                    stream.set_types(list(part.columns.values()))
                for row in part.rows(source):
                    stream.write_row(
                        [
                            value if cast is None or value is None else cast(value)
                            for value, cast in zip(row, casts, strict=True)
                        ]
                    )


if __name__ == "__main__":
    source, workers, (form,) = shape.arguments()
    shape.run(copy, [(source, parts, form == "binary") for parts in shape.share(source, workers)])
