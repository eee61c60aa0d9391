"""What follows the rows: indexes and foreign keys of a derived schema, sequences, statistics."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from howdah import ledger
from howdah.ddl import Derived, Statement
from howdah.ddl.foreign_keys import not_valid
from howdah.findings import Finding
from howdah.pg import BUILD_FAULTS, Connection, execute, message, qualified, quoted
from howdah.plan import TablePlan


def complete(
    connection: Connection, derived: Derived, application: str, run_id: UUID, *, validate: bool
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """Make the indexes, foreign keys and views that are not there yet; return what was made, and findings.

    :param validate: try again whether foreign keys that are NOT VALID hold.

    Each has a transaction of its own, together with its ledger row: an index that cannot be built (a text
    beyond a B-tree's limit) costs the index and not the rows.
    """
    schema = derived.catalog.schema
    made: list[str] = []
    findings: list[Finding] = []
    keys = {(table.name, key.name): key for table in derived.catalog.tables for key in table.foreign_keys}
    for statement in derived.after:
        if _exists(connection, schema, statement):
            if validate and statement.kind == "constraint" and _validated(connection, schema, statement):
                made.append(f"constraint {statement.name}")
            continue
        problem = _make(connection, statement, statement.sql, application, schema, run_id)
        if problem and statement.kind == "constraint":
            # Orphans that were to move, or rows of other people.
            refused = _make(connection, statement, statement.sql + " NOT VALID", application, schema, run_id)
            if not refused:
                made.append(f"constraint {statement.name}")
                findings.append(not_valid(statement.table, keys[statement.table, statement.name]))
                continue
            problem = refused
        if not problem:
            made.append(f"{statement.kind} {statement.name}")
            continue
        said = f"The {statement.kind} {statement.name} on {statement.table} cannot be made: {problem}."
        code = f"{statement.kind}_not_built"
        findings.append(Finding("warning", code, said, table=statement.table, sql=statement.sql))
    return tuple(made), tuple(findings)


def _validated(connection: Connection, schema: str, statement: Statement) -> bool:
    """Return whether a foreign key that was NOT VALID now holds for every row."""
    table = qualified(schema, statement.table)
    waits = "SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(%s) AND conname = %s AND NOT convalidated"
    if not execute(connection, waits, [table, statement.name]).fetchone():
        return False
    try:
        execute(connection, f"ALTER TABLE {table} VALIDATE CONSTRAINT {quoted(statement.name)}")
    except BUILD_FAULTS:
        return False
    return True


def _exists(connection: Connection, schema: str, statement: Statement) -> bool:
    if statement.kind != "constraint":
        query, parameters = "SELECT to_regclass(%s) IS NOT NULL", [qualified(schema, statement.name)]
    else:
        query = "SELECT EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(%s) AND conname = %s)"
        parameters = [qualified(schema, statement.table), statement.name]
    row = execute(connection, query, parameters).fetchone()
    return bool(row and row[0])


def _make(connection: Connection, statement: Statement, sql: str, application: str, schema: str, run_id: UUID) -> str:
    """Run one statement; return what PostgreSQL had against it, or the empty text."""
    try:
        with connection.transaction():
            execute(connection, sql)
            ledger.record_object(
                connection, application, run_id, schema, statement.kind, statement.name, statement.table, sql
            )
    except BUILD_FAULTS as error:
        return message(error)
    return ""


def advance_sequences(connection: Connection, plans: Iterable[TablePlan]) -> tuple[str, ...]:
    """Put sequences past the largest value, and past SQLite's high-water mark even where the table is empty.

    A sequence that is already there or further is left alone.
    """
    moved: list[str] = []
    for plan in plans:
        targets = {column.source: column.target for column in plan.columns}
        mark_column = targets.get(plan.table.rowid_alias, "")
        for column in plan.target.columns:
            if not column.identity and "nextval(" not in column.default:
                continue
            mark = plan.table.sequence if column.name == mark_column else None
            if _advance(connection, plan, column.name, mark):
                moved.append(f"{plan.target.name}.{column.name}")
    return tuple(moved)


def _advance(connection: Connection, plan: TablePlan, column: str, mark: int | None) -> bool:
    table = qualified(plan.target.schema, plan.target.name)
    row = connection.execute("SELECT pg_get_serial_sequence(%s, %s)", [table, column]).fetchone()
    if not row or row[0] is None:
        return False
    sequence = row[0]
    limits = connection.execute(
        "SELECT seqincrement, seqmin, seqmax FROM pg_sequence WHERE seqrelid = %s::regclass", [sequence]
    ).fetchone()
    state = execute(connection, f"SELECT last_value, is_called FROM {sequence}").fetchone()
    largest = execute(connection, f"SELECT max({quoted(column)}) FROM {table}").fetchone()
    if not limits or not state or not largest:
        return False
    increment, least, most = limits
    reached = max((value for value in (largest[0], mark) if value is not None), default=None)
    if reached is None or increment < 0 or reached < least:
        return False
    last, called = state
    if reached < last or (reached == last and called):
        return False
    connection.execute("SELECT setval(%s::regclass, %s, true)", [sequence, min(reached, most)])
    return True


def analyze(connection: Connection, plans: Iterable[TablePlan]) -> None:
    """Give the planner statistics of tables that changed."""
    for table in sorted({qualified(plan.target.schema, plan.target.name) for plan in plans}):
        execute(connection, f"ANALYZE {table}")
