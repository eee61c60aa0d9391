"""Casts whole rows as a table plan says."""

from __future__ import annotations

from howdah import casts
from howdah.casts import Cast, CastError
from howdah.plan import ColumnPlan, TablePlan
from howdah.reading import Row


class RowError(ValueError):
    """A row that does not fit, with the first column that does not."""

    def __init__(self, column: str, code: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.code = code
        self.reason = reason


class RowCast:
    """Turns a source row into the texts of the target columns.

    :ivar notes: a counter for each target column, of identifiers that were mapped.
    :ivar casts: target column → the cast of one value.
    """

    def __init__(self, plan: TablePlan) -> None:
        names = [column.name for column in plan.table.columns]
        self.notes = {column.target: [0] for column in plan.columns}
        self.casts = {column.target: self._cast(column) for column in plan.columns}
        self._steps = [
            (
                names.index(column.source) if column.source else -1,
                column.source or column.target,
                self.casts[column.target],
                column.required,
                self._stand_in(column),
            )
            for column in plan.columns
        ]

    def _cast(self, column: ColumnPlan) -> Cast:
        name = casts.default_name(column.type) if column.cast == "constant" else column.cast
        return casts.build(name or "text", column.type, dict(column.options), self.notes[column.target])

    def _stand_in(self, column: ColumnPlan) -> str | None:
        """Return the declared value for where the source has none (tenancy)."""
        value = column.option("value")
        return self.casts[column.target](value) if value else None

    def __call__(self, row: Row) -> list[str | None]:
        """Return PostgreSQL's text of each target column.

        :raises RowError: for the first column that does not fit.
        """
        result: list[str | None] = []
        for position, name, cast, required, stand_in in self._steps:
            value = row[position] if position >= 0 else None
            if value is None:
                text = stand_in
            else:
                try:
                    text = cast(value)
                except CastError as error:
                    raise RowError(name, error.code, error.reason) from None
            if text is None and required:
                raise RowError(name, "not_null", "The value is NULL, and the column takes none.")
            result.append(text)
        return result

    @property
    def mapped(self) -> int:
        """Return how many values became other identifiers."""
        return sum(note[0] for note in self.notes.values())
