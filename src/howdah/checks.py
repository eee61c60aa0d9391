"""Finds staged rows that the target's constraints would refuse, before one of them aborts the load."""

from __future__ import annotations

from collections.abc import Mapping

from howdah.catalog.model import TargetForeignKey, TargetUnique
from howdah.conditions import compared, different, image_digest, parents, refers, same
from howdah.pg import DATA_FAULTS, Connection, execute, message, qualified, quoted
from howdah.plan import ColumnPlan
from howdah.staging import LOCATOR, SHARED, Stage
from howdah.vector.encode import Reject


def within(connection: Connection, stage: Stage) -> int:
    """Set aside staged rows that clash with each other, break a CHECK or compute otherwise; return how many."""
    found = 0
    for column in stage.plan.columns:
        if column.computed:
            found += _computed_otherwise(connection, stage, column)
    for unique in stage.plan.target.uniques:
        if stage.fills(unique.used):
            found += _duplicates(connection, stage, unique)
    for check in stage.plan.target.checks:
        if stage.fills(check.used):
            reason = f"The row breaks the constraint {check.name}."
            condition = f"NOT ({check.expression})"
            found += _set_aside_where(connection, stage, condition, ", ".join(check.used), "check", reason)
    return found


def _computed_otherwise(connection: Connection, stage: Stage, column: ColumnPlan) -> int:
    target = stage.plan.target.find(column.target)
    if target is None:
        return 0
    name = quoted(column.target)
    condition = f"record_image_ne(ROW({name}), ROW(CAST(({target.expression}) AS {column.type.sql})))"
    reason = f"PostgreSQL computes another value for {column.target} than SQLite did."
    return _set_aside_where(connection, stage, condition, column.target, "computed", reason)


def _set_aside_where(connection: Connection, stage: Stage, condition: str, column: str, code: str, reason: str) -> int:
    """Set aside staged rows of which a condition holds, or for which PostgreSQL cannot compute it at all."""
    limits = execute(connection, f"SELECT min({LOCATOR}), max({LOCATOR}) FROM {stage.name}").fetchone()
    if not limits or limits[0] is None:
        return 0
    found = 0
    waiting = [(limits[0], limits[1])]
    while waiting:
        first, last = waiting.pop()
        part = f"{LOCATOR} BETWEEN {first} AND {last}"
        statement = f"DELETE FROM {stage.name} WHERE {part} AND ({condition}) RETURNING {LOCATOR}"
        try:
            with connection.transaction():
                found += _set_aside(connection, stage, statement, column, code, reason)
        except DATA_FAULTS as error:
            # A value that cannot be computed (a division by zero, an overflow) is found by halving.
            if first < last:
                middle = (first + last) // 2
                waiting += [(first, middle), (middle + 1, last)]
            else:
                statement = f"DELETE FROM {stage.name} WHERE {part} RETURNING {LOCATOR}"
                problem = f"{reason[:-1]}: {message(error)}."
                found += _set_aside(connection, stage, statement, column, code, problem)
    return found


def _duplicates(connection: Connection, stage: Stage, unique: TargetUnique) -> int:
    # The first by rowid stays: references to it hold, and the choice is the same in every run.
    parts = ", ".join(unique.expressions)
    statement = f"""
        DELETE FROM {stage.name} s USING (
          SELECT {LOCATOR} AS l, row_number() OVER (PARTITION BY {parts} ORDER BY {LOCATOR}) AS n
          FROM {stage.name} WHERE {compared(unique)}) d
        WHERE d.l = s.{LOCATOR} AND d.n > 1 RETURNING s.{LOCATOR}"""
    code = "duplicate_key" if unique.primary else "duplicate_unique"
    reason = f"An earlier row has the same value for {unique.name}."
    return _set_aside(connection, stage, statement, ", ".join(unique.columns or unique.used), code, reason)


