"""Write the three SQLite files of DADM as its services left them: realistic, seeded, of any size.

::

    python applications/dadm/sample.py OUT_DIR [--rows N] [--seed S] [--dirt [RATE]] [--json]

The same arguments give the same bytes (with the same SQLite library); files that already hold them are left
untouched. Without ``--dirt`` every row migrates. With it, every 1/RATE-th row of each table carries one fault
that no honest cast accepts; which rows, and which fault, follows from the arguments alone (:func:`planted`).

Rows are made one at a time, so memory doesn't grow with their number. References are computed, not
remembered: the identifier of row 17 of a table is a function of seed, table and 17.
"""

import argparse
import datetime as dt
import filecmp
import hashlib
import json
import os
import random
import sqlite3
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

MARK = 0x4441444D  # "DADM" in the header's application_id: only files that carry it are ever replaced
ROWS, SEED, RATE = 2_000, 1, 0.01
WAL = frozenset({"data/analysis_storage/analysis_data.db"})

# Shares of the requested number of rows, in thousandths.
SHARES = {
    "analysis_metadata": 200,
    "analysis_data": 190,
    "processing_tasks": 260,
    "prompts": 20,
    "test_cases": 50,
    "test_results": 130,
    "data_policies": 10,
    "data_lineage": 80,
    "quality_metrics": 60,
}

# File below OUT_DIR: the schema that its service gave it.
SCHEMAS = {
    f"data/{name}": (Path(__file__).parent / "sources" / Path(name).with_suffix(".sql").name).read_text()
    for name in ("analysis_storage/analysis_data.db", "prompts.db", "governance/governance.db")
}

# What goes wrong in real files: one fault a row, taken in turn. Nothing refers to a row that carries one, so
# the number of rows that must end in quarantine is exactly the number of rows planted.
DIRT: dict[str, tuple[tuple[str, str], ...]] = {
    "analysis_metadata": (
        ("invalid_json", "tags"),
        ("impossible_time", "created_at"),
        ("invalid_utf8", "task_name"),
    ),
    "analysis_data": (
        ("invalid_json", "output_data"),
        ("nul_in_text", "raw_response"),
        ("orphan", "analysis_id"),
        ("json_nan", "input_data"),
    ),
    "processing_tasks": (
        ("orphan", "analysis_id"),
        ("empty_time", "completed_at"),
        ("null_key", "task_id"),
        ("invalid_json", "metadata"),
    ),
    "prompts": (("blob_in_text", "text"), ("json_nul", "metadata"), ("invalid_json", "tags")),
    "test_cases": (("orphan", "prompt_id"), ("text_in_boolean", "enabled"), ("invalid_utf8", "input")),
    "test_results": (
        ("orphan", "test_case_id"),
        ("text_in_number", "score"),
        ("blob_in_text", "actual_output"),
        ("empty_reference", "test_case_id"),
    ),
    "data_policies": (
        ("text_in_number", "retention_days"),
        ("null_required", "name"),
        ("blob_in_text", "description"),
    ),
    "data_lineage": (
        ("json_nul", "transformation_details"),
        ("impossible_time", "created_at"),
        ("nul_in_text", "user_id"),
    ),
    "quality_metrics": (
        ("text_in_number", "completeness"),
        ("empty_time", "measured_at"),
        ("json_nan", "issues"),
    ),
}
FAULTS: dict[str, tuple[Any, ...]] = {
    "invalid_json": ('{"stage": "screening", "alternatives": [{"na', "", "{'single': 'quotes'}"),
    "json_nan": ('{"confidence": NaN}',),
    "json_nul": ('{"note": "cut off\\u0000here"}',),
    # 'yesterday' is a value that PostgreSQL itself would take, and turn into another day on each run.
    "impossible_time": ("2023-02-30 10:00:00", "yesterday", "0000-00-00 00:00:00"),
    "empty_time": ("",),
    "text_in_number": ("n/a", "90 days", "1,5"),
    "text_in_boolean": ("maybe",),
    "nul_in_text": ("before\0after",),
    "invalid_utf8": (b"caf\xe9 au lait", b"\xff\xfe", b"truncated \xe2\x82"),
    "blob_in_text": (b"\x1f\x8b\x08\x00\xff\xfe\xfd",),
    "null_key": (None,),
    "null_required": (None,),
    "empty_reference": ("",),
}
# Only an explicit cast puts bytes that are no UTF-8 into TEXT; it leaves real text and NULL as they are.
TEXT_FROM_BYTES = frozenset({("analysis_metadata", "task_name"), ("test_cases", "input")})

