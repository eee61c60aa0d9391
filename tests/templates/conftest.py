"""Templates, rendered as Ansible renders them: its own lookup, a role's defaults and internal variables."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, init_plugin_loader, lookup_loader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).parents[2]
# What roles learn from the host before they render.
HOST = {"memory_mb": 24000, "cpus": 4, "containers": {}, "images": {}, "exists": {}, "engine": {"answers": True}}

Render = Callable[..., str]


@pytest.fixture(scope="session")
def loader() -> DataLoader:
    init_plugin_loader([])
    filter_loader.add_directory(str(ROOT / "plugins" / "filter"))
    return DataLoader()


@pytest.fixture
def render(loader: DataLoader) -> Render:
    """Return a function: template's path in the checkout, and what the inventory says, to the rendered text."""

    def rendered(template: str, **said: Any) -> str:
        path = ROOT / template
        parts = Path(template).parts
        variables: dict[str, Any] = {}
        if parts[0] == "roles":
            variables["role_path"] = str(ROOT / "roles" / parts[1])
            variables[f"__{parts[1]}_host"] = HOST
            for file in ("defaults", "vars"):
                variables |= loader.load_from_file(
                    str(ROOT / "roles" / parts[1] / file / "main.yml"), trusted_as_template=True
                )
        variables |= said
        templar = Templar(loader, variables=variables)
        lookup = lookup_loader.get("ansible.builtin.template", loader=loader, templar=templar)
        return str(lookup.run([str(path)], variables=variables)[0])

    return rendered


@pytest.fixture
def wired(loader: DataLoader) -> Callable[..., Any]:
    """Return a function: an environment, an expression over its variables, and what else is said, to the value."""

    def value(environment: str, expression: str, **said: Any) -> Any:
        variables: dict[str, Any] = {"ansible_playbook_python": sys.executable}
        for file in sorted((ROOT / "playbooks" / "group_vars" / "all").glob("*.yml")):
            variables |= loader.load_from_file(str(file), trusted_as_template=True)
        inventory = ROOT / "inventories" / environment / "group_vars" / "howdah" / "main.yml"
        variables |= loader.load_from_file(str(inventory), trusted_as_template=True) | said
        return Templar(loader, variables=variables).template(trust_as_template(f"{{{{ {expression} }}}}"))

    return value


def lines(text: str) -> list[str]:
    """Return what is neither empty nor a comment."""
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", ";"))]


def environments() -> list[str]:
    return sorted(path.name for path in (ROOT / "inventories").iterdir() if path.is_dir())


def defaults(role: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