def against_target(connection: Connection, stage: Stage, *, known: bool = False) -> int:
    """Set aside staged rows that clash with rows that are not ours; mark those that equal one as shared.

    Runs after our vanished rows were deleted. Returns how many were set aside.

    :param known: every staged row has the key of one of our earlier rows.
    """
    target = qualified(stage.plan.target.schema, stage.plan.target.name)
    found = 0
    if stage.plan.key and not known:
        columns = [quoted(name) for name in stage.written]
        image = different(columns, "t", "s")
        foreign = f"{same(stage.plan.key, 's', 't')} AND NOT EXISTS (SELECT 1 FROM {stage.owned} o WHERE "
        foreign += f"{same(stage.plan.key, 'o', 't')})"
        statement = f"DELETE FROM {stage.name} s USING {target} t WHERE {foreign} AND {image} RETURNING s.{LOCATOR}"
        reason = "The target holds another row with this key that howdah did not load; it is left as it is."
        found += _set_aside(connection, stage, statement, ", ".join(stage.plan.key), "conflict", reason)
        execute(connection, f"UPDATE {stage.name} s SET {SHARED} = true FROM {target} t WHERE {foreign}")
    for unique in stage.plan.target.uniques:
        if stage.fills(unique.used) and unique.columns != stage.plan.key:
            found += _unique_conflicts(connection, stage, unique, target)
    return found


def _unique_conflicts(connection: Connection, stage: Stage, unique: TargetUnique, target: str) -> int:
    values = ", ".join(f"({part}) AS u{n}" for n, part in enumerate(unique.expressions))
    operator = "=" if unique.nulls_distinct else "IS NOT DISTINCT FROM"
    equal = " AND ".join(f"a.u{n} {operator} b.u{n}" for n in range(len(unique.expressions)))
    where = f"WHERE {unique.predicate}" if unique.predicate else ""
    if stage.plan.key:
        keys = ", ".join(quoted(name) for name in stage.plan.key)
        # A row of ours with that value is no obstacle when this load rewrites it.
        obstacle = f"NOT EXISTS (SELECT 1 FROM {stage.name} x WHERE {same(stage.plan.key, 'x', 'b')})"
    else:
        keys = f"{image_digest(stage.written)} AS h"
        obstacle = f"NOT EXISTS (SELECT 1 FROM {stage.owned} o WHERE o.h = b.h)"
    statement = f"""
        WITH a AS (SELECT {LOCATOR} AS l, {values} FROM {stage.name} {where}),
             b AS (SELECT {keys}, {values} FROM {target} {where})
        DELETE FROM {stage.name} s USING a, b
        WHERE s.{LOCATOR} = a.l AND {equal} AND {obstacle} RETURNING s.{LOCATOR}"""
    reason = f"The target holds another row with the same value for {unique.name}; it is left as it is."
    column = ", ".join(unique.columns or unique.used)
    return _set_aside(connection, stage, statement, column, "unique_conflict", reason)


def orphans(
    connection: Connection,
    stage: Stage,
    group: Mapping[str, Stage],
    doomed: Mapping[str, tuple[str, tuple[str, ...]]],
) -> int:
    """Set aside staged rows whose parent is nowhere; return how many.

    :param group: target table → stage, of the tables that load in this transaction.
    :param doomed: parent table → (temporary table of keys that wait to be deleted, key columns).
    """
    found = 0
    for key in stage.plan.target.foreign_keys:
        if stage.fills(key.columns):
            found += _orphans_of(connection, stage, key, group, doomed)
    return found


def _orphans_of(
    connection: Connection,
    stage: Stage,
    key: TargetForeignKey,
    group: Mapping[str, Stage],
    doomed: Mapping[str, tuple[str, tuple[str, ...]]],
) -> int:
    local = key.parent_schema == stage.plan.target.schema
    there = [parents(key, "s")]
    parent = group.get(key.parent) if local else None
    if parent is not None and parent.plan.key:
        # Ours are judged by the stage: what is owned and not staged has vanished from the source.
        ours = same(parent.plan.key, "o", "p")
        there[0] += f" AND NOT EXISTS (SELECT 1 FROM {parent.owned} o WHERE {ours})"
    elif local and key.parent in doomed:
        waiting, columns = doomed[key.parent]
        there[0] += f" AND NOT EXISTS (SELECT 1 FROM {waiting} o WHERE {same(columns, 'o', 'p')})"
    if parent is not None and parent.fills(key.parent_columns):
        there.append(parents(key, "s", parent.name))
    conditions = [refers(key, "s"), *(f"NOT EXISTS ({query})" for query in there)]
    statement = f"DELETE FROM {stage.name} s WHERE {' AND '.join(conditions)} RETURNING s.{LOCATOR}"
    reason = f"No row of {key.parent} has the key that this row refers to ({key.name})."
    return _set_aside(connection, stage, statement, ", ".join(key.columns), "orphan", reason)


def _set_aside(connection: Connection, stage: Stage, statement: str, column: str, code: str, reason: str) -> int:
    locators = {row[0] for row in execute(connection, statement)}
    stage.rejects.extend(Reject(locator, column, code, reason) for locator in sorted(locators))
    return len(locators)
