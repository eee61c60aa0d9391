"""What is read from the text of CREATE statements."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howdah.catalog import sqlite, statements
from howdah.catalog.model import SourceCheck


def test_checks_formulas_and_collations_are_found_wherever_they_stand():
    found = statements.table(
        """CREATE TABLE "CHECK" ("a,b" VARCHAR(10) COLLATE [nocase] CHECK ("a,b" <> 'x)') -- CHECK (no)
           , CONSTRAINT_ INT DEFAULT (1) CONSTRAINT 'Pos' CHECK (CONSTRAINT_ > (0)),
           c GENERATED ALWAYS AS (CONSTRAINT_ + 1) STORED, d TEXT AS ('CHECK (1)') /* CHECK (2) */,
           CHECK (c > 0) CHECK(d <> ')'), UNIQUE (d COLLATE RTRIM)) WITHOUT ROWID""",
        4,
    )
    assert found.checks == (
        SourceCheck("", """"a,b" <> 'x)'"""),
        SourceCheck("Pos", "CONSTRAINT_ > (0)"),
        SourceCheck("", "c > 0"),
        SourceCheck("", "d <> ')'"),
    )
    assert found.expressions == {2: "CONSTRAINT_ + 1", 3: "'CHECK (1)'"}
    assert found.collations == {0: "NOCASE"}


def test_a_column_may_be_called_like_a_keyword():
    found = statements.table('CREATE TABLE t ("check" INT, "collate" TEXT, "as" INT)', 3)
    assert (found.checks, found.expressions, found.collations) == ((), {}, {})


def test_the_parts_of_an_index_are_cut_at_its_own_commas():
    found = statements.index(
        "CREATE INDEX IF NOT EXISTS i ON [a (b] (coalesce(x, ','), y COLLATE NOCASE ASC) WHERE z = 'WHERE'"
    )
    assert found == (("coalesce(x, ',')", "y"), "z = 'WHERE'")


def test_text_that_cannot_be_split_is_no_crash(make_source):
    with pytest.raises(statements.UnreadableError):
        statements.table("CREATE TABLE t (a TEXT CHECK (a <> 'x)", 1)
    path = make_source("CREATE TABLE t (a TEXT CHECK (a <> 'x'))")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute("UPDATE sqlite_master SET sql = CAST(replace(sql, 'x', CAST(x'ff' AS TEXT)) AS TEXT)")
    assert sqlite.read(path).tables[0].name == "t"


_NAMES = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(names=st.lists(_NAMES, min_size=1, max_size=4, unique_by=str.lower), literal=_NAMES)
def test_any_names_and_strings_keep_the_pieces_apart(names, literal):
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    text = "'" + literal.replace("'", "''") + "'"
    columns = ", ".join(f"{name} TEXT CHECK ({name} <> {text})" for name in quoted)
    found = statements.table(f"CREATE TABLE t ({columns})", len(names))
    assert [check.expression for check in found.checks] == [f"{name} <> {text}" for name in quoted]
