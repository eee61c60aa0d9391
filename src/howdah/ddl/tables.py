"""A table: its columns, their types, defaults and formulas, and its CHECK constraints."""

from __future__ import annotations

from dataclasses import replace

from howdah import defaults, translate, typemap
from howdah.catalog.model import SourceCheck, SourceColumn, SourceTable, TargetCheck, TargetColumn, TargetTable
from howdah.ddl.values import Draft, Part, Refusals, Statement
from howdah.pg import qualified, quoted
from howdah.plan import Inspected
from howdah.translate import UntranslatableError


def draft(
    source: Inspected, table: SourceTable, target: TargetTable, names: dict[str, str], style: str, refused: Refusals
) -> Draft:
    """Return the table without its keys and indexes.

    :param target: its schema and name.
    """
    made = Draft(source, table, target, names, style)
    nullable = nullable_key(made)
    columns = [_column(made, column, bool(nullable), refused) for column in table.columns]
    made.target = replace(made.target, columns=tuple(columns))
    if nullable:
        made.warn(
            "null_in_key",
            f"The primary key of {table.name} holds NULLs, so it becomes a unique key.",
            nullable[0],
            source.profile[table.name].column(nullable[0]).nulls,
        )
    made.target = replace(
        made.target,
        columns=tuple(_generated(made, *pair, refused) for pair in zip(table.columns, columns, strict=True)),
    )
    checks = [_check(made, check, refused) for check in table.checks]
    made.target = replace(made.target, checks=tuple(check for check in checks if check))
    if not table.readable:
        made.warn(
            "declaration_not_read",
            f"The declaration of {table.name} cannot be parsed: CHECKs, formulas and collations of it do not move.",
            sql=table.sql,
        )
    return made


def scope(made: Draft) -> translate.TableScope:
    """Return what expressions of the table may name."""
    profile = made.source.profile[made.table.name]
    columns = {}
    for column in made.table.columns:
        target = made.target.find(made.names[column.name])
        if target is not None:
            seen = translate.column(column, target.name, target.type, profile.column(column.name), made.table.strict)
            columns[column.name.lower()] = seen
    return translate.TableScope(made.table.name, columns)


def nullable_key(made: Draft) -> list[str]:
    """Return the columns of the primary key that hold NULLs, which only SQLite allows."""
    profile = made.source.profile[made.table.name]
    return [name for name in made.table.primary_key if profile.column(name).nulls]


def _column(made: Draft, column: SourceColumn, nullable: bool, refused: Refusals) -> TargetColumn:
    profile = made.source.profile[made.table.name]
    choice = typemap.choose(column, profile.column(column.name))
    alias = column.name == made.table.rowid_alias
    if alias:
        choice = typemap.Choice(typemap.BIGINT)
    if choice.reason:
        made.say(
            "type_by_evidence",
            f"{column.declared or 'no type'} becomes {choice.type.sql}: {choice.reason}.",
            column.name,
        )
    _collation(made, column)
    name = made.names[column.name]
    found = defaults.translate(None if column.generated else column.default, choice.type)
    key = ("default", made.target.name, name)
    problem = refused.get(key) or found.problem
    if found.computed:
        table = qualified(made.target.schema, made.target.name)
        statement = f"ALTER TABLE {table} ALTER COLUMN {quoted(name)} SET DEFAULT {found.sql}"
        made.parts.append(Part(*key, statement))
    if problem:
        made.warn(
            "default_not_moved",
            f"The default of {made.table.name}.{column.name} does not move: {problem}.",
            column.name,
            sql=column.default or "",
        )
    return TargetColumn(
        name=name,
        type=choice.type,
        not_null=column.not_null or (bool(column.key_position) and not nullable),
        default="" if problem else found.sql,
        identity="d" if alias else "",
    )


