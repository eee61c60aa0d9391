"""The sample is deterministic, streams, and plants exactly the dirt that it announces."""

import datetime as dt
import json
import re
import sqlite3
import tracemalloc
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ANALYSIS = "data/analysis_storage/analysis_data.db"
PROMPTS = "data/prompts.db"
GOVERNANCE = "data/governance/governance.db"

KEYS = {
    "analysis_metadata": ("analysis_id",),
    "analysis_data": ("analysis_id",),
    "processing_tasks": ("task_id",),
    "prompts": ("id", "version"),
    "test_cases": ("id",),
    "test_results": ("id",),
    "data_policies": ("policy_id",),
    "data_lineage": ("lineage_id",),
    "quality_metrics": ("metric_id",),
}
REFERENCES = {
    "analysis_data": (("analysis_metadata", ("analysis_id",)),),
    "processing_tasks": (("analysis_metadata", ("analysis_id",)),),
    "test_cases": (("prompts", ("prompt_id", "prompt_version")),),
    "test_results": (("test_cases", ("test_case_id",)), ("prompts", ("prompt_id", "prompt_version"))),
}
JSON_COLUMNS = {
    "tags",
    "input_data",
    "output_data",
    "processing_log",
    "metadata",
    "tool_dependencies",
    "workflow_dependencies",
    "llm_config",
    "access_controls",
    "quality_thresholds",
    "source_data_ids",
    "transformation_details",
    "issues",
}
TIMES = {"created_at", "updated_at", "completed_at", "execution_time"}
BOOLEANS = {"enabled", "passed", "encryption_required", "active"}
INTEGERS = {"retention_days", "duration_ms", "version", "prompt_version", "seq", "measured_at"}
REALS = {"score", "completeness", "accuracy", "consistency", "timeliness", "validity", "overall_score"}
REQUIRED = {"name", "data_id", "measured_at"}


def rows(path: Path, table: str) -> Iterator[dict[str, Any]]:
    """Every row, text as the bytes that are stored, anything else as the value SQLite returns."""
    with closing(sqlite3.connect(path)) as db:
        db.text_factory = lambda raw: ("text", raw)
        cursor = db.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))


