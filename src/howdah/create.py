"""Makes a derived schema by its statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from howdah import pg
from howdah.catalog.model import TargetCatalog
from howdah.errors import TargetRefused

# What derives a schema loads only where there is no application.
if TYPE_CHECKING:
    from howdah.ddl import Derived, Statement


def run(connection: pg.Connection, statements: Sequence[Statement]) -> None:
    """Run DDL statements in the caller's transaction.

    :raises TargetRefused: with PostgreSQL's words.
    """
    for statement in statements:
        try:
            pg.execute(connection, statement.sql)
        except pg.TAKEN as error:
            raise TargetRefused(
                f"An object named {statement.name} that is not ours is in the way.",
                "Rename it, or choose another --schema; no row was moved.",
            ) from error


def release(connection: pg.Connection, derived: Derived, loads: frozenset[str]) -> frozenset[str]:
    """Take the foreign keys away that would refuse orphans of a load; they are made again after it.

    :param loads: target tables that are loaded; keys of them and to them are meant.
    :returns: names of the foreign keys.
    """
    released = set()
    with connection.transaction():
        for table in derived.catalog.tables:
            for key in table.foreign_keys:
                if table.name not in loads and key.parent not in loads:
                    continue
                where = pg.qualified(table.schema, table.name)
                there = "SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(%s) AND conname = %s"
                if connection.execute(there, [where, key.name]).fetchone():
                    pg.execute(connection, f"ALTER TABLE {where} DROP CONSTRAINT {pg.quoted(key.name)}")
                    released.add(key.name)
    return frozenset(released)


def in_the_way(derived: Derived, actual: TargetCatalog, ours: frozenset[str]) -> tuple[str, ...]:
    """Return names of relations that the derived schema needs and that somebody else made."""
    wanted = {table.name for table in derived.catalog.tables}
    wanted |= {unique.name for table in derived.catalog.tables for unique in table.uniques if table.name not in ours}
    wanted |= {statement.name for statement in derived.after if statement.kind != "constraint"}
    return tuple(sorted((wanted & set(actual.relations)) - ours - _of_ours(actual, ours)))


def _of_ours(actual: TargetCatalog, ours: frozenset[str]) -> set[str]:
    return {unique.name for table in actual.tables if table.name in ours for unique in table.uniques}