# Seven rows of prompts in a row are four prompts with one to three versions: (prompt of the seven, version).
VERSIONS = ((0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 1))

TASKS = (
    "Frame Decision",
    "Gather Data",
    "Évaluer les alternatives",
    "Sensitivity Analysis",
    "影響評価",
    "Recommend",
)
SERVICES = ("openai-service", "analysis-service", "echo-service", "service-monitor")
STATES = ("created", "completed", "completed", "completed", "error", "archived")
TAGS = ("uav", "trade-study", "risk", "cost", "wildfire", "Q3 review", "überprüft", "ai/ml", "draft")
PEOPLE = ("jdoe", "a.singh@example.com", "ingest-bot", "Zoë O’Brien", "system")
DATA = (
    "analysis:frame",
    "dataset/uav-specs.csv",
    "decision tree",
    "sensor_logs",
    "report#7",
    "données/essais",
)
PHRASES = (
    "Compare the alternatives against the weighted criteria.",
    "Endurance beats payload below 40 km/h of wind.",
    'The phrase "acceptable risk" needs an owner.',
    "Cost per flight hour: 1 250 €; budget: 90 %.",
    "C:\\dadm\\exports\\run.csv\tcolumn A\tcolumn B",
    "Line one\nline two\r\n\\N is no NULL here.",
    "推奨案は B です。",
    "Ship it 🚀 👩‍🔬 — café, naïve, Ω.",
    "  spaces kept at both ends  ",
    "",
)


class Sample(NamedTuple):
    """What :func:`generate` wrote."""

    rows: dict[str, int]  # rows per table, dirty ones included
    dirty: dict[str, dict[str, int]]  # dirty rows per table and kind of fault
    written: dict[str, bool]  # per file: True when it was written, False when it already held these bytes


class Plan(NamedTuple):
    """Everything that a row depends on: sizes, seed, and the rows that carry a fault."""

    seed: int
    rows: dict[str, int]
    dirty: dict[str, range]


