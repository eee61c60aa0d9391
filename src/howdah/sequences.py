"""Puts the target's sequences past what was loaded, for many tables in few statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from howdah.order import batched
from howdah.pg import Connection, execute, qualified, quoted
from howdah.plan import TablePlan

# Tables that one statement is about: it locks each of them and its sequence.
_TABLES = 100


@dataclass(frozen=True)
class _Column:
    schema: str
    table: str
    name: str

    @property
    def qualified_table(self) -> str:
        return qualified(self.schema, self.table)


def advance(connection: Connection, plans: Iterable[TablePlan]) -> tuple[str, ...]:
    """Put sequences past the largest value, and past SQLite's high-water mark even where the table is empty.

    A sequence that is already there or further is left alone.

    :returns: table and column of each sequence that was moved.
    """
    marks: dict[_Column, int | None] = {}
    for plan in plans:
        targets = {column.source: column.target for column in plan.columns}
        mark_column = targets.get(plan.table.rowid_alias, "")
        for column in plan.target.columns:
            if column.identity or "nextval(" in column.default:
                place = _Column(plan.target.schema, plan.target.name, column.name)
                found = [marks.get(place), plan.table.sequence if column.name == mark_column else None]
                marks[place] = max((mark for mark in found if mark is not None), default=None)
    moved: list[str] = []
    for some in batched(list(marks), _TABLES):
        moved += _advance(connection, some, marks)
    return tuple(moved)


def _advance(connection: Connection, columns: Sequence[_Column], marks: dict[_Column, int | None]) -> list[str]:
    owned = connection.execute(
        """SELECT n::int, sequence, seqincrement, seqmin, seqmax
           FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS wanted (place, name, n),
                pg_get_serial_sequence(place, name) AS sequence, pg_sequence
           WHERE seqrelid = sequence::regclass ORDER BY n""",
        [[column.qualified_table for column in columns], [column.name for column in columns]],
    ).fetchall()
    if not owned:
        return []
    states = execute(
        connection,
        " UNION ALL ".join(
            f"SELECT {n}, last_value, is_called, (SELECT max({quoted(columns[n - 1].name)})"
            f" FROM {columns[n - 1].qualified_table})::numeric FROM {sequence}"
            for n, sequence, *_ in owned
        ),
    )
    state = {n: rest for n, *rest in states}
    moves: list[tuple[_Column, str, int]] = []
    for n, sequence, increment, least, most in owned:
        column = columns[n - 1]
        last, called, largest = state[n]
        reached = max((int(value) for value in (largest, marks[column]) if value is not None), default=None)
        if reached is None or increment < 0 or reached < least:
            continue
        if reached < last or (reached == last and called):
            continue
        moves.append((column, sequence, min(reached, most)))
    if moves:
        connection.execute(
            "SELECT setval(name::regclass, value, true) FROM unnest(%s::text[], %s::bigint[]) AS moved (name, value)",
            [[sequence for _, sequence, _ in moves], [value for *_, value in moves]],
        )
    return [f"{column.table}.{column.name}" for column, *_ in moves]
