"""``manifest.py INSTANCE DATABASE REPORT``: take a manifest of everything that the instance holds."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from howdah import instance
from howdah.manifest import store


def main() -> None:
    """Take it; how many rows it has must be said by it."""
    file, database, report = sys.argv[1:]
    began = time.monotonic()
    manifest = store.take(instance.load(file), f"bench-{time.time_ns()}", "")
    seconds = time.monotonic() - began
    if not manifest.databases[database].tables:
        raise SystemExit(f"The manifest knows no table of {database}.")
    Path(report).write_text(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
