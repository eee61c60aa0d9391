"""What the verbs share: what is asked for, the frozen sources, and the target that answers and is locked."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from howdah import application as applications
from howdah import choices, discover, heads, inspection, ledger, pg, snapshot, trust
from howdah.application import Application
from howdah.catalog.sqlite import let_go
from howdah.choices import Choices
from howdah.clock import Clock
from howdah.counting import Counts, counting
from howdah.discover import SourceFile
from howdah.errors import ConfigurationError
from howdah.examination import Examinations, examining
from howdah.findings import Finding
from howdah.inspection import Target
from howdah.ledger import Ledger
from howdah.plan import Inspected, Plan
from howdah.progress import Event, Progress
from howdah.workspace import workspace

if TYPE_CHECKING:
    from howdah.ddl import Derived

# Bytes of a source from which on it takes about as long to copy it as to load modules.
_LARGE = 256 << 20
# What reads schemas, moves rows and compares them, in the order in which it is needed.
_ROWS = ("howdah.catalog.virtual", "howdah.apply", "howdah.load", "howdah.patch", "howdah.verify")


@dataclass(frozen=True)
class Request:
    """What is to be moved, and where to.

    :ivar sources: SQLite files or folders that hold some.
    :ivar dsn: libpq connection string; empty means libpq's own variables and service files.
    :ivar application: application folder, or ``None`` to derive the schema from the source.
    :ivar schema: target schema; ``None`` means the application's, or ``public``.
    :ivar jobs: tables loaded at the same time, at least 1.
    :ivar max_quarantined: stop before more rows than this go to quarantine; ``None`` means no limit.
    :ivar identifiers: ``lower``, ``keep`` or ``snake``, for a derived schema; ``None`` means as before, or lower.
    :ivar orphans: ``quarantine`` or ``keep``, for a derived schema; ``None`` means as before, or quarantine.
    :ivar retry: load tables with rows in quarantine again, whether or not anything changed.
    :ivar sample: for ``plan``: look at no more rows of each table than this; ``None`` means all.
    :ivar work_dir: folder for the snapshots, or ``None`` for a private temporary one.
    :ivar salvage: move what can still be read of a damaged source, instead of refusing it.
    """

    sources: tuple[Path, ...]
    dsn: str = ""
    application: Path | None = None
    schema: str | None = None
    jobs: int = 1
    max_quarantined: int | None = None
    identifiers: str | None = None
    orphans: str | None = None
    retry: bool = False
    sample: int | None = None
    work_dir: Path | None = None
    salvage: bool = False


@dataclass(frozen=True)
class Session:
    """Everything that the verbs share, once sources are frozen and the target answers.

    :ivar files: all sources; each is in ``snapshots`` or in ``unchanged``.
    :ivar unchanged: sources that are as they were at their last load, and were not copied.
    """

    request: Request
    connection: pg.Connection
    target: Target
    files: tuple[SourceFile, ...]
    snapshots: tuple[snapshot.Snapshot, ...]
    unchanged: dict[str, Inspected]
    known: Ledger
    findings: tuple[Finding, ...]
    folder: Path
    clock: Clock
    progress: Progress
    examinations: Examinations
    counts: Counts

    @cached_property
    def paths(self) -> dict[str, tuple[Path, str]]:
        """Return source → (path of its snapshot, BLAKE3), of the sources that were copied."""
        return {item.source.name: (item.path, item.blake3) for item in self.snapshots}

    def settle(self) -> None:
        """Wait until it is known that all snapshots are whole; before that, nothing may be written by them.

        :raises SourceError: one is damaged.
        """
        if self.examinations.busy:
            self.progress(Event("snapshot"))
        with self.clock.stage("snapshot"):
            self.examinations.settle()


def ledger_name(request: Request) -> str:
    """Return what the ledger and the lock call the migration that a request asks for.

    :raises ConfigurationError: the application folder is missing or wrong.
    """
    return _destination(request)[2]


def _destination(request: Request) -> tuple[Application | None, str, str]:
    """Return the application, the target schema, and the name of this migration."""
    application = applications.load(request.application) if request.application else None
    if application is None:
        schema = request.schema or "public"
        return None, schema, f"schema {schema}"
    if request.schema and request.schema != application.schema_:
        # Two schemas of one application are two migrations, each with its own ledger and lock.
        return application, request.schema, f"{application.name} in {request.schema}"
    return application, application.schema_, application.name


@contextmanager
def opened(request: Request, progress: Progress, lock: str, *, trusting: bool = False) -> Iterator[Session]:
    """Resolve sources, reach the target, lock, freeze the sources; undo all of it afterwards.

    :param lock: ``none``, ``shared`` or ``exclusive``.
    :param trusting: leave sources as they are that did not change since their last load.
    :raises HowdahError: see :mod:`howdah.errors`.
    """
    clock = Clock()
    if request.jobs < 1:
        raise ConfigurationError("--jobs must be at least 1.")
    application, schema, name = _destination(request)
    files, findings = discover.resolve(request.sources, application)
    if schema == "howdah" or schema.startswith("pg_"):
        raise ConfigurationError(f"Schema {schema} is reserved.", "Choose another --schema.")
    try:
        with pg.connect(request.dsn) as connection:
            info = pg.check_server(connection, schema)
            target = Target(info, name, application, request.application)
            if lock != "none":
                ledger.lock(connection, name, shared=lock == "shared")
            known = ledger.read(connection, name)
            choices.check(request.identifiers, request.orphans, application is not None)
            choices.settle(request.identifiers, request.orphans, known, schema)
            unchanged = trust.unchanged(connection, known, files) if trusting else {}
            changed = {file.name: file.path.stat().st_size for file in files if file.name not in unchanged}
            large = max(changed.values(), default=0) >= _LARGE
            ahead = _load_ahead(_needed(connection, target, known) + (_ROWS if large and lock != "none" else ()))
            with (
                workspace(request.work_dir) as folder,
                examining(rows=bool(request.sample)) as examinations,
                counting(pg.conninfo_of(connection)) as counts,
            ):
                session = Session(
                    request=request,
                    connection=connection,
                    target=target,
                    files=files,
                    snapshots=(),
                    unchanged=unchanged,
                    known=known,
                    findings=findings,
                    folder=folder,
                    clock=clock,
                    progress=progress,
                    examinations=examinations,
                    counts=counts,
                )
                session = freeze(session, set(changed))
                # What they leave between a schema's objects would keep their memory when those are gone.
                ahead.join()
                yield session
    except pg.Error as error:
        raise pg.explain(error) from error
    finally:
        let_go()


def _load_ahead(names: Collection[str]) -> Thread:
    """Load modules in the background: it takes a while, in which sources are copied."""
    ahead = Thread(target=lambda: [importlib.import_module(name) for name in names], daemon=True)
    ahead.start()
    return ahead


def _needed(connection: pg.Connection, target: Target, known: Ledger) -> tuple[str, ...]:
    """Return the modules that revisions need, where some may be pending."""
    if target.folder is None or heads.is_reached(connection, known, target.schema, target.folder):
        return ()
    return ("howdah.revisions",)


def freeze(session: Session, names: set[str]) -> Session:
    """Return the session with snapshots of some sources, which may still be looked at: see :meth:`Session.settle`.

    :param names: of the sources; they count as unchanged no more.
    :raises SourceError: one cannot be copied.
    """
    files = tuple(file for file in session.files if file.name in names)
    with session.clock.stage("snapshot"):
        snapshot.check_space(files, session.folder)
        frozen = []
        for file in files:
            session.progress(Event("snapshot", file.name))
            frozen.append(
                snapshot.take(
                    file, session.folder, salvaging=session.request.salvage, examinations=session.examinations
                )
            )
    return replace(
        session,
        snapshots=session.snapshots + tuple(frozen),
        unchanged={name: source for name, source in session.unchanged.items() if name not in names},
        findings=session.findings + tuple(finding for item in frozen for finding in item.findings),
    )


def inspect(session: Session, sample: int | None = None, before: tuple[Inspected, ...] = ()) -> tuple[Inspected, ...]:
    """Return catalog and profile of all sources.

    :param before: those that were looked at already.
    """
    found = session.unchanged | {source.name: source for source in before}
    new = tuple(item for item in session.snapshots if item.source.name not in found)
    with session.clock.stage("profile"):
        found |= {item.name: item for item in inspection.inspect(new, session.known, session.progress, sample)}
    return tuple(found[file.name] for file in session.files)


def make_plan(
    session: Session, sources: tuple[Inspected, ...], before: Plan | None = None
) -> tuple[Plan, Derived | None]:
    """Return the plan, and the derived schema where there is no application.

    :param before: an earlier plan for the same sources.
    """
    # The snapshots that were measured are closed: a file's connection holds what all of its tables are declared as.
    let_go()
    with session.clock.stage("plan"):
        if session.target.application:
            return inspection.plan_application(
                session.connection, session.request.dsn, session.target, sources, session.known, before
            ), None
        return inspection.plan_derived(session.connection, session.target, sources, session.known, chosen(session))


def chosen(session: Session) -> Choices:
    """Return what is chosen for a derived schema, by the request or by an earlier run."""
    request = session.request
    return choices.settle(request.identifiers, request.orphans, session.known, session.target.schema)
