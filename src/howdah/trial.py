"""Tries translated SQL on the server, in a transaction that is rolled back, before a plan relies on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from howdah import pg
from howdah.catalog.model import TargetCatalog, TargetTable
from howdah.ddl import Derived, Part
from howdah.ledger import Ledger

_TEMPORARY = "pg_temp"


def refusals(
    connection: pg.Connection,
    derive: Callable[..., Derived],
    derived: Derived,
    actual: TargetCatalog,
    known: Ledger,
) -> dict[tuple[str, str, str], str]:
    """Return which parts of a derived schema the target does not take, and why.

    What is there already needs no trial, and what is not in a table that is there was refused when it was made.
    Only the rest is tried, on empty temporary tables.

    :param derive: derives the same schema under another name, and without some of its parts.
    """
    refused: dict[tuple[str, str, str], str] = {}
    untried: list[Part] = []
    for part in derived.parts:
        table = actual.find(part.table)
        before = known.refused.get((derived.catalog.schema, *part.key))
        if table is not None and part.kind in _WITHIN:
            if not _WITHIN[part.kind](table, part.name):
                refused[part.key] = before or f"the table {part.table} was made without it"
        elif part.name in actual.relations:
            continue
        elif before and (table is not None or part.kind == "view"):
            refused[part.key] = before
        else:
            untried.append(part)
    return refused | (_try(connection, derive, derived, untried) if untried else {})


_WITHIN = {
    "check": lambda table, name: any(check.name == name for check in table.checks),
    "default": lambda table, name: bool(_column(table, name, "default")),
    "generated": lambda table, name: bool(_column(table, name, "expression")),
}


def _column(table: TargetTable, name: str, field: str) -> str:
    column = table.find(name)
    return str(getattr(column, field)) if column else ""


def _try(
    connection: pg.Connection, derive: Callable[..., Derived], derived: Derived, untried: Iterable[Part]
) -> dict[tuple[str, str, str], str]:
    wanted = {part.key for part in untried}
    bare = derive(_TEMPORARY, {part.key: "on trial" for part in derived.parts if part.kind != "view"})
    # A view may read any other, so all of them are made as soon as one is tried.
    views = [part for part in bare.parts if part.kind == "view" and any(kind == "view" for kind, *_ in wanted)]
    tables = {part.table for part in untried} | {name for view in views for name in view.reads}
    refused = {}
    try:
        with connection.transaction(force_rollback=True):
            for statement in bare.tables:
                if statement.table in tables:
                    pg.execute(connection, statement.sql)
            for part in bare.parts:
                if part.key in wanted or part in views:
                    problem = _problem(connection, part)
                    if problem and part.key in wanted:
                        refused[part.key] = problem
    except pg.NO_RIGHT:
        # Without temporary tables there is no migration either; migrate says so before it changes anything.
        return {}
    return refused


def _problem(connection: pg.Connection, part: Part) -> str:
    try:
        # A view stays for those that read it.
        with connection.transaction(force_rollback=part.kind != "view"):
            pg.execute(connection, part.sql)
    except pg.UNFIT as error:
        return f"PostgreSQL says: {pg.message(error)}"
    return ""