def tables(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return [name for name in names if name != "sqlite_sequence"]


def refuse_constant(name: str) -> None:
    raise ValueError(name)


def fits(table: str, column: str, value: Any) -> bool:
    """Whether the value fits the column that waits for it in PostgreSQL; written apart from the generator."""
    if value is None:
        return column not in REQUIRED | set(KEYS[table])
    if column in BOOLEANS:
        return value in (0, 1)
    if column in INTEGERS:
        return isinstance(value, int)
    if column in REALS:
        return isinstance(value, float)
    if not isinstance(value, tuple):
        return False
    try:
        text = value[1].decode("utf-8")
    except UnicodeDecodeError:
        return False
    if "\0" in text:
        return False
    try:
        if column in JSON_COLUMNS:
            json.loads(text, parse_constant=refuse_constant)
            return r"\u0000" not in text
        if column in TIMES:
            dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def misfits(folder: Path, names: list[str]) -> dict[str, int]:
    """Rows per table that can't be moved, found by looking at the values and at the references."""
    kept: dict[str, set[tuple[Any, ...]]] = {}
    bad: Counter[str] = Counter()
    for name in names:
        for table in tables(folder / name):
            kept[table] = set()
            for row in rows(folder / name, table):
                sound = all(fits(table, column, value) for column, value in row.items())
                whole = all(
                    tuple(row[column] for column in columns) in kept[parent]
                    for parent, columns in REFERENCES.get(table, ())
                )
                if sound and whole:
                    kept[table].add(tuple(row[column] for column in KEYS[table]))
                else:
                    bad[table] += 1
    return dict(bad)


def test_the_same_arguments_give_the_same_bytes(sample: ModuleType, tmp_path: Path):
    for folder in ("one", "two"):
        sample.generate(tmp_path / folder, rows=600, seed=7, rate=0.05)
    for name in sample.SCHEMAS:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("change", [{"seed": 8}, {"rows": 700}, {"rate": 0.05}])
def test_other_arguments_give_other_bytes(sample, tmp_path, change):
    arguments = {"rows": 600, "seed": 7, "rate": 0.0}
    sample.generate(tmp_path / "one", **arguments)
    sample.generate(tmp_path / "two", **(arguments | change))
    for name in sample.SCHEMAS:
        assert (tmp_path / "one" / name).read_bytes() != (tmp_path / "two" / name).read_bytes()


def test_a_second_run_leaves_the_files_untouched(sample, tmp_path):
    first = sample.generate(tmp_path, rows=300)
    before = {name: (tmp_path / name).stat() for name in sample.SCHEMAS}
    second = sample.generate(tmp_path, rows=300)
    assert set(first.written.values()) == {True}
    assert set(second.written.values()) == {False}
    for name, old in before.items():
        new = (tmp_path / name).stat()
        assert (new.st_ino, new.st_mtime_ns) == (old.st_ino, old.st_mtime_ns)


def test_only_a_file_that_differs_is_written_again(sample, tmp_path):
    sample.write(tmp_path, rows=300)
    whole = (tmp_path / PROMPTS).read_bytes()
    with closing(sqlite3.connect(tmp_path / PROMPTS)) as db, db:
        db.execute("DELETE FROM test_results")
    again = sample.generate(tmp_path, rows=300)
    assert again.written == {ANALYSIS: False, PROMPTS: True, GOVERNANCE: False}
    assert (tmp_path / PROMPTS).read_bytes() == whole


def test_a_file_of_somebody_else_is_never_replaced(sample, tmp_path):
    foreign = tmp_path / GOVERNANCE
    foreign.parent.mkdir(parents=True)
    with closing(sqlite3.connect(foreign)) as db, db:
        db.execute("CREATE TABLE precious (id INTEGER)")
    before = foreign.read_bytes()
    with pytest.raises(FileExistsError, match=r"governance\.db was not written by this generator"):
        sample.write(tmp_path, rows=100)
    assert foreign.read_bytes() == before
    assert not (tmp_path / ANALYSIS).exists()


def test_a_file_with_changes_in_its_log_is_not_replaced(sample, tmp_path):
    sample.write(tmp_path, rows=100)
    with closing(sqlite3.connect(tmp_path / ANALYSIS)) as writer:
        writer.execute("UPDATE analysis_metadata SET status = 'archived'")
        writer.commit()
        with pytest.raises(FileExistsError, match=r"changes in analysis_data\.db-wal"):
            sample.write(tmp_path, rows=100)
        (count,) = writer.execute("SELECT count(*) FROM analysis_metadata WHERE status <> 'archived'").fetchone()
    assert count == 0


def test_a_failed_run_leaves_no_file_behind(sample, tmp_path, monkeypatch):
    def fail(*_: object) -> list[Any]:
        raise RuntimeError("disk on fire")

    monkeypatch.setitem(sample.MAKERS, "processing_tasks", fail)
    with pytest.raises(RuntimeError, match="disk on fire"):
        sample.write(tmp_path, rows=100)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_daemons_file_is_in_wal_mode_and_the_others_are_not(sample, tmp_path):
    sample.write(tmp_path, rows=100)
    # Bytes 18 and 19 of the header: 2 is WAL, 1 is a rollback journal.
    modes = {name: (tmp_path / name).read_bytes()[18:20] for name in sample.SCHEMAS}
    assert modes == {ANALYSIS: b"\2\2", PROMPTS: b"\1\1", GOVERNANCE: b"\1\1"}
    assert sorted(path.name for path in tmp_path.rglob("*.db*")) == [
        "analysis_data.db",
        "governance.db",
        "prompts.db",
    ]


def test_the_returned_numbers_are_those_in_the_files(sample, tmp_path):
    counted = sample.write(tmp_path, rows=1500, seed=3, dirt=True)
    found = {
        table: sum(1 for _ in rows(tmp_path / name, table))
        for name in sample.SCHEMAS
        for table in tables(tmp_path / name)
    }
    assert counted == found
    assert 0.95 * 1500 < sum(found.values()) <= 1500


def test_without_dirt_every_row_can_be_moved(sample, tmp_path):
    result = sample.generate(tmp_path, rows=3000, seed=11)
    assert misfits(tmp_path, list(sample.SCHEMAS)) == {}
    assert result.dirty == {table: {} for table in KEYS}


@pytest.mark.parametrize(("count", "rate"), [(3000, 0.02), (40, 0.2), (700, 0.0001), (900, 0.13)])
def test_exactly_the_announced_rows_are_dirty(sample, tmp_path, count, rate):
    result = sample.generate(tmp_path, rows=count, seed=5, rate=rate)
    announced = {table: sum(kinds.values()) for table, kinds in result.dirty.items()}
    assert misfits(tmp_path, list(sample.SCHEMAS)) == announced
    assert min(announced.values()) >= 1
    assert result.dirty == sample.planted(rows=count, seed=5, rate=rate)


def test_every_kind_of_fault_occurs_in_a_sample_of_the_size_that_tests_use(sample):
    planted = sample.planted(rows=5000, seed=1, rate=0.1)
    assert {table: set(kinds) for table, kinds in planted.items()} == {
        table: {kind for kind, _ in faults} for table, faults in sample.DIRT.items()
    }


def test_dirt_changes_no_more_rows_of_a_parent_table_than_announced(sample, tmp_path):
    sample.generate(tmp_path / "clean", rows=2000, seed=2)
    result = sample.generate(tmp_path / "dirty", rows=2000, seed=2, rate=0.05)
    for table, name in (("analysis_metadata", ANALYSIS), ("prompts", PROMPTS), ("data_lineage", GOVERNANCE)):
        pairs = zip(rows(tmp_path / "clean" / name, table), rows(tmp_path / "dirty" / name, table), strict=True)
        changed = [[key for key in old if old[key] != new[key]] for old, new in pairs if old != new]
        assert len(changed) == sum(result.dirty[table].values())
        assert {len(columns) for columns in changed} == {1}


def test_identifiers_are_uuids_in_several_spellings_and_legacy_texts(sample, tmp_path):
    sample.write(tmp_path, rows=3000)
    texts = [row["analysis_id"][1].decode() for row in rows(tmp_path / ANALYSIS, "analysis_metadata")]
    shapes = {
        "canonical": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "upper case": r"(?=.*[A-F])[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}",
        "bare": r"[0-9a-f]{32}",
        "braces": r"\{[0-9a-f-]{36}\}",
        "legacy": r"analysis-2023-\d\d-\d\d-\d{6}",
    }
    counts = {shape: sum(bool(re.fullmatch(form, text)) for text in texts) for shape, form in shapes.items()}
    assert sum(counts.values()) == len(texts)
    assert min(counts.values()) > 10
    assert 0.15 < counts["legacy"] / len(texts) < 0.35


def test_mapped_identifiers_stay_different(sample, tmp_path):
    sample.write(tmp_path, rows=3000)
    for name in sample.SCHEMAS:
        for table in tables(tmp_path / name):
            keys = [tuple(row[column] for column in KEYS[table]) for row in rows(tmp_path / name, table)]
            assert len({(plain(first[1].decode()), *rest) for first, *rest in keys}) == len(keys)


def plain(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return text


def test_prompts_have_several_versions_under_one_identifier(sample, tmp_path):
    sample.write(tmp_path, rows=3000)
    versions: dict[Any, list[int]] = {}
    for row in rows(tmp_path / PROMPTS, "prompts"):
        versions.setdefault(row["id"], []).append(row["version"])
    assert {len(found) for found in versions.values()} >= {1, 2, 3}
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values())


def test_autoincrement_remembers_numbers_that_no_row_has(sample, tmp_path):
    sample.write(tmp_path, rows=500)
    with closing(sqlite3.connect(tmp_path / GOVERNANCE)) as db:
        (last,) = db.execute("SELECT max(seq) FROM data_lineage").fetchone()
        (mark,) = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'data_lineage'").fetchone()
    assert mark == last + 25


def test_memory_does_not_grow_with_the_rows(sample, tmp_path):
    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            sample.write(tmp_path / str(count), rows=count, dirt=True)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    sample.write(tmp_path / "warm", rows=100)
    assert peak(12_000) < peak(1_200) + 300_000


@pytest.mark.parametrize("arguments", [{"rows": 0}, {"rate": -0.1}, {"rate": 0.21}])
def test_numbers_out_of_range_are_refused(sample, tmp_path, arguments):
    with pytest.raises(ValueError, match="must"):
        sample.generate(tmp_path, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_what_it_wrote_as_json(sample, tmp_path, capsys):
    assert sample.main([str(tmp_path), "--rows", "400", "--seed", "9", "--dirt", "0.1", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["rows"] == sample.plan(rows=400, seed=9, rate=0.1).rows
    assert printed["dirty"] == sample.planted(rows=400, seed=9, rate=0.1)
    assert printed["written"] == dict.fromkeys(sample.SCHEMAS, True)


def test_the_command_plants_nothing_unless_asked(sample, tmp_path, capsys):
    sample.main([str(tmp_path), "--rows", "400", "--json"])
    assert json.loads(capsys.readouterr().out)["dirty"] == {table: {} for table in KEYS}


def test_the_command_refuses_in_one_sentence(sample, tmp_path, capsys):
    assert sample.main([str(tmp_path), "--dirt", "0.9"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "sample.py: the rate of dirt must lie between 0 and 0.2, not 0.9\n"
