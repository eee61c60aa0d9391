"""The ceiling: ``COPY`` files that were prepared beforehand, sent as they are over several connections.

Nothing that reads SQLite and casts values can be faster than a server that only has to store them.
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import shape

BLOCK = 1 << 20  # bytes


def send(files: list[Path], binary: bool) -> None:
    """Send the files over one connection; each is named for its table."""
    form = " (FORMAT BINARY)" if binary else ""
    with psycopg.connect() as connection:
        for file in files:
            table = file.name.split(".")[0]
            columns = ", ".join(shape.TABLES[table])
            with (
                file.open("rb", buffering=0) as stream,
                connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN{form}") as copy,
            ):
                while block := stream.read(BLOCK):
                    copy.write(block)


if __name__ == "__main__":
    folder, workers, (form,) = shape.arguments()
    files = [sorted(Path(folder).glob(f"*.{number}.{form}")) for number in range(workers)]
    shape.run(send, [(mine, form == "binary") for mine in files])
