"""Plugins, loaded by path, and modules, run as Ansible runs them: a program with a file of arguments."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PLUGINS = Path(__file__).parents[3] / "plugins"

Run = Callable[..., dict[str, Any]]


def load(path: Path) -> ModuleType:
    """Return a plugin as a Python module."""
    spec = importlib.util.spec_from_file_location(f"plugin_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def filters() -> dict[str, Callable[..., Any]]:
    return load(PLUGINS / "filter" / "howdah.py").FilterModule().filters()


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a function that runs a module and returns its answer, with everything it printed as ``printed``."""

    def run_module(name: str, *, check: bool = False, env: dict[str, str] | None = None, **arguments: Any) -> Any:
        given = {**arguments, "_ansible_check_mode": check, "_ansible_diff": True}
        file = tmp_path_factory.mktemp("arguments") / "arguments.json"
        file.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}))
        done = subprocess.run(
            [sys.executable, PLUGINS / "modules" / f"{name}.py", file],
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
        )
        assert done.stdout, done.stderr
        answer = json.loads(done.stdout)
        assert bool(done.returncode) == answer.get("failed", False), done.stderr
        return {**answer, "printed": done.stdout + done.stderr}

    return run_module


@pytest.fixture
def mine() -> dict[str, str]:
    """Owner and group of files that who runs the tests may have."""
    return {"owner": str(os.getuid()), "group": str(os.getgid())}
