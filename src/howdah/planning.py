"""Makes the plan: how every column of a source is cast, from catalogs, profile and application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from howdah import casts, identifiers
from howdah.application import Application, Column, Table
from howdah.catalog.affinity import affinity
from howdah.catalog.model import SourceColumn, SourceTable, TargetCatalog, TargetColumn, TargetTable
from howdah.findings import Finding
from howdah.moments import choose_clock, left_as_they_are
from howdah.plan import ColumnPlan, Inspected, SkippedTable, TablePlan
from howdah.profile import ColumnProfile
from howdah.reverse import LEAST, Stored, unknown
from howdah.shared import Shared


def table_plan(
    source: Inspected,
    table: SourceTable,
    target: TargetTable,
    application: Application | None,
    names: Mapping[str, str] | None = None,
    shared: Shared | None = None,
) -> tuple[TablePlan, list[Finding]]:
    """Plan one table.

    :param names: source column → target column, where the schema is derived; otherwise columns match by name.
    :param shared: holds what other tables have, too.
    """
    rules = _rules(application, table.name)
    profile = source.profile[table.name]
    findings: list[Finding] = []
    note = _Notes(source.name, table.name, findings)
    columns: list[ColumnPlan] = []
    for column in table.columns:
        rule = rules.columns.get(column.name, Column())
        if rule.drop:
            filled = profile.column(column.name).filled
            note(
                "info",
                "column_dropped",
                "The application does not move this column.",
                column.name,
                rows=filled,
            )
            continue
        wanted = rule.target or (names[column.name] if names else column.name)
        found = target.find(wanted) if names or rule.target else _match(target, wanted)
        if found is None:
            hint = "rename it (target:) or say drop: true in application.yml"
            note("error", "no_place", f"The column has no place in {target.name}: {hint}.", column.name)
            continue
        if found.generated and not (names and column.generated):
            note(
                "error",
                "generated_target",
                f"{target.name}.{found.name} is computed by PostgreSQL.",
                column.name,
            )
            continue
        planned = _column(column.name, found, rule, application, profile.column(column.name), note)
        if planned is not None:
            stored = _stored(column, table.strict, profile.column(column.name), sampled=profile.sampled is not None)
            columns.append(replace(planned, stored=stored, computed=found.generated))
        if planned is not None and names is not None:
            left_as_they_are(column, found, profile.column(column.name), note)
        if planned is not None and rule.keep:
            columns += _kept(column.name, target, rule.keep, note)
    columns += _tenancy(target, columns, application)
    _check_columns(target, columns, note)
    if not names:
        _remarks(table, note)
    one = shared or Shared()
    return (
        TablePlan(
            source=source.name,
            table=table,
            target=target,
            columns=one(tuple(map(one, columns))),
            key=one(_key(target, columns)),
            rows=profile.rows,
        ),
        findings,
    )


def _stored(column: SourceColumn, strict: bool, profile: ColumnProfile, *, sampled: bool) -> Stored:
    kind = affinity(column.declared, strict)
    if sampled:
        # Nobody knows what the other rows hold.
        return unknown(kind)
    return Stored(
        affinity=kind,
        classes=frozenset(profile.classes) - {"null"},
        nulls=bool(profile.nulls),
        least=profile.smallest is not None and profile.smallest <= LEAST,
        # Of the spellings of a type, the profile knows that of days.
        canonical=profile.days == profile.texts,
    )


class _Notes:
    """Collects findings of one table."""

    def __init__(self, source: str, table: str, findings: list[Finding]) -> None:
        self.source, self.table, self.findings = source, table, findings

    def __call__(self, severity: Any, code: str, message: str, column: str = "", rows: int | None = None) -> None:
        self.findings.append(Finding(severity, code, message, self.source, self.table, column, rows))


def _rules(application: Application | None, table: str) -> Table:
    return application.tables.get(table, Table()) if application else Table()


def _match(target: TargetTable, name: str) -> TargetColumn | None:
    """Find a column by name: the same, the same but for case, the same in snake_case."""
    for fold in (str, identifiers.lowered, identifiers.snake):
        found = target.find(fold(name))
        if found is not None:
            return found
    return None


def _column(
    name: str,
    found: TargetColumn,
    rule: Column,
    application: Application | None,
    profile: ColumnProfile,
    note: _Notes,
) -> ColumnPlan | None:
    cast = rule.cast or casts.default_name(found.type)
    if cast is None:
        note("error", "no_cast", f"howdah has no cast to {found.type.sql} yet.", name)
        return None
    if rule.cast and not casts.suits(rule.cast, found.type):
        note("error", "wrong_cast", f"Cast {rule.cast} cannot produce {found.type.sql}.", name)
        return None
    options: dict[str, str] = {}
    if cast == "uuid" and not rule.cast and application and application.namespace:
        cast = "uuid5"
    if cast == "uuid5":
        options["namespace"] = str(application.namespace) if application else ""
    if cast == "moment" and profile.numbers:
        cast, more = choose_clock(name, profile, note)
        options |= more
    if cast == "julian":
        message = "Julian days are rounded to the millisecond, as a REAL of that size resolves no more."
        note("info", "julian_rounded", message, name, profile.numbers)
    if rule.truncate and found.type.name not in casts.MOMENTS:
        note("error", "wrong_cast", f"truncate: is for moments, and {found.name} is {found.type.sql}.", name)
        return None
    if rule.truncate:
        options["truncate"] = "yes"
        message = f"Moments finer than {found.type.sql} can hold are cut to it, as application.yml says."
        note("info", "truncated", message, name, profile.finer or None)
    tenancy = application.tenancy if application else None
    if tenancy and found.name == tenancy.column:
        options["value"] = tenancy.default
    if cast == "text" and profile.numbers:
        message = f"Numbers are stored as text in {found.name}."
        note("warning", "numbers_as_text", message, name, profile.numbers)
    return ColumnPlan(
        source=name,
        target=found.name,
        type=found.type,
        cast=cast,
        required=found.not_null,
        options=tuple(sorted(options.items())),
    )


def _kept(source: str, target: TargetTable, keep: str, note: _Notes) -> list[ColumnPlan]:
    found = target.find(keep)
    if found is None or casts.default_name(found.type) != "text" or found.not_null:
        note(
            "error",
            "no_place",
            f"keep: {keep} must be a text column of {target.name} that takes NULL.",
            source,
        )
        return []
    return [ColumnPlan(source=source, target=keep, type=found.type, cast="uuid5_kept")]


def _tenancy(target: TargetTable, columns: list[ColumnPlan], application: Application | None) -> list[ColumnPlan]:
    tenancy = application.tenancy if application else None
    found = target.find(tenancy.column) if tenancy else None
    if tenancy is None or found is None or any(column.target == found.name for column in columns):
        return []
    return [
        ColumnPlan(
            source="",
            target=found.name,
            type=found.type,
            cast="constant",
            required=found.not_null,
            options=(("value", tenancy.default),),
        )
    ]


def _check_columns(target: TargetTable, columns: list[ColumnPlan], note: _Notes) -> None:
    written = [column.target for column in columns]
    for name in {name for name in written if written.count(name) > 1}:
        note("error", "two_for_one", f"Two source columns would fill {target.name}.{name}.")
    for column in target.columns:
        fills_itself = column.default or column.identity or column.generated
        if column.not_null and not fills_itself and column.name not in written:
            note(
                "error",
                "nothing_for",
                f"{target.name}.{column.name} is NOT NULL, and the source has nothing for it.",
            )
    if not columns:
        note("error", "no_columns", f"No column of {target.name} would be filled.")
    if target.forced_rls:
        note(
            "error",
            "row_security",
            f"Row level security of {target.name} applies to this role: use the owner's "
            "own role without FORCE, or one with BYPASSRLS.",
        )


def _remarks(table: SourceTable, note: _Notes) -> None:
    for column in table.columns:
        if column.generated:
            note(
                "info",
                "generated_column",
                "A computed column moves as its values, without the formula.",
                column.name,
            )


def _key(target: TargetTable, columns: list[ColumnPlan]) -> tuple[str, ...]:
    """Return the first unique key that we fill and that cannot be NULL; the primary key comes first."""
    filled = {column.target for column in columns if column.cast != "uuid5_kept" and not column.computed}
    for unique in target.uniques:
        found = [target.find(name) for name in unique.columns]
        if found and all(column and column.not_null and column.name in filled for column in found):
            return unique.columns
    return ()


def missing_tables(source: Inspected) -> list[Finding]:
    """Report tables that the application expects and the source does not have."""
    present = {table.name for table in source.catalog.tables}
    return [
        Finding("warning", "table_missing", f"Source {source.name} has no table {name}.", source.name, name)
        for name in source.expected
        if name not in present
    ]


def unmoved_objects(source: Inspected, kinds: tuple[str, ...] = ("view", "trigger", "virtual table")) -> list[Finding]:
    """Report views, triggers and virtual tables, with their SQL: they are never silently lost."""
    return [
        Finding(
            "warning",
            item.kind.replace(" ", "_") + "_not_moved",
            f"The {item.kind} {item.name} does not move; its SQL is in the report.",
            source=source.name,
            table=item.table,
            sql=item.sql,
        )
        for item in source.catalog.objects
        if item.kind in kinds
    ]


def match_tables(
    source: Inspected, target: TargetCatalog, application: Application
) -> tuple[list[TablePlan], list[SkippedTable], list[Finding]]:
    """Plan all tables of a source against the application's schema."""
    shared = Shared()
    plans: list[TablePlan] = []
    skipped: list[SkippedTable] = []
    findings = missing_tables(source) + unmoved_objects(source)
    for table in source.catalog.tables:
        rule = application.tables.get(table.name, Table())
        if rule.skip:
            rows = source.profile[table.name].rows
            skipped.append(SkippedTable(source.name, table.name, rows))
            findings.append(
                Finding(
                    "info",
                    "table_skipped",
                    "The application does not move this table.",
                    source.name,
                    table.name,
                    rows=rows,
                )
            )
            continue
        wanted = (
            [rule.target]
            if rule.target
            else [table.name, identifiers.lowered(table.name), identifiers.snake(table.name)]
        )
        found = next((hit for name in wanted if (hit := target.find(name)) is not None), None)
        if found is None and table.virtual:
            rows = source.profile[table.name].rows
            skipped.append(SkippedTable(source.name, table.name, rows))
            message = f"The virtual table {table.name} has no place in schema {target.schema} and does not move."
            findings.append(
                Finding(
                    "warning", "virtual_table_not_moved", message, source.name, table.name, rows=rows, sql=table.sql
                )
            )
            continue
        if found is None:
            findings.append(
                Finding(
                    "error",
                    "no_place",
                    f"The table has no place in schema {target.schema}: name its target or say "
                    "skip: true in application.yml.",
                    source.name,
                    table.name,
                )
            )
            continue
        plan, remarks = table_plan(source, table, found, application, shared=shared)
        plans.append(plan)
        findings += remarks
        findings += _unknown_columns(source.name, table, rule)
    return plans, skipped, findings


def _unknown_columns(source: str, table: SourceTable, rule: Table) -> list[Finding]:
    present = {column.name for column in table.columns}
    return [
        Finding(
            "warning",
            "rule_without_column",
            f"application.yml has a rule for {table.name}.{name}, which is not there.",
            source,
            table.name,
            name,
        )
        for name in rule.columns
        if name not in present
    ]
