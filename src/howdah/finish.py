"""What follows the rows: indexes and foreign keys of a derived schema, statistics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from howdah import ledger
from howdah.findings import Finding
from howdah.order import batched
from howdah.pg import BUILD_FAULTS, Connection, execute, message, qualified, quoted
from howdah.plan import TablePlan

# What derives a schema loads only where there is no application.
if TYPE_CHECKING:
    from howdah.ddl import Derived, Statement

# Tables that one statement is about.
_TABLES = 200


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
                from howdah.ddl.foreign_keys import not_valid

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


def analyze(connection: Connection, plans: Iterable[TablePlan]) -> None:
    """Give the planner statistics of tables that changed."""
    tables = sorted({qualified(plan.target.schema, plan.target.name) for plan in plans})
    for some in batched(tables, _TABLES):
        execute(connection, f"ANALYZE {', '.join(some)}")
