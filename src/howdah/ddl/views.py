"""Views, translated; each after those that it reads."""

from __future__ import annotations

from sqlglot import expressions as exp

from howdah import identifiers, translate
from howdah.catalog.model import SourceView
from howdah.ddl.tables import scope
from howdah.ddl.values import Draft, Part, Refusals, Statement
from howdah.findings import Finding
from howdah.pg import qualified
from howdah.plan import Inspected
from howdah.translate import Relation, UntranslatableError, emit


def derive(
    source: Inspected, drafts: list[Draft], schema: str, taken: set[str], style: str, refused: Refusals
) -> tuple[list[Statement], list[Part], list[Finding]]:
    """Return the views of a source, in the order in which they can be made, and what is to be said of the others.

    :param taken: names of relations in the schema; it grows.
    """
    if not source.catalog.views:
        return [], [], []
    relations = {
        draft.table.name.lower(): Relation(schema, draft.target.name, scope(draft).columns)
        for draft in drafts
        if draft.source.name == source.name
    }
    names = {view.name: identifiers.fresh(view.name, taken, style=style) for view in source.catalog.views}
    made: list[Statement] = []
    parts: list[Part] = []
    problems: dict[str, str] = {}
    waiting = list(source.catalog.views)
    while waiting:
        left = []
        for view in waiting:
            try:
                statement, part, relation = _view(view, names[view.name], schema, relations, style)
            except UntranslatableError as error:
                problems[view.name] = str(error)
                left.append(view)
                continue
            parts.append(part)
            problems.pop(view.name, None)
            if part.key in refused:
                problems[view.name] = refused[part.key]
                continue
            made.append(statement)
            relations[view.name.lower()] = relation
        if len(left) == len(waiting):
            break
        # Those that read a view of this round may be translated in the next.
        waiting = left
    findings = [
        Finding(
            "warning",
            "view_not_moved",
            f"The view {view.name} does not move: {problems[view.name]}.",
            source.name,
            view.name,
            sql=view.sql,
        )
        for view in source.catalog.views
        if view.name in problems
    ]
    findings += [
        Finding("info", "renamed", f"The view {old} becomes {new}.", source.name, old)
        for old, new in names.items()
        if new != identifiers.styled(old, style)
    ]
    return made, parts, findings


def _view(
    view: SourceView, name: str, schema: str, relations: dict[str, Relation], style: str
) -> tuple[Statement, Part, Relation]:
    if view.problem:
        raise UntranslatableError(f"SQLite itself says: {view.problem}")
    folded = identifiers.fold(view.columns, style=style)
    columns = tuple(folded[column] for column in view.columns)
    query = translate.view(relations, view.sql, columns)
    sql = f"CREATE VIEW {qualified(schema, name)} AS {emit.sql(query.node)}"
    reads = {table.name for table in query.node.find_all(exp.Table) if table.db}
    seen = translate.result(query, columns)
    relation = Relation(schema, name, {old.lower(): seen[new.lower()] for old, new in folded.items()})
    return Statement("view", name, name, sql), Part("view", name, name, sql, tuple(sorted(reads))), relation
