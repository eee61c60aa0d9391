"""Every way in which moving to PostgreSQL has gone wrong for people is an acceptance case: notes 1 to 30."""

from __future__ import annotations

import ast
import re
from pathlib import Path

POSTGRES = Path(__file__).parents[1] / "postgres"
NOTES = set(range(1, 31))


def test_every_field_note_has_a_test_named_after_it():
    found = set()
    for path in POSTGRES.glob("test_field_notes_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and (named := re.match(r"test_note_(\d+)_", node.name)):
                found.add(int(named[1]))
    assert found == NOTES
