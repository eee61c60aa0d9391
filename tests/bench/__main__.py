"""``python -m tests.bench``: measure, print, and write what was asked for."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from tests.bench import output
from tests.bench.bench import Options, run
from tests.bench.contest import NAMES, chosen
from tests.bench.generate import NAMED, size
from tests.bench.results import Results
from tests.bench.tools import ROOT
from tests.packages import Missing


def main() -> int:
    """Return the exit code: 0 when every contestant that took part moved exactly the same rows."""
    given = _arguments()
    folder = given.folder
    # Ended by a person or by a scheduler: either way nothing is left running.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    scale = given.rows.messages / NAMED["reference"].messages
    options = Options(
        size=given.rows,
        contestants=given.only,
        rounds=given.rounds,
        folder=folder.resolve(),
        limit=given.limit,
        workers=given.workers,
        files=given.files or max(round(1000 * scale), 10),
        tables=given.tables or max(round(10_000 * scale), 100),
        in_memory=not given.disk,
    )
    try:
        earlier = Results.from_json(given.add.read_text(encoding="utf-8")) if given.add else None
        results = run(options, say=lambda line: print(line, flush=True))
        results = results.joined(earlier) if earlier else results
    except (Missing, RuntimeError, ValueError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    output.show(results)
    written = {given.json or folder / "results.json": output.to_json(results)}
    written[given.markdown or folder / "results.md"] = output.to_markdown(results)
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"written: {path}")
    return 1 if any(done.wrong for done in results.runs) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rows", type=size, default="small", help="small, reference, or a number of messages")
    parser.add_argument(
        "--only", type=_contestants, default=chosen(()), metavar="NAME,…", help=f"of {', '.join(NAMES)}"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default 3)")
    parser.add_argument("--limit", type=float, default=900.0, metavar="SECONDS", help="for one command (default 900)")
    parser.add_argument("--workers", type=int, default=2, help="connections, processes or threads (default 2)")
    parser.add_argument("--files", type=int, metavar="N", help="small files (default: 1,000 at reference size)")
    parser.add_argument("--tables", type=int, metavar="N", help="small tables (default: 10,000 at reference size)")
    parser.add_argument("--disk", action="store_true", help="keep the server's data in a volume, not in memory")
    parser.add_argument("--folder", type=Path, default=ROOT / ".local" / "bench", help="for sources, peers and results")
    parser.add_argument("--add", type=Path, metavar="FILE", help="JSON of an earlier run, for what is not measured now")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="results as JSON (default: results.json in the folder)"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="results as a page (default: results.md there)")
    return parser.parse_args()


def _contestants(names: str) -> tuple:
    try:
        return chosen(tuple(names.split(",")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
