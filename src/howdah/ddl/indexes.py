"""Keys and indexes of a table: plain, partial, on expressions, without case."""

from __future__ import annotations

from dataclasses import dataclass, replace

from howdah import translate
from howdah.catalog.model import SourceIndex, TargetUnique
from howdah.ddl.tables import nullable_key, scope
from howdah.ddl.values import Draft, Part, Refusals, Statement
from howdah.pg import qualified, quoted
from howdah.translate import UntranslatableError


@dataclass(frozen=True)
class _Parts:
    """The translated parts of an index.

    :ivar columns: target columns, when all parts are plain; else empty.
    :ivar used: every target column that parts and predicate read.
    """

    expressions: tuple[str, ...]
    columns: tuple[str, ...]
    used: tuple[str, ...]
    predicate: str = ""


def add(made: Draft, taken: set[str], referred: set[frozenset[str]], refused: Refusals) -> None:
    """Add the keys and indexes of a table to its draft.

    :param taken: names of relations in the schema; it grows.
    :param referred: sets of (source) columns that foreign keys refer to.
    """
    table = made.table
    uniques: list[TargetUnique] = []
    if table.primary_key:
        key = tuple(made.names[column] for column in table.primary_key)
        label = made.fresh("index", f"{made.target.name}_pkey", taken, made.taken)
        uniques.append(_constraint(made, label, key, primary=not nullable_key(made)))
    for index in table.indexes:
        try:
            parts = _parts(made, index)
        except UntranslatableError as error:
            _lost(made, index, str(error))
            continue
        if parts.columns and not parts.predicate and not any(index.descending):
            uniques += _plain(made, index, parts, taken)
        else:
            found = _special(made, index, parts, taken, referred, refused)
            uniques += found
    made.target = replace(made.target, uniques=tuple(uniques))


def _plain(made: Draft, index: SourceIndex, parts: _Parts, taken: set[str]) -> list[TargetUnique]:
    if index.origin == "pk":
        return []
    if index.unique:
        return [_constraint(made, made.fresh("index", _label(made, index, parts), taken, made.taken), parts.columns)]
    _statement(made, index, made.fresh("index", index.name, taken, made.taken), parts)
    return []


def _special(
    made: Draft,
    index: SourceIndex,
    parts: _Parts,
    taken: set[str],
    referred: set[frozenset[str]],
    refused: Refusals,
) -> list[TargetUnique]:
    """Add an index that no constraint can express; a unique one that is referred to gets its constraint besides."""
    uniques = []
    names = frozenset(column.lower() for column in index.columns if column)
    if index.unique and index.origin != "pk" and not index.partial and names in referred and not parts.columns:
        columns = tuple(made.names[made.table.column(column).name] for column in index.columns if column)
        label = made.fresh("index", "_".join([made.target.name, *columns, "key"]), taken, made.taken)
        uniques.append(_constraint(made, label, columns))
    if index.origin == "pk" and parts.columns:
        return []  # PRIMARY KEY (a DESC): the constraint is there already
    label = made.fresh("index", _label(made, index, parts), taken, made.taken)
    statement = _statement(made, index, label, parts)
    part = Part("index", made.target.name, label, statement.sql)
    made.parts.append(part)
    if part.key in refused:
        made.indexes.remove(statement)
        _lost(made, index, refused[part.key])
        return uniques
    if index.unique:
        # Of some rows only: no key.
        columns = () if parts.predicate else parts.columns
        uniques.append(TargetUnique(label, parts.expressions, columns, parts.used, predicate=parts.predicate))
    return uniques


def _label(made: Draft, index: SourceIndex, parts: _Parts) -> str:
    if index.origin == "c":
        return index.name
    return "_".join([made.target.name, *parts.used, "key" if parts.columns else "nocase_key"])


def _constraint(made: Draft, label: str, columns: tuple[str, ...], primary: bool = False) -> TargetUnique:
    made.taken.add(label)
    unique = TargetUnique(label, tuple(quoted(column) for column in columns), columns, columns, primary)
    made.constraints.append(unique)
    return unique


def _statement(made: Draft, index: SourceIndex, label: str, parts: _Parts) -> Statement:
    keys = ", ".join(
        part + (" DESC" if down else "") for part, down in zip(parts.expressions, index.descending, strict=True)
    )
    unique = "UNIQUE " if index.unique else ""
    where = f" WHERE {parts.predicate}" if parts.predicate else ""
    table = qualified(made.target.schema, made.target.name)
    statement = Statement(
        "index", label, made.target.name, f"CREATE {unique}INDEX {quoted(label)} ON {table} ({keys}){where}"
    )
    made.indexes.append(statement)
    return statement


def _parts(made: Draft, index: SourceIndex) -> _Parts:
    names = scope(made)
    expressions, columns = [], []
    for position, (column, collation) in enumerate(zip(index.columns, index.collations, strict=True)):
        if column is None and not index.parts:
            raise UntranslatableError("its declaration cannot be parsed")
        if column is not None:
            expressions.append(translate.key_column(names, column, collation or "BINARY"))
        else:
            expressions.append(translate.key_part(names, index.parts[position], collation or "BINARY"))
        target = made.names[made.table.column(column).name] if column is not None else ""
        if target and expressions[-1] == quoted(target):
            columns.append(target)
    if index.partial and not index.predicate:
        raise UntranslatableError("its declaration cannot be parsed")
    predicate = translate.predicate(names, index.predicate) if index.predicate else ""
    used = tuple(column.name for column in made.target.columns if column.name in names.used)
    plain = tuple(columns) if len(columns) == len(index.columns) else ()
    return _Parts(tuple(expressions), plain, used, predicate)


def _lost(made: Draft, index: SourceIndex, problem: str) -> None:
    made.warn(
        "index_not_moved",
        f"The {'unique ' if index.unique else ''}index {index.name} does not move: {problem}.",
        sql=index.sql or made.table.sql,
    )