def plan(*, rows: int, seed: int, rate: float) -> Plan:
    """Return how many rows each table gets and which of them are dirty.

    :param rows: rows of all tables together, approximately: every table gets three at least.
    :param rate: share of dirty rows, 0 to 0.2; every table has at least one dirty row unless it is 0.
    :raises ValueError: a number is out of range.
    """
    if rows < 1:
        raise ValueError(f"rows must be 1 or more, not {rows}")
    if not 0 <= rate <= 0.2:
        raise ValueError(f"the rate of dirt must lie between 0 and 0.2, not {rate}")
    sizes: dict[str, int] = {}
    dirty: dict[str, range] = {}
    for table, share in SHARES.items():
        sizes[table] = max(3, rows * share // 1000)
        if table == "analysis_data":
            # One row for each of the first clean analyses, which were counted just before.
            clean = sizes["analysis_metadata"] - len(dirty["analysis_metadata"])
            sizes[table] = min(sizes[table], clean)
        dirty[table] = range(0)
        if rate:
            period = round(1 / rate)
            first = int.from_bytes(_digest(seed, "dirt", table, 0)[:4]) % min(period, sizes[table])
            dirty[table] = range(first, sizes[table], period)
    return Plan(seed, sizes, dirty)


def planted(*, rows: int, seed: int, rate: float = RATE) -> dict[str, dict[str, int]]:
    """Return how many dirty rows of which kind each table of such a sample has: what must be quarantined."""
    return _planted(plan(rows=rows, seed=seed, rate=rate))


def write(folder: Path, *, rows: int = ROWS, seed: int = SEED, dirt: bool = False) -> dict[str, int]:
    """Write the files below ``folder``, with dirt at the default rate or without; return rows per table."""
    return generate(folder, rows=rows, seed=seed, rate=RATE if dirt else 0.0).rows


def generate(folder: Path, *, rows: int = ROWS, seed: int = SEED, rate: float = 0.0) -> Sample:
    """Write the files below ``folder``; one that already holds the same bytes is left untouched.

    :raises ValueError: a number is out of range.
    :raises FileExistsError: a file is in the way that this generator did not write, or that is in use.
    """
    chosen = plan(rows=rows, seed=seed, rate=rate)
    for name in SCHEMAS:
        _refuse_foreign(folder / name)
    written = {name: _write_file(folder / name, name, chosen) for name in SCHEMAS}
    return Sample(chosen.rows, _planted(chosen), written)


def _planted(chosen: Plan) -> dict[str, dict[str, int]]:
    return {
        table: dict(Counter(DIRT[table][turn % len(DIRT[table])][0] for turn in range(len(ordinals))))
        for table, ordinals in chosen.dirty.items()
    }


def _refuse_foreign(path: Path) -> None:
    """Raise unless ``path`` is free or holds an earlier sample that nobody has open."""
    if not path.exists():
        return
    with path.open("rb") as file:
        header = file.read(72)
    if header[68:72] != MARK.to_bytes(4):
        raise FileExistsError(f"{path} was not written by this generator; choose another folder or move it away")
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise FileExistsError(f"{path} has changes in {log.name}; close the program that uses it, or remove both")


def _write_file(path: Path, name: str, chosen: Plan) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as db:
            # The draft is thrown away when anything fails: it needs neither journal nor syncs.
            db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32000")
            db.executescript(f"PRAGMA page_size = 4096; PRAGMA application_id = {MARK}; {SCHEMAS[name]}")
            tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            for table in (table for table in tables if table in MAKERS):
                db.execute("BEGIN")
                _fill(db, table, chosen)
                db.execute("COMMIT")
            if name in WAL:
                db.execute("PRAGMA journal_mode = WAL")
        if path.exists() and filecmp.cmp(draft, path, shallow=False):
            return False
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(path)
        return True
    finally:
        draft.unlink(missing_ok=True)


def _fill(db: sqlite3.Connection, table: str, chosen: Plan) -> None:
    columns = [row[1] for row in db.execute("SELECT * FROM pragma_table_info(?)", (table,))]
    columns = [column for column in columns if column != "seq"]
    values = ", ".join("CAST(? AS TEXT)" if (table, column) in TEXT_FROM_BYTES else "?" for column in columns)
    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608 - the names are SCHEMAS' own
    db.executemany(insert, _rows(table, columns, chosen))
    if table == "data_lineage":
        # The newest events were deleted again: AUTOINCREMENT remembers numbers that no row has any more.
        db.execute("UPDATE sqlite_sequence SET seq = seq + 25 WHERE name = 'data_lineage'")


def _rows(table: str, columns: list[str], chosen: Plan) -> Iterator[list[Any]]:
    rng = random.Random(f"{chosen.seed}/{table}")
    dirty = chosen.dirty[table]
    parents = (n for n in range(chosen.rows["analysis_metadata"]) if n not in chosen.dirty["analysis_metadata"])
    for ordinal in range(chosen.rows[table]):
        # analysis_data shares its key with the analysis; every other table numbers its own rows.
        key = next(parents) if table == "analysis_data" else ordinal
        row = MAKERS[table](chosen, rng, key)
        if ordinal in dirty:
            turn = dirty.index(ordinal)
            kind, column = DIRT[table][turn % len(DIRT[table])]
            row[columns.index(column)] = _fault(chosen.seed, kind, turn // len(DIRT[table]), ordinal)
        yield row


def _fault(seed: int, kind: str, turn: int, ordinal: int) -> Any:
    if kind == "orphan":
        return str(uuid.UUID(bytes=_digest(seed, "nobody", kind, ordinal), version=4))
    return FAULTS[kind][turn % len(FAULTS[kind])]


def _digest(seed: int, purpose: str, table: str, ordinal: int) -> bytes:
    return hashlib.blake2b(f"{seed}/{purpose}/{table}/{ordinal}".encode(), digest_size=16).digest()


def _identifier(seed: int, table: str, ordinal: int, legacy: str) -> str:
    """Return the identifier of a row: a UUID in one of four spellings, or text from before there were UUIDs.

    :param legacy: format of the old text, with ``{n}`` for the number and ``{day}`` for a date.
    """
    digest = _digest(seed, "id", table, ordinal)
    if digest[0] < 64:
        day = dt.date(2023, 1, 1) + dt.timedelta(days=digest[1])
        return legacy.format(n=ordinal + 1, day=day)
    value = uuid.UUID(bytes=digest[::-1], version=4)
    if digest[0] < 200:
        return str(value)
    return (str(value).upper(), value.hex, f"{{{value}}}")[digest[0] % 3]


def _analysis(chosen: Plan, ordinal: int) -> str:
    return _identifier(chosen.seed, "analysis_metadata", ordinal, "analysis-{day}-{n:06}")


def _prompt(chosen: Plan, ordinal: int) -> tuple[str, int]:
    block, place = divmod(ordinal, len(VERSIONS))
    offset, version = VERSIONS[place]
    return _identifier(chosen.seed, "prompts", 4 * block + offset, "prompt_{n}"), version


def _case(chosen: Plan, ordinal: int) -> str:
    return _identifier(chosen.seed, "test_cases", ordinal, "tc-{n:05}")


def _clean(chosen: Plan, table: str, child: str, ordinal: int) -> int:
    """Return which row of ``table`` the row ``ordinal`` of ``child`` refers to; never a dirty one."""
    size = chosen.rows[table]
    number = int.from_bytes(_digest(chosen.seed, child, table, ordinal)[:8]) % size
    while number in chosen.dirty[table]:
        number = (number + 1) % size
    return number


def _moment(rng: random.Random) -> dt.datetime:
    start = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)
    return start + dt.timedelta(seconds=rng.randrange(900 * 86_400), microseconds=rng.randrange(1_000_000))


def _iso(rng: random.Random, moment: dt.datetime) -> str:
    """Return the moment as one of the services wrote it; where no zone is named it is UTC."""
    style = rng.randrange(6)
    if style == 0:  # SQLite's CURRENT_TIMESTAMP
        return moment.strftime("%Y-%m-%d %H:%M:%S")
    if style == 1:  # JavaScript's toISOString()
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
    if style == 2:  # a service in another zone
        return moment.astimezone(dt.timezone(dt.timedelta(hours=2))).isoformat()
    if style == 3:  # datetime.now(UTC).isoformat()
        return moment.isoformat()
    if style == 4:  # str(datetime.utcnow())
        return str(moment.replace(tzinfo=None))
    return moment.replace(tzinfo=None).isoformat()  # datetime.utcnow().isoformat()


def _text(rng: random.Random, most: int) -> str:
    return " ".join(rng.choices(PHRASES, k=rng.randint(1, most)))


def _maybe(rng: random.Random, value: Any, share: float = 0.8) -> Any:
    return value if rng.random() < share else None


def _json(value: Any, *, compact: bool = False) -> str:
    # Python's and JavaScript's habits: with spaces and escapes, or without either.
    return json.dumps(value, ensure_ascii=not compact, separators=(",", ":") if compact else None)


def _tags(rng: random.Random) -> str:
    return _json(rng.sample(TAGS, k=rng.randrange(4)), compact=rng.random() < 0.5)


def _analysis_metadata(chosen: Plan, rng: random.Random, ordinal: int) -> list[Any]:
    created = _moment(rng)
    return [
        _analysis(chosen, ordinal),
        f"thread_{rng.getrandbits(96):024x}",
        _maybe(rng, f"session-{rng.randrange(10_000)}"),
        _maybe(rng, str(uuid.UUID(int=rng.getrandbits(128), version=1))),
        _maybe(rng, rng.choice(TASKS), 0.95),
        _iso(rng, created),
        _maybe(rng, _iso(rng, created + dt.timedelta(seconds=rng.randrange(7200)))),
        rng.choice(STATES),
        _maybe(rng, _tags(rng), 0.9),
        _maybe(rng, rng.choice(SERVICES), 0.95),
    ]


def _analysis_data(chosen: Plan, rng: random.Random, ordinal: int) -> list[Any]:
    question = {"task": rng.choice(TASKS), "criteria": rng.sample(TAGS, k=3), "budget": rng.randrange(10**7)}
    weights = {name: rng.random() for name in rng.sample(TAGS, k=3)}
    # Beyond 2^53 a reader that goes through doubles would change the number.
    answer = {
        "recommendation": _text(rng, 2),
        "weights": weights,
        "run": 2**53 + rng.getrandbits(60),
        "tail": 1e-07,
    }
    log = [{"step": step, "ok": rng.random() < 0.97, "note": None} for step in range(rng.randrange(4))]
    return [
        _analysis(chosen, ordinal),
        _maybe(rng, _json(question if rng.random() < 0.97 else question["task"]), 0.97),
        _maybe(rng, _json(answer, compact=rng.random() < 0.5), 0.95),
        _maybe(rng, _text(rng, 6), 0.9),
        _json(log),
    ]


def _processing_tasks(chosen: Plan, rng: random.Random, ordinal: int) -> list[Any]:
    status = rng.choice(("pending", "processing", "completed", "completed", "completed", "failed"))
    created = _moment(rng)
    ended = created + dt.timedelta(milliseconds=rng.randrange(90_000))
    return [
        _identifier(chosen.seed, "processing_tasks", ordinal, "task_{day}_{n}"),
        _analysis(chosen, _clean(chosen, "analysis_metadata", "processing_tasks", ordinal)),
        rng.choice(("vector_store", "graph_db", "report")),
        status,
        _iso(rng, created),
        _iso(rng, ended) if status in ("completed", "failed") else None,
        _text(rng, 2) if status == "failed" else None,
        _maybe(rng, _json({"attempt": rng.randrange(1, 4), "collection": rng.choice(DATA)})),
    ]


def _prompts(chosen: Plan, rng: random.Random, ordinal: int) -> list[Any]:
    created = _moment(rng)
    identifier, version = _prompt(chosen, ordinal)
    return [
        identifier,
        version,
        f"{rng.choice(TASKS)} {ordinal // len(VERSIONS)}",
        f"{_text(rng, 8)} {{{{ decision.context }}}}",
        rng.choice(("simple", "tool-aware", "workflow-aware")),
        _json(rng.sample(SERVICES, k=rng.randrange(3))),
        _json(rng.sample(TASKS, k=rng.randrange(2))),
        _tags(rng),
        _maybe(rng, rng.choice(PEOPLE), 0.9),
        _iso(rng, created),
        _maybe(rng, _iso(rng, created + dt.timedelta(days=rng.randrange(90)))),
        _maybe(rng, _json({"temperature": rng.randrange(11) / 10, "model": {"name": "gpt-4", "seed": None}})),
    ]


def _test_cases(chosen: Plan, rng: random.Random, ordinal: int) -> list[Any]:
    return [
        _case(chosen, ordinal),
        *_prompt(chosen, _clean(chosen, "prompts", "test_cases", ordinal)),
        f"case {ordinal + 1}",
        _text(rng, 3),
        _maybe(rng, _text(rng, 2)),
        _maybe(rng, rng.choice(("exact", "contains", "semantic >= 0.8")), 0.6),
        int(rng.random() < 0.85),
    ]


def _test_results(chosen: Plan, rng: random.Random, ordinal: int) -> list[Any]:
    case = _clean(chosen, "test_cases", "test_results", ordinal)
    score = rng.random()
    failed = rng.random() < 0.03
    return [
        _identifier(chosen.seed, "test_results", ordinal, "result-{n}"),
        _case(chosen, case),
        *_prompt(chosen, _clean(chosen, "prompts", "test_cases", case)),
        _iso(rng, _moment(rng)),
        None if failed else _text(rng, 4),
        None if failed else rng.choice((score, score, round(score, 2), 0, 1)),
        int(score > 0.6 and not failed),
        _json({"model": rng.choice(("gpt-4", "gpt-4o-mini", "llama3")), "temperature": rng.randrange(11) / 10}),
        "Error: timeout after 30 s" if failed else None,
        _maybe(rng, rng.randrange(200, 30_000), 0.95),
    ]


def _data_policies(chosen: Plan, rng: random.Random, ordinal: int) -> list[Any]:
    return [
        _identifier(chosen.seed, "data_policies", ordinal, "policy-{n:03}"),
        f"{rng.choice(TAGS)} policy {ordinal + 1}",
        _maybe(rng, _text(rng, 2)),
        rng.choice(("public", "internal", "confidential", "restricted")),
        _maybe(rng, rng.choice((30, 90, 365, 2555))),
        int(rng.random() < 0.4),
        _maybe(rng, _json({"read": rng.sample(PEOPLE, k=2), "write": rng.sample(PEOPLE, k=1)})),
        _maybe(rng, _json({"completeness": rng.randrange(50, 100) / 100})),
        _tags(rng),
        _iso(rng, _moment(rng)),
        int(rng.random() < 0.9),
    ]


def _data_lineage(chosen: Plan, rng: random.Random, ordinal: int) -> list[Any]:
    return [
        _identifier(chosen.seed, "data_lineage", ordinal, "lineage_{day}_{n}"),
        f"{rng.choice(DATA)}:{rng.randrange(1000)}",
        _maybe(rng, _json([f"{rng.choice(DATA)}:{rng.randrange(1000)}" for _ in range(rng.randrange(4))])),
        _maybe(rng, rng.choice(("extract", "join", "filter", "llm-summary"))),
        _maybe(rng, _json({"rows": rng.randrange(10**6), "by": rng.choice(PEOPLE)}, compact=True)),
        _iso(rng, _moment(rng)),
        _maybe(rng, rng.choice(PEOPLE), 0.9),
    ]


def _quality_metrics(chosen: Plan, rng: random.Random, ordinal: int) -> list[Any]:
    scores = [_maybe(rng, rng.choice((rng.random(), rng.randrange(2))), 0.95) for _ in range(5)]
    known = [score for score in scores if score is not None]
    overall = sum(known) / len(known) if known else None
    return [
        _identifier(chosen.seed, "quality_metrics", ordinal, "qm-{n}"),
        f"{rng.choice(DATA)}:{rng.randrange(1000)}",
        *scores,
        overall,
        None if overall is None else ("low", "medium", "high")[min(2, int(overall * 3))],
        _maybe(rng, _json([{"field": rng.choice(TAGS), "missing": rng.randrange(100)}])),
        int(_moment(rng).timestamp()),
    ]


MAKERS: dict[str, Callable[[Plan, random.Random, int], list[Any]]] = {
    "analysis_metadata": _analysis_metadata,
    "analysis_data": _analysis_data,
    "processing_tasks": _processing_tasks,
    "prompts": _prompts,
    "test_cases": _test_cases,
    "test_results": _test_results,
    "data_policies": _data_policies,
    "data_lineage": _data_lineage,
    "quality_metrics": _quality_metrics,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 2 when the arguments or the folder do not do."""
    parser = argparse.ArgumentParser(description="Write DADM's three SQLite files as its services left them.")
    parser.add_argument("folder", type=Path, metavar="OUT_DIR", help="folder under which data/ is written")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of all tables together (%(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed, other rows (%(default)s)")
    parser.add_argument(
        "--dirt",
        type=float,
        nargs="?",
        const=RATE,
        default=0.0,
        metavar="RATE",
        help=f"share of rows that no honest cast accepts ({RATE} when no rate is given; default: none)",
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")
    options = parser.parse_args(arguments)
    try:
        sample = generate(options.folder, rows=options.rows, seed=options.seed, rate=options.dirt)
    except (ValueError, OSError) as error:
        print(f"sample.py: {error}", file=sys.stderr)
        return 2
    print(json.dumps(sample._asdict(), indent=2) if options.json else _summary(options.folder, sample))
    return 0


def _summary(folder: Path, sample: Sample) -> str:
    lines = [f"{'table':<20}{'rows':>10}{'dirty':>8}"]
    for table, count in sample.rows.items():
        lines.append(f"{table:<20}{count:>10,}{sum(sample.dirty[table].values()):>8,}")
    for name, written in sample.written.items():
        size = (folder / name).stat().st_size / 1e6
        lines.append(f"{'written' if written else 'unchanged':<10}{folder / name}  {size:,.1f} MB")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
