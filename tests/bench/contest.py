"""Who takes part, and what each is asked to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.bench import backups
from tests.bench.tools import Tools

PROGRAMS = Path(__file__).parent / "contestants"


@dataclass(frozen=True)
class Job:
    """What a command is made from.

    :ivar source: the SQLite file; ``changed`` is a copy with one row in a hundred changed.
    :ivar prepared: folder with ready-made ``COPY`` files.
    :ivar keyed: application folder with keys and indexes; ``bare`` is one without.
    :ivar files: folder with many small files.
    :ivar few_tables: file with a tenth of the tables that ``many_tables`` has.
    :ivar report: where howdah writes its report.
    """

    source: Path
    changed: Path
    prepared: Path
    keyed: Path
    bare: Path
    files: Path
    few_tables: Path
    many_tables: Path
    report: Path
    workers: int
    tools: Tools


@dataclass(frozen=True)
class Step:
    """One measured command.

    :ivar command: made from a :class:`Job`, or on an instance from a :class:`~tests.bench.backups.Ground`.
    :ivar expects: whose rows the tables must hold afterwards: those of the source, of its changed copy, or only as many
        as howdah's own report has to account for; ``nothing``: its exit code says whether it counts.
    """

    name: str
    title: str
    command: Callable[[Any], list[str]]
    expects: Literal["source", "changed", "files", "few_tables", "many_tables", "nothing"] = "source"


@dataclass(frozen=True)
class Contestant:
    """Steps that follow each other in one fresh database.

    :ivar tables: who makes the tables: they are there without keys before the first step, or the steps make them.
    :ivar once: measured in the first round only.
    :ivar where: what they work on: a database of a server, or an instance with a backup of the source's rows.
    """

    name: str
    steps: tuple[Step, ...]
    tables: Literal["there", "made"] = "there"
    once: bool = False
    where: Literal["server", "instance"] = "server"


def _program(name: str, *more: str) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        given = job.prepared if name == "prepared" else job.source
        return [job.tools.python(), str(PROGRAMS / f"{name}.py"), str(given), str(job.workers), *more]

    return command


def _pgloader(job: Job) -> list[str]:
    program = str(PROGRAMS / "with_pgloader.py")
    return [job.tools.python(), program, str(job.source), str(job.workers), job.tools.pgloader()]


def _howdah(source: str, application: str | None, verb: str = "migrate") -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        jobs = ["--jobs", str(job.workers)] if verb == "migrate" else []
        folder = ["--application", str(getattr(job, application))] if application else []
        return [job.tools.howdah, verb, str(getattr(job, source)), *folder, *jobs, "--report", str(job.report)]

    return command


def _simple(name: str, title: str, command: Callable[[Job], list[str]]) -> Contestant:
    return Contestant(name, (Step(name, title, command),))


CONTESTANTS = (
    _simple("ceiling", "ceiling, binary COPY files", _program("prepared", "binary")),
    _simple("ceiling-text", "ceiling, text COPY files", _program("prepared", "text")),
    _simple("howdah-load", "howdah, tables without keys", _howdah("source", "bare")),
    _simple("asyncpg", "asyncpg copy_records_to_table", _program("with_asyncpg")),
    _simple("duckdb", "DuckDB INSERT … SELECT", _program("with_duckdb")),
    _simple("psycopg-binary", "psycopg write_row, binary", _program("with_psycopg", "binary")),
    _simple("psycopg-text", "psycopg write_row, text", _program("with_psycopg", "text")),
    _simple("pgloader", "pgloader, tuned", _pgloader),
    Contestant(
        "howdah",
        (
            Step("howdah", "howdah migrate, all of it", _howdah("source", "keyed")),
            Step("verify", "howdah verify", _howdah("source", "keyed", "verify")),
            Step("again", "howdah again, nothing changed", _howdah("source", "keyed")),
            Step("changed", "howdah again, 1 % changed", _howdah("changed", "keyed"), "changed"),
        ),
        tables="made",
    ),
    Contestant(
        "files",
        (Step("files", "howdah, many small files", _howdah("files", "keyed"), "files"),),
        tables="made",
        once=True,
    ),
    Contestant(
        "few-tables",
        (Step("few-tables", "howdah, a tenth of the tables", _howdah("few_tables", None), "few_tables"),),
        tables="made",
        once=True,
    ),
    Contestant(
        "many-tables",
        (Step("many-tables", "howdah, many tables", _howdah("many_tables", None), "many_tables"),),
        tables="made",
        once=True,
    ),
    Contestant(
        "drill",
        (
            Step("restore", "pgbackrest restore, nothing else", backups.restore, "nothing"),
            Step("drill", "howdah drill", backups.drill, "nothing"),
        ),
        where="instance",
    ),
    Contestant(
        "manifest",
        (
            Step("scan", "scan that reads every value", backups.program("scan"), "nothing"),
            Step("manifest", "howdah's manifest", backups.program("manifest"), "nothing"),
        ),
        where="instance",
    ),
)
NAMES = tuple(contestant.name for contestant in CONTESTANTS)
STEPS = {step.name: step for contestant in CONTESTANTS for step in contestant.steps}


def chosen(names: tuple[str, ...]) -> tuple[Contestant, ...]:
    """Return the contestants of these names, or all; ``tables`` means both of them.

    :raises ValueError: a name that nobody has.
    """
    wanted = {name for given in names for name in (("few-tables", "many-tables") if given == "tables" else (given,))}
    unknown = wanted - set(NAMES)
    if unknown:
        raise ValueError(f"nobody is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return tuple(contestant for contestant in CONTESTANTS if not wanted or contestant.name in wanted)
