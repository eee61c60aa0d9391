"""A plan as a person reads it: the same lines for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from howdah.casts.clocks import CLOCKS
from howdah.plan import ColumnPlan, Plan, TablePlan
from howdah.profile import ColumnProfile
from howdah.report import page
from howdah.risk import Risk

_CASTS = {
    "moment": "ISO 8601",
    "text_utc": "ISO 8601, to UTC",
    "json": "JSON, checked",
    "uuid": "UUID",
    "uuid5": "UUID, others by name (uuid5)",
    "uuid5_kept": "text that is no UUID",
    "uuid_blob": "UUID of 16 bytes",
    "boolean": "0 and 1, words",
}
# Storage class that a cast takes as it is.
_AS_IT_IS = {"text": "text", "integer": "integer", "float": "real", "bytea": "blob"}


@dataclass(frozen=True)
class ColumnLine:
    """One column: from where to where, how, and what would not fit.

    :ivar values: storage classes and how many values have each.
    :ivar cast: in words; empty when values stay as they are.
    """

    source: str
    declared: str
    values: str
    target: str
    type: str
    cast: str
    risks: tuple[Risk, ...] = ()


@dataclass(frozen=True)
class TableLine:
    """One table.

    :ivar state: ``moves``, ``unchanged`` or ``skipped``.
    :ivar doomed: rows that would go to quarantine, of those that were looked at.
    """

    source: str
    table: str
    target: str
    rows: int
    state: str
    doomed: int = 0
    columns: tuple[ColumnLine, ...] = ()


def tables(plan: Plan) -> tuple[TableLine, ...]:
    """Return a line for each table, in load order; skipped ones come last."""
    moving = tuple(_table(plan, table) for table in plan.tables)
    return moving + tuple(TableLine(s.source, s.table, "", s.rows, "skipped") for s in plan.skipped)


def risks(lines: tuple[TableLine, ...]) -> tuple[tuple[TableLine, ColumnLine, Risk], ...]:
    """Return everything that would not fit, the most rows first."""
    found = [(table, column, risk) for table in lines for column in table.columns for risk in column.risks]
    return tuple(sorted(found, key=lambda item: -item[2].rows))


def render_html(plan: Plan, command: str) -> str:
    """Return the plan as one self-contained HTML page.

    :param command: what to type to carry it out.
    """
    lines = tables(plan)
    return page("plan.html.j2", plan=plan, tables=lines, risks=risks(lines), examples=examples, command=command)


def examples(risk: Risk) -> str:
    """Return where the first rows of a risk are: ``rowid 3, 17, 20 …``, or nothing."""
    if not risk.rowids:
        return ""
    more = " …" if risk.rows > len(risk.rowids) else ""
    return f"rowid {', '.join(map(str, risk.rowids))}{more}"


def _table(plan: Plan, table: TablePlan) -> TableLine:
    forecast, profile = plan.forecast(table), plan.profile(table)
    columns = []
    seen: set[str] = set()
    for column in table.columns:
        # A source column that fills two target columns is at risk once.
        found = forecast.of(column.source) if forecast and column.source and column.source not in seen else ()
        seen.add(column.source)
        described = profile.column(column.source) if column.source else None
        columns.append(
            ColumnLine(
                source=column.source,
                declared=table.table.column(column.source).declared if column.source else "",
                values=_values(described) if described else "",
                target=column.target,
                type=column.type.sql + (" NOT NULL" if column.required else ""),
                cast=cast_in_words(column, described, dict(forecast.cut).get(column.source, 0) if forecast else 0),
                risks=found,
            )
        )
    return TableLine(
        source=table.source,
        table=table.table.name,
        target=f"{table.target.schema}.{table.target.name}",
        rows=table.rows,
        state="moves" if table.identity in plan.pending_tables else "unchanged",
        doomed=forecast.rows if forecast else 0,
        columns=tuple(columns),
    )


def _values(profile: ColumnProfile) -> str:
    """Return what a column holds: ``integer``, or ``text 198 · integer 2 · null 5``."""
    counts = profile.classes
    if len(counts) == 1:
        return f"only {next(iter(counts))}"
    ordered = sorted(counts.items(), key=lambda item: (item[0] == "null", -item[1]))
    return " · ".join(f"{name} {count:,}" for name, count in ordered) or "no rows"


def cast_in_words(column: ColumnPlan, profile: ColumnProfile | None, cut: int = 0) -> str:
    """Return how values become those of the target; empty when they stay as they are.

    :param cut: moments that lose digits, as the application allows.
    """
    return ", ".join(_words(column, profile, cut))


def _words(column: ColumnPlan, profile: ColumnProfile | None, cut: int) -> Iterator[str]:
    if not column.source:
        yield f"always {column.option('value')}"
        return
    clock = CLOCKS.get(column.option("unit") or column.cast)
    if clock:
        yield clock.label
    elif column.cast in _CASTS:
        yield _CASTS[column.cast]
    elif profile and set(profile.classes) - {"null", _AS_IT_IS.get(column.cast)}:
        yield f"to {column.cast}"
    if column.option("truncate"):
        yield f"finer digits cut: {cut:,}" if cut else "finer digits cut"
    if column.option("value"):
        yield f"NULL becomes {column.option('value')}"
