"""One run of the benchmark: every contestant in every round, interleaved, on one server."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.bench import backups, machine, stage
from tests.bench.contest import STEPS, Contestant, Job, Step
from tests.bench.generate import Size, write_tables
from tests.bench.measure import measure
from tests.bench.results import Results, Run, failure
from tests.bench.target import SETTINGS, Database, Fingerprint, Server, server
from tests.bench.tools import HERE, ROOT, Tools
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


def run(options: Options, say: Say = lambda _: None) -> Results:
    """Measure, and leave nothing running.

    :raises RuntimeError: no server, or the rows to compare with could not be loaded.
    :raises Missing: the peers' libraries cannot be got, and without them there is nothing to compare with.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    remove_left_over(options.folder)
    described = machine.describe(options.folder)
    say("source: writing it, or taking the one that is there")
    original = stage.source(options.folder, options.size)
    # As every library of a peer is.
    compileall.compile_dir(ROOT / "src" / "howdah", quiet=1)
    on_server = [one for one in options.contestants if one.where == "server"]
    on_instance = [one for one in options.contestants if one.where == "instance"]
    runs: list[Run] = []
    absent: dict[str, str] = {}
    version = ""
    with tempfile.TemporaryDirectory(dir=options.folder, prefix=f"run-{os.getpid()}-") as temporary:
        if on_server:
            moving = replace(options, contestants=tuple(on_server))
            version, absent = _on_server(moving, original, Path(temporary), say, runs)
        if on_instance:
            steps = [step for one in on_instance for step in one.steps]
            version = _on_instance(options, steps, original, Path(temporary), say, runs)
    return Results(
        machine=described,
        server={"version": version, "data": "in memory" if options.in_memory else "in a volume", **SETTINGS},
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
        source_bytes=original.stat().st_size,
        runs=tuple(runs),
        absent=absent,
    )


def _on_server(options: Options, original: Path, folder: Path, say: Say, runs: list[Run]) -> tuple[str, dict[str, str]]:
    """Measure what moves rows; return the server's version, and who could not take part."""
    tools = Tools(options.folder)
    tools.python()
    # Tables, their staging copies, indexes and the log of writing them.
    room = 8 * original.stat().st_size + (2 << 30)
    with server(room, in_memory=options.in_memory) as target:
        contest = _Contest(options, target, tools, original, folder, say)
        runs.extend(contest.rounds())
        return target.version, contest.absent


def _on_instance(options: Options, steps: list[Step], original: Path, folder: Path, say: Say, runs: list[Run]) -> str:
    """Measure what needs an instance with backups; return the server's version."""
    say("instance: moving the rows into it, and backing it up")
    with backups.ground(original, HERE / "application", folder, Tools(options.folder).howdah) as ground:
        for done in backups.rounds(ground, steps, options.rounds, options.limit):
            say(_line(STEPS[done.step], done, options.rounds))
            runs.append(done)
        return ground.version


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
            # The same source to howdah, which knows it by its name.
            changed=folder / "changed" / original.name,
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
        wrong = failure(usage, self._options.limit) or self._difference(step, report, database)
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


def _line(step: Step, done: Run, rounds: int) -> str:
    result = f"{done.seconds:8.2f} s" if not done.wrong else done.wrong
    return f"round {done.round + 1} of {rounds}  {step.title:<30} {result}"
