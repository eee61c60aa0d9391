"""Rules about the engine's own code that reviews should not have to repeat."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import howdah

ROOT = Path(howdah.__file__).parent


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", [*sorted((ROOT / "verify").glob("*.py")), ROOT / "encoding.py"], ids=lambda p: p.stem)
def test_the_verifier_shares_no_cast_with_the_loader(path):
    forbidden = ("howdah.casts", "howdah.rowcast", "howdah.staging", "howdah.load", "howdah.sending", "howdah.typemap")
    forbidden += ("howdah.vector.columns", "howdah.vector.encode", "howdah.vector.moments", "howdah.vector.binary")
    forbidden += ("howdah.vector.fields", "howdah.native.rows")
    assert not [name for name in imports(path) if name.startswith(forbidden)]


def included(name):
    """Return the headers of ours that a compiled module or a header needs, and those that they need."""
    text = (ROOT / "native" / name).read_text()
    direct = {one for one in re.findall(r'(?:#include|cdef extern from) "([a-z]+\.h)"', text) if one != "sqlite3.h"}
    return direct.union(*(included(one) for one in direct))


def test_the_compiled_verifier_shares_no_cast_with_the_compiled_loader():
    # Growing bytes, and what SQLite holds: neither casts anything.
    assert included("sums.pyx") & included("rows.pyx") == {"buffer.h", "source.h"}


@pytest.mark.parametrize("name", ["check", "expect"])
def test_the_comparison_of_an_export_shares_nothing_with_its_writer(name):
    forbidden = ("howdah.casts", "howdah.reverse", "howdah.export.write", "howdah.export.build", "howdah.verify")
    assert not [found for found in imports(ROOT / "export" / f"{name}.py") if found.startswith(forbidden)]


PURE = [
    *(ROOT / f"{name}.py" for name in ("plan", "planning", "typemap", "order", "identifiers", "encoding", "defaults")),
    *(ROOT / f"{name}.py" for name in ("declared", "moments", "planview", "risk", "timekeeping")),
    *sorted(path for package in ("ddl", "translate") for path in (ROOT / package).glob("*.py")),
]


@pytest.mark.parametrize("path", PURE, ids=lambda p: f"{p.parent.name}.{p.stem}")
def test_pure_stages_never_receive_a_connection(path):
    tree = ast.parse(path.read_text())
    arguments = [arg.arg for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for arg in node.args.args]
    assert "connection" not in arguments


@pytest.mark.parametrize("path", [p for p in sorted(ROOT.rglob("*.py")) if "cli" not in p.parts], ids=lambda p: p.stem)
def test_only_the_command_line_prints(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


@pytest.mark.parametrize(
    "name", [m.name for m in pkgutil.walk_packages(howdah.__path__, "howdah.") if "alembic_env" not in m.name]
)
def test_examples_in_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
