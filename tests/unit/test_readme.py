"""What README.md shows is true."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from howdah import errors
from howdah.application import load

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_application_in_ten_lines_is_a_valid_one(tmp_path: Path) -> None:
    text = re.findall(r"```yaml\n(.*?)```", README, re.S)[0]
    assert len(text.splitlines()) <= 10
    (tmp_path / "application.yml").write_text(text)
    assert load(tmp_path).name == yaml.safe_load(text)["name"] == "shop"


def test_every_exit_code_of_the_engine_is_listed() -> None:
    told = {int(code) for code in re.findall(r"\b(\d+) [a-z]", README.split("Exit codes:")[1].split("\n\n")[0])}
    real = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    assert told == real | {0}


def test_every_playbook_that_is_named_exists() -> None:
    named = set(re.findall(r"playbooks/(\w+)\.yml", README))
    assert {"site", "plan", "migrate", "verify", "backup", "status", "down"} <= named
    assert [name for name in named if not (ROOT / "playbooks" / f"{name}.yml").exists()] == []


def test_every_file_that_is_linked_exists() -> None:
    for document in (ROOT / "README.md", *ROOT.glob("docs/**/*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            assert link.startswith("https://") or (document.parent / link).exists(), f"{document}: {link}"


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"`make ([a-z]+)", README)) | set(re.findall(r"^make ([a-z]+)", README, re.M))
    assert {"up", "test", "down"} <= named
    assert named <= targets
