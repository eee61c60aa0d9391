"""Makes the file: tables with their rows, then every value is read back, then what depends on the tables."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from howdah.clock import Clock
from howdah.definition import Definition
from howdah.discover import quoted
from howdah.errors import HowdahError, VerificationFailed
from howdah.export import catalog, check, query, write
from howdah.export.plan import Draft
from howdah.export.report import Written
from howdah.export.values import Table
from howdah.findings import Finding
from howdah.pg import Connection
from howdah.progress import Event, Progress, Stage


@dataclass(frozen=True)
class Built:
    """The finished file's tables, and what can be told of them."""

    tables: tuple[Written, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Builder:
    """Everything that making a table needs.

    :ivar connection: in the snapshot.
    :ivar path: of the file that is being made.
    :ivar estimates: (schema, table) → about how many rows there are.
    """

    connection: Connection
    path: Path
    originals: query.Originals
    estimates: dict[tuple[str, str], int]
    clock: Clock
    tell: Progress

    def build(self, drafts: tuple[Draft, ...], definitions: tuple[Definition, ...]) -> Built:
        """Make the file.

        :raises VerificationFailed: what is in the file is not what PostgreSQL holds.
        """
        file = write.open_new(self.path)
        try:
            with self.clock.stage("load"):
                self.tell(Event("load", total=sum(self.estimates.values())))
                made = [self._write(file, draft) for draft in drafts]
            with self.clock.stage("verify"):
                self.tell(Event("verify", total=sum(item.rows for _, item in made)))
                made = [self._verified(file, draft, item) for draft, item in made]
            with self.clock.stage("indexes"):
                self.tell(Event("indexes"))
                findings = _finish(file, [item.table for _, item in made], definitions)
                problem = file.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            next_step = "Free some space, or choose another folder." if _is_full(error) else ""
            raise HowdahError(f"SQLite cannot write the file: {error}.", next_step) from error
        finally:
            file.close()
        if problem != "ok":
            raise VerificationFailed(f"SQLite finds the file damaged: {problem}.", "Try again on another disk.")
        remarks = tuple(finding for draft, _ in made for finding in draft.findings)
        return Built(tuple(item for _, item in made), (*remarks, *findings))

    def _write(self, file: sqlite3.Connection, draft: Draft) -> tuple[Draft, Written]:
        """Make and fill a table; in the shape of PostgreSQL where SQLite does not take it in its original one."""
        table, started = draft.table, time.monotonic()
        try:
            write.make(file, table)
            rows = write.fill(self.connection, file, table, self.originals, self._step("load", table))
        except sqlite3.Error as error:
            if draft.fallback is None or _is_full(error):
                raise
            return self._write(file, _changed(file, draft, f"SQLite says {error}"))
        if table.sequence and table.held:
            write.set_sequence(file, table, catalog.sequence_value(self.connection, table.held, table.sequence))
        return draft, Written(table, rows, time.monotonic() - started)

    def _verified(self, file: sqlite3.Connection, draft: Draft, written: Written) -> tuple[Draft, Written]:
        """Read a table back; write it again in the shape of PostgreSQL where its original one changed values."""
        started = time.monotonic()
        with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as again:
            outcome = check.compare(self.connection, again, written.table, self._step("verify", written.table))
        if outcome.equal:
            return draft, replace(written, seconds=written.seconds + time.monotonic() - started)
        if draft.fallback is None:
            raise VerificationFailed(
                f"{written.table.name} in the file is not what PostgreSQL holds: {outcome.sentence}.",
                "No file was made. This is a defect of howdah: please report it.",
            )
        return self._verified(file, *self._write(file, _changed(file, draft, outcome.sentence)))

    def _step(self, stage: Stage, table: Table) -> Callable[[int], None]:
        held = (table.held.schema, table.held.name) if table.held else ("", "")
        about = self.estimates.get(held, 0)

        def step(done: int) -> None:
            self.tell(Event(stage, "", table.name, done, max(about, done)))

        return step


def _changed(file: sqlite3.Connection, draft: Draft, problem: str) -> Draft:
    """Drop a table that its original shape does not hold; return its draft in the shape of PostgreSQL."""
    assert draft.fallback is not None  # noqa: S101 - callers have looked
    write.drop(file, draft.table)
    other = draft.fallback()
    message = f"It has the shape of PostgreSQL, as its original one does not hold its rows: {problem}."
    return replace(
        other, findings=(Finding("warning", "shape_changed", message, "", other.table.name), *other.findings)
    )


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL


def _finish(file: sqlite3.Connection, tables: list[Table], definitions: tuple[Definition, ...]) -> list[Finding]:
    """Make indexes, then virtual tables, views and triggers; say which SQLite does not take."""
    findings: list[Finding] = []
    for table in tables:
        for index in table.indexes:
            findings += _try(file, "index", index.name, table.name, index.sql)
    for definition in definitions:
        for kind in ("virtual table", "view", "trigger"):
            for item in definition.objects:
                if item.kind == kind:
                    findings += _try(file, kind, item.name, item.table, item.sql)
                    findings += _refill(file, item.name, item.sql) if kind == "virtual table" else []
    if len(definitions) == 1:
        file.execute(f"PRAGMA user_version = {int(definitions[0].user_version)}")
        file.execute(f"PRAGMA application_id = {int(definitions[0].application_id)}")
    return findings + _orphans(file)


def _try(file: sqlite3.Connection, kind: str, name: str, table: str, sql: str) -> list[Finding]:
    try:
        file.execute(sql)
    except sqlite3.Error as error:
        if _is_full(error):
            raise
        message = f"The {kind} {name} could not be made: {error}."
        return [Finding("warning", f"{kind.replace(' ', '_')}_not_made", message, table=table, sql=sql)]
    return []


def _refill(file: sqlite3.Connection, name: str, sql: str) -> list[Finding]:
    """Let a full-text index over a table of the file read that table; say of any other that it is empty."""
    try:
        file.execute(f"INSERT INTO {quoted(name)} ({quoted(name)}) VALUES ('rebuild')")
        filled = file.execute(f"SELECT EXISTS (SELECT 1 FROM {quoted(name)})").fetchone()[0]
    except sqlite3.Error:
        filled = 0
    if filled:
        return []
    message = f"The virtual table {name} is empty: its rows did not move to PostgreSQL."
    return [Finding("warning", "virtual_table_empty", message, table=name, sql=sql)]


def _orphans(file: sqlite3.Connection) -> list[Finding]:
    """Report rows whose parent is missing; SQLite enforces foreign keys only for programs that ask for it."""
    counts: dict[tuple[str, str], int] = {}
    try:
        for child, _, parent, _ in file.execute("PRAGMA foreign_key_check"):
            counts[child, parent] = counts.get((child, parent), 0) + 1
    except sqlite3.Error as error:
        # A foreign key that SQLite calls a mismatch was one before the migration too.
        return [Finding("info", "foreign_key_mismatch", f"SQLite cannot check the foreign keys: {error}.")]
    return [
        Finding("warning", "orphans", f"Rows refer to rows of {parent} that are not there.", "", child, rows=count)
        for (child, parent), count in counts.items()
    ]
