"""SQL of SQLite as SQL of PostgreSQL, where both certainly mean the same.

A translation is typed: each part is known by what the migrated column *holds* (:class:`Kind`), and only operators and
functions whose meaning on those kinds is the same are let through. Everything else raises
:class:`UntranslatableError` with a sentence that says what stood in the way; the caller reports the original SQL.
"""

from howdah.translate.columns import Column, column
from howdah.translate.kinds import Kind, UntranslatableError, Value
from howdah.translate.query import Query, Relation, view
from howdah.translate.query import columns_of as result
from howdah.translate.table import TableScope, check, default, formula, key_column, key_part, predicate

__all__ = [
    "Column",
    "Kind",
    "Query",
    "Relation",
    "TableScope",
    "UntranslatableError",
    "Value",
    "check",
    "column",
    "default",
    "formula",
    "key_column",
    "key_part",
    "predicate",
    "result",
    "view",
]