def _collation(made: Draft, column: SourceColumn) -> None:
    where = f"{made.table.name}.{column.name}"
    if column.collation == "NOCASE":
        made.warn(
            "nocase_column",
            f"{where} compares without case (A to Z) in SQLite, and exactly in PostgreSQL: its indexes are on "
            f'lower({made.names[column.name]} COLLATE "C"), which queries have to write too.',
            column.name,
        )
    elif column.collation != "BINARY":
        made.warn(
            "collation_not_moved",
            f"{where} compares by {column.collation} in SQLite, and exactly in PostgreSQL.",
            column.name,
            sql=made.table.sql,
        )


def _generated(made: Draft, column: SourceColumn, target: TargetColumn, refused: Refusals) -> TargetColumn:
    if not column.generated:
        return target
    key = ("generated", made.target.name, target.name)
    try:
        formula = _formula(made, column)
        statement = (
            f"ALTER TABLE {qualified(made.target.schema, made.target.name)} ADD COLUMN howdah_trial {target.type.sql}"
            f" GENERATED ALWAYS AS ({formula}) STORED"
        )
        made.parts.append(Part(*key, statement))
        problem = refused.get(key, "")
    except UntranslatableError as error:
        formula, problem = "", str(error)
    if problem:
        made.warn(
            "generated_as_values",
            f"{made.table.name}.{column.name} is computed by SQLite and moves as plain values: {problem}.",
            column.name,
            sql=column.expression or made.table.sql,
        )
        return target
    return replace(target, generated=True, expression=formula)


def _formula(made: Draft, column: SourceColumn) -> str:
    if not column.expression:
        raise UntranslatableError("its formula cannot be read")
    names = scope(made)
    seen = names.columns[column.name.lower()]
    formula = translate.formula(names, column.expression, seen.kind)
    if names.used & {made.names[other.name] for other in made.table.columns if other.generated}:
        raise UntranslatableError("its formula uses another computed column")
    return formula


def _check(made: Draft, check: SourceCheck, refused: Refusals) -> TargetCheck | None:
    names = scope(made)
    try:
        condition = translate.check(names, check.expression)
    except UntranslatableError as error:
        _lost(made, check, str(error))
        return None
    used = tuple(column.name for column in made.target.columns if column.name in names.used)
    parts = [made.target.name, *(used if len(used) == 1 else ()), "check"]
    name = made.fresh("constraint", check.name or "_".join(parts), made.taken)
    table = qualified(made.target.schema, made.target.name)
    statement = f"ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} CHECK ({condition})"
    part = Part("check", made.target.name, name, statement)
    made.parts.append(part)
    if part.key in refused:
        _lost(made, check, refused[part.key])
        return None
    return TargetCheck(name, condition, used)


def _lost(made: Draft, check: SourceCheck, problem: str) -> None:
    label = f" {check.name}" if check.name else ""
    made.warn(
        "check_not_moved",
        f"A CHECK constraint{label} of {made.table.name} does not move: {problem}.",
        sql=f"CHECK ({check.expression})",
    )


def statement(made: Draft) -> Statement:
    """Return the CREATE TABLE."""
    lines = []
    for column in made.target.columns:
        line = f"{quoted(column.name)} {column.type.sql}"
        if column.identity:
            line += " GENERATED BY DEFAULT AS IDENTITY"
        if column.generated:
            line += f" GENERATED ALWAYS AS ({column.expression}) STORED"
        if column.default:
            line += f" DEFAULT {column.default}"
        lines.append(line + (" NOT NULL" if column.not_null else ""))
    for unique in made.constraints:
        kind = "PRIMARY KEY" if unique.primary else "UNIQUE"
        columns = ", ".join(quoted(column) for column in unique.columns)
        lines.append(f"CONSTRAINT {quoted(unique.name)} {kind} ({columns})")
    lines += [f"CONSTRAINT {quoted(check.name)} CHECK ({check.expression})" for check in made.target.checks]
    body = ",\n  ".join(lines)
    name = made.target.name
    return Statement("table", name, name, f"CREATE TABLE {qualified(made.target.schema, name)} (\n  {body}\n)")
