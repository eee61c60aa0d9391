"""Column affinity of SQLite: what a column makes of the values that are put into it."""

from __future__ import annotations

from typing import Literal

Affinity = Literal["TEXT", "NUMERIC", "INTEGER", "REAL", "BLOB"]


def affinity(declared: str, strict: bool = False) -> Affinity:
    """Return the affinity of a column by its declared type.

    The rules: https://sqlite.org/datatype3.html#determination_of_column_affinity

    :param strict: the table is STRICT, where ``ANY`` leaves every value as it is.

    >>> [affinity(d) for d in ("VARCHAR(10)", "BOOLEAN", "FLOATING POINT", "double", "", "datetime")]
    ['TEXT', 'NUMERIC', 'INTEGER', 'REAL', 'BLOB', 'NUMERIC']
    """
    word = declared.upper()
    if strict and word == "ANY":
        return "BLOB"
    if "INT" in word:
        return "INTEGER"
    if any(part in word for part in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if not word or "BLOB" in word:
        return "BLOB"
    if any(part in word for part in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"
