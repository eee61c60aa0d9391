"""Roles: described as they are, with names of their own, and without a blind eye."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
TYPES = {"str": str, "path": str, "int": int, "bool": bool, "list": list, "dict": dict}
# Files of a role that Ansible reads; what an image is built from is none of them.
READ = ("defaults", "vars", "tasks", "handlers", "templates", "meta")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def role(name: str, file: str) -> Any:
    return read(ROOT / "roles" / name / file) or {}


def specs(name: str) -> dict[str, Any]:
    return role(name, "meta/argument_specs.yml")["argument_specs"]


def tasks(name: str) -> list[dict[str, Any]]:
    """Every task of a role, those of blocks included."""
    found: list[dict[str, Any]] = []
    waiting = [task for file in sorted((ROOT / "roles" / name / "tasks").glob("*.yml")) for task in read(file) or []]
    while waiting:
        task = waiting.pop(0)
        found.append(task)
        waiting += [inner for key in ("block", "rescue", "always") for inner in task.get(key, ())]
    return found


def own_names(name: str) -> set[str]:
    """Names of the variables that a role brings."""
    registered = {task["register"] for task in tasks(name) if "register" in task}
    loops = {task["loop_control"]["loop_var"] for task in tasks(name) if "loop_var" in task.get("loop_control", {})}
    return {*role(name, "defaults/main.yml"), *role(name, "vars/main.yml"), *registered, *loops}


@pytest.mark.parametrize("name", ROLES)
def test_defaults_are_those_of_the_argument_specs(name):
    described = {key: option.get("default") for key, option in specs(name)["main"]["options"].items()}
    assert role(name, "defaults/main.yml") == described


@pytest.mark.parametrize("name", ROLES)
def test_every_entry_point_takes_the_same_options(name):
    main = specs(name)["main"]["options"]
    for entry, described in specs(name).items():
        assert described["options"] == main, entry


@pytest.mark.parametrize("name", ROLES)
def test_every_option_is_described_and_its_default_has_its_type(name):
    for option, described in specs(name)["main"]["options"].items():
        assert described["description"], option
        default = described["default"]
        if isinstance(default, bool):
            assert described["type"] == "bool", option
        assert isinstance(default, TYPES[described["type"]]), option
        assert default in described.get("choices", [default]), option


@pytest.mark.parametrize("name", ROLES)
def test_every_entry_point_is_a_file_of_tasks(name):
    for entry, described in specs(name).items():
        assert described["short_description"]
        assert (ROOT / "roles" / name / "tasks" / f"{entry}.yml").is_file(), entry


@pytest.mark.parametrize("name", ROLES)
def test_public_variables_have_the_roles_prefix(name):
    assert all(key.startswith(f"{name}_") for key in role(name, "defaults/main.yml"))


@pytest.mark.parametrize("name", ROLES)
def test_internal_variables_have_the_roles_prefix_behind_one_underscore(name):
    assert all(key.startswith(f"_{name}_") for key in role(name, "vars/main.yml"))


@pytest.mark.parametrize("name", ROLES)
def test_registered_variables_have_the_roles_prefix_behind_two_underscores(name):
    registered = {task["register"] for task in tasks(name) if "register" in task}
    assert all(key.startswith(f"__{name}_") for key in registered)


@pytest.mark.parametrize("name", ROLES)
def test_facts_and_includes_bring_no_variable_of_another_name(name):
    for task in tasks(name):
        facts = task.get("ansible.builtin.set_fact", {})
        assert all(key.lstrip("_").startswith(f"{name}_") or key == "ansible_python_interpreter" for key in facts)
        assert all(key.startswith("__") for key in task.get("vars", {})), task["name"]


def files_of(name: str) -> list[Path]:
    return [file for folder in READ for file in sorted((ROOT / "roles" / name / folder).rglob("*")) if file.is_file()]


@pytest.mark.parametrize("name", ROLES)
def test_a_role_mentions_no_variable_of_another_role(name):
    foreign = {variable for other in ROLES if other != name for variable in own_names(other)}
    for file in files_of(name):
        words = set(re.findall(r"[A-Za-z_]\w*", file.read_text(encoding="utf-8")))
        assert not words & foreign, file.relative_to(ROOT)


def evaluated(value: Any, key: str = "") -> str:
    """Text that Ansible evaluates: of sentences for people only the expressions in them."""
    if isinstance(value, dict):
        return "\n".join(evaluated(inner, str(name)) for name, inner in value.items())
    if isinstance(value, list):
        return "\n".join(evaluated(inner, key) for inner in value)
    if key in ("msg", "fail_msg", "else", "name", "description", "short_description"):
        return "\n".join(re.findall(r"{{.*?}}|{%.*?%}", str(value), re.DOTALL))
    return str(value)


@pytest.mark.parametrize("name", ROLES)
def test_a_role_uses_no_variable_of_the_inventory(name):
    wiring = {key for file in (ROOT / "playbooks" / "group_vars" / "all").glob("*.yml") for key in read(file)}
    filters = set(re.findall(r'"(howdah_\w+)":', (ROOT / "plugins" / "filter" / "howdah.py").read_text()))
    foreign = (wiring - own_names(name) - filters) | {"howdah_environment"}
    assert "howdah_config_dir" in foreign
    for file in files_of(name):
        text = evaluated(read(file)) if file.suffix == ".yml" else file.read_text(encoding="utf-8")
        assert not set(re.findall(r"[A-Za-z_]\w*", text)) & foreign, file.relative_to(ROOT)


@pytest.mark.parametrize("name", ROLES)
def test_every_variable_of_a_role_is_used_by_it(name):
    texts = {
        file: file.read_text(encoding="utf-8")
        for folder in ("defaults", "vars", "tasks", "handlers", "templates")
        for file in (ROOT / "roles" / name / folder).rglob("*")
        if file.is_file()
    }
    shared = "".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "templates").glob("*.j2")))
    everything = "\n".join([*texts.values(), shared])
    for variable in {*role(name, "defaults/main.yml"), *role(name, "vars/main.yml")}:
        assert len(re.findall(rf"\b{variable}\b", everything)) >= 2, f"{variable} is only defined"


@pytest.mark.parametrize("name", ROLES)
def test_every_task_has_a_name_and_that_of_its_file_before_it(name):
    included = {"main", "provision", *specs(name)}
    for file in sorted((ROOT / "roles" / name / "tasks").glob("*.yml")):
        for task in read(file):
            assert task.get("name"), file
            assert file.stem in included or task["name"].startswith(f"{file.stem} | "), task["name"]


@pytest.mark.parametrize("name", ROLES)
def test_every_command_says_when_it_changed_something(name):
    commands = {"ansible.builtin.command", "ansible.builtin.shell", "ansible.builtin.raw"}
    for task in tasks(name):
        if used := commands & set(task):
            arguments = task[used.pop()]
            creates = isinstance(arguments, dict) and "creates" in arguments
            assert creates or "changed_when" in task, task["name"]


FILES = sorted(
    file for folder in ("roles", "playbooks", "molecule") for file in (ROOT / folder).rglob("*.y*ml") if file.is_file()
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_failure_is_ignored(file):
    def look(value: Any) -> None:
        if isinstance(value, dict):
            assert "ignore_errors" not in value
            assert "ignore_unreachable" not in value
            assert value.get("failed_when", True) not in (False, "false", "no", [], [False])
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(read(file))
