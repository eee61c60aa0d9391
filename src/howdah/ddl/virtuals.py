"""What is to be said of virtual tables, and the index that PostgreSQL would have in the place of theirs."""

from __future__ import annotations

from howdah.catalog.model import SourceVirtual
from howdah.catalog.virtual import FULL_TEXT, TREES
from howdah.ddl.values import Draft
from howdah.findings import Finding
from howdah.pg import qualified, quoted
from howdah.plan import Inspected

# An R-tree of two dimensions: its key and two pairs of coordinates.
_PLANE = 5


def findings(source: Inspected, drafts: list[Draft]) -> list[Finding]:
    """Return what became of each virtual table of a source, and of the shadow tables of all."""
    own = {draft.table.name.lower(): draft for draft in drafts if draft.source.name == source.name}
    result = []
    for virtual in source.catalog.virtuals:
        code, message = _fate(virtual, own)
        result.append(Finding("warning", code, message, source.name, virtual.name, sql=virtual.sql))
        draft = own.get((virtual.content or virtual.name).lower())
        offer = _offer(virtual, draft) if draft else ""
        if offer:
            said = f"The report has the SQL of an index that serves searches of {virtual.name} in PostgreSQL."
            result.append(Finding("info", "index_offered", said, source.name, virtual.name, sql=offer))
    shadows = [shadow for virtual in source.catalog.virtuals for shadow in virtual.shadows]
    if shadows:
        said = f"Shadow tables hold indexes of virtual tables and do not move: {', '.join(shadows)}."
        result.append(Finding("info", "shadow_tables_skipped", said, source.name))
    return result


def _fate(virtual: SourceVirtual, own: dict[str, Draft]) -> tuple[str, str]:
    kind = f"The {virtual.module} table {virtual.name}"
    if virtual.name.lower() in own:
        return "virtual_table_moved", f"{kind} moves as an ordinary table, without its way of searching."
    if virtual.problem:
        return "virtual_table_not_moved", f"The virtual table {virtual.name} cannot be read: {virtual.problem}."
    if virtual.module in FULL_TEXT and virtual.content == "":
        return "virtual_table_not_moved", f"{kind} keeps an index and no text (content=''), so it does not move."
    if virtual.module in FULL_TEXT and virtual.content is not None:
        return "virtual_table_not_moved", f"{kind} is an index of {virtual.content}, whose rows move by themselves."
    return "virtual_table_not_moved", f"{kind} does not move; its SQL is in the report."


def _offer(virtual: SourceVirtual, draft: Draft) -> str:
    """Return the CREATE INDEX that searches the moved rows as the virtual table did, or nothing."""
    names = {column.lower(): name for column, name in draft.names.items()}
    columns = [quoted(names[name.lower()]) for name in virtual.searched if name.lower() in names]
    if virtual.module in FULL_TEXT and columns:
        words = " || ' ' || ".join(f"coalesce({column}::text, '')" for column in columns)
        language = "english" if virtual.stems else "simple"
        method = f"gin (to_tsvector('{language}', {words}))"
    elif virtual.module in TREES and len(columns) >= _PLANE:
        _, west, east, south, north = columns[:_PLANE]
        method = f"gist (box(point({west}, {south}), point({east}, {north})))"
    else:
        return ""
    return f"CREATE INDEX ON {qualified(draft.target.schema, draft.target.name)} USING {method}"
