"""One run of the benchmark: every contestant in every round, interleaved, on one server."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import machine, stage
from tests.bench.contest import Contestant, Job, Step
from tests.bench.generate import Size, write_tables
from tests.bench.measure import Usage, measure
from tests.bench.target import SETTINGS, Database, Fingerprint, Server, server
from tests.bench.tools import HERE, Tools
from tests.packages import Missing

# What a loader of the peers' kind does; the rest of a migration is before and after it.
LOAD = ("profile", "plan", "compare", "create", "load")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What is to be measured.

    :ivar folder: where sources and the peers' environment are kept; everything else in it is removed again.
    :ivar limit: seconds that one command may take.
    :ivar workers: connections, processes or threads of each contestant.
    :ivar files: how many small files; ``tables``: how many small tables.
    """

    size: Size
    contestants: tuple[Contestant, ...]
    rounds: int
    folder: Path
    limit: float = 900.0
    workers: int = 2
    files: int = 1000
    tables: int = 10_000
    in_memory: bool = True


@dataclass(frozen=True)
class Run:
    """One step of one contestant in one round.

    :ivar seconds: what counts: the whole command, or for ``howdah-load`` its stages up to the loaded tables.
    :ivar stages: seconds by stage, as howdah's report says; else empty.
    :ivar wrong: why the result does not count; empty when the rows are exactly those expected.
    """

    step: str
    round: int
    seconds: float
    usage: Usage
    stages: dict[str, float] = field(default_factory=dict)
    wrong: str = ""


@dataclass(frozen=True)
class Results:
    """Everything that was measured, and on what.

    :ivar absent: contestant → why it could not take part.
    """

    machine: dict[str, str]
    server: dict[str, str]
    options: dict[str, Any]
    rows: int
    source_bytes: int
    runs: tuple[Run, ...]
    absent: dict[str, str]

    def of(self, step: str) -> tuple[Run, ...]:
        """Return the runs of a step that count, by round."""
        return tuple(sorted((r for r in self.runs if r.step == step and not r.wrong), key=lambda run: run.round))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return asdict(self)


