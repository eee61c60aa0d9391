"""Collections: one list, the same wherever it is written, and the versions that the project's environment has."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path

import ansible
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
REQUIRED = {
    entry["name"]: entry["version"]
    for entry in yaml.safe_load((ROOT / "requirements.yml").read_text(encoding="utf-8"))["collections"]
}
INSTALLED = Path(ansible.__file__).parents[1] / "ansible_collections"


def galaxy() -> dict[str, str]:
    return yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_version_is_the_installed_one(name):
    manifest = json.loads((INSTALLED.joinpath(*name.split(".")) / "MANIFEST.json").read_text(encoding="utf-8"))
    assert REQUIRED[name] == manifest["collection_info"]["version"]


def test_galaxy_depends_on_the_same_collections():
    assert set(galaxy()) == set(REQUIRED)


@pytest.mark.parametrize("name", REQUIRED)
def test_galaxy_takes_the_required_version_and_none_before_it(name):
    assert galaxy()[name] == f">={REQUIRED[name]}"
    assert SpecifierSet(galaxy()[name]).contains(REQUIRED[name])


def test_the_collections_that_tasks_use_are_the_required_ones():
    used = set()
    for folder in ("roles", "playbooks", "molecule"):
        for file in (ROOT / folder).rglob("*.yml"):
            used |= set(re.findall(r"^\s*(?:- )?(\w+\.\w+)\.\w+:", file.read_text(encoding="utf-8"), re.MULTILINE))
    used -= {"ansible.builtin"}
    assert used == set(REQUIRED)


def test_the_installed_ansible_is_one_that_the_project_takes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (taken,) = (Requirement(text) for text in project["optional-dependencies"]["controller"] if "ansible" in text)
    assert taken.specifier.contains(metadata.version("ansible"))


def test_the_collection_and_the_engine_have_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    collection = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert collection["version"] == project["version"]


def test_hosts_compile_the_engine_with_what_the_bootstrap_compiles_it_with():
    bootstrap = (ROOT / "bin/bootstrap").read_text(encoding="utf-8")
    role = yaml.safe_load((ROOT / "roles/howdah_runtime/vars/main.yml").read_text(encoding="utf-8"))
    (libraries,) = re.findall(r'^libraries="(.+)"$', bootstrap, re.MULTILINE)
    assert role["_howdah_runtime_compiler"] == libraries.split()