def run(options: Options, say: Say = lambda _: None) -> Results:
    """Measure, and leave nothing running.

    :raises RuntimeError: no server, or the rows to compare with could not be loaded.
    :raises Missing: the peers' libraries cannot be got, and without them there is nothing to compare with.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    remove_left_over(options.folder)
    described = machine.describe(options.folder)
    tools = Tools(options.folder)
    tools.python()
    say("source: writing it, or taking the one that is there")
    original = stage.source(options.folder, options.size)
    weight = original.stat().st_size
    # Tables, their staging copies, indexes and the log of writing them.
    room = 8 * weight + (2 << 30)
    with (
        tempfile.TemporaryDirectory(dir=options.folder, prefix=f"run-{os.getpid()}-") as temporary,
        server(room, in_memory=options.in_memory) as target,
    ):
        contest = _Contest(options, target, tools, original, Path(temporary), say)
        runs = tuple(contest.rounds())
        return Results(
            machine=described,
            server={
                "version": target.version,
                "data": "in memory" if options.in_memory else "in a volume",
                **SETTINGS,
            },
            options={
                "conversations": options.size.conversations,
                "messages": options.size.messages,
                "metrics": options.size.metrics,
                "rounds": options.rounds,
                "workers": options.workers,
                "files": options.files,
                "tables": options.tables,
            },
            rows=options.size.rows,
            source_bytes=weight,
            runs=runs,
            absent=contest.absent,
        )


def remove_left_over(folder: Path) -> None:
    """Remove what a run that was killed could not; it may be several times the source."""
    for left in folder.glob("run-*"):
        if not Path("/proc", left.name.split("-")[1]).exists():
            shutil.rmtree(left)


class _Contest:
    """A contest under way: what is prepared for it, and who had to give up."""

    def __init__(self, options: Options, target: Server, tools: Tools, original: Path, folder: Path, say: Say) -> None:
        self.absent: dict[str, str] = {}
        self._options = options
        self._target = target
        self._say = say
        keyed = HERE / "application"
        self._job = Job(
            source=original,
            changed=folder / "changed.db",
            prepared=folder / "prepared",
            keyed=keyed,
            bare=stage.bare(keyed, folder / "bare"),
            files=folder / "files",
            few_tables=folder / "few-tables.db",
            many_tables=folder / "many-tables.db",
            report=folder / "report.json",
            workers=options.workers,
            tools=tools,
        )
        self._expected = self._prepare()

    def _prepare(self) -> dict[str, Fingerprint | int]:
        """Make what the chosen steps need; return what each kind of source must become."""
        job, needed = self._job, {step.expects for one in self._options.contestants for step in one.steps}
        prepared = job.prepared if any(one.name.startswith("ceiling") for one in self._options.contestants) else None
        expected: dict[str, Fingerprint | int] = {}
        self._say("rows to compare with: loading them")
        if "source" in needed:
            expected["source"] = stage.truth(self._target, job.tools, job.bare, job.source, prepared, job.workers)
        if "changed" in needed:
            stage.changed(job.source, job.changed)
            expected["changed"] = stage.truth(self._target, job.tools, job.bare, job.changed)
        if "files" in needed:
            stage.small_files(job.files, self._options.files)
            expected["files"] = self._options.files * stage.SMALL_FILE.rows
        if "few_tables" in needed:
            write_tables(job.few_tables, max(self._options.tables // 10, 1))
            expected["few_tables"] = max(self._options.tables // 10, 1) * 10
        if "many_tables" in needed:
            write_tables(job.many_tables, self._options.tables)
            expected["many_tables"] = self._options.tables * 10
        return expected

    def rounds(self) -> Iterator[Run]:
        """Yield every run; each second round goes backwards, so that nobody always has the same neighbour."""
        for number in range(self._options.rounds):
            order = self._options.contestants[:: -1 if number % 2 else 1]
            for contestant in order:
                if contestant.name in self.absent or (contestant.once and number):
                    continue
                try:
                    yield from self._perform(contestant, number)
                except Missing as error:
                    self.absent[contestant.name] = str(error)
                    self._say(f"{contestant.name}: cannot take part: {error}")

    def _perform(self, contestant: Contestant, number: int) -> Iterator[Run]:
        commands = [step.command(self._job) for step in contestant.steps]
        tables = self._job.bare if contestant.tables == "there" else None
        with self._target.database(tables) as database:
            for step, command in zip(contestant.steps, commands, strict=True):
                done = self._step(step, command, database, number)
                self._say(_line(step, done, self._options.rounds))
                yield done
                if done.wrong:
                    # What follows would be measured on rows that are not the right ones.
                    return

    def _step(self, step: Step, command: list[str], database: Database, number: int) -> Run:
        self._job.report.unlink(missing_ok=True)
        usage = measure(command, database.environment, self._options.limit, self._target.cpu_seconds)
        report = json.loads(self._job.report.read_text()) if self._job.report.exists() else {}
        stages = report.get("stages", {})
        seconds = sum(stages.get(name, 0.0) for name in LOAD) if step.name == "howdah-load" else usage.seconds
        wrong = _failure(usage, self._options.limit) or self._difference(step, report, database)
        return Run(step.name, number, seconds, usage, stages, wrong)

    def _difference(self, step: Step, report: dict[str, Any], database: Database) -> str:
        """Return in what the result is not the expected one; empty when it is."""
        expected = self._expected[step.expects]
        if isinstance(expected, int):
            loaded = sum(table["loaded_rows"] for table in report["tables"])
            return "" if loaded == expected else f"{loaded:,} rows loaded, not {expected:,}"
        if step.name == "again" and report["changed"]:
            return "it changed something"
        found = database.fingerprint()
        for table, (rows, total) in expected.items():
            if found[table][0] != rows:
                return f"{table} has {found[table][0]:,} rows, not {rows:,}"
            if found[table][1] != total:
                return f"{table} has other values"
        return ""


def _failure(usage: Usage, limit: float) -> str:
    if usage.stopped:
        return f"stopped after {limit:.0f} s"
    if usage.exit_code:
        return f"exit code {usage.exit_code}: {' '.join(usage.tail.split())[-300:]}"
    return ""


def _line(step: Step, done: Run, rounds: int) -> str:
    result = f"{done.seconds:8.2f} s" if not done.wrong else done.wrong
    return f"round {done.round + 1} of {rounds}  {step.title:<30} {result}"
