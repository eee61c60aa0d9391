"""The front door does not pull away what cron stands on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clean(tmp_path):
    """Return a function that runs ``make clean`` in a checkout with a virtual environment, beside a folder of cron."""
    checkout = tmp_path / "checkout"
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".ruff_cache").mkdir()
    (tmp_path / "cron.d").mkdir()
    shutil.copy(ROOT / "Makefile", checkout)

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "clean", f"CRON={tmp_path / 'cron.d'}"], cwd=checkout, text=True, capture_output=True
        )

    return run


def schedule(tmp_path: Path, name: str, checkout: str) -> None:
    command = tmp_path / checkout / ".venv" / "bin" / "howdah"
    (tmp_path / "cron.d" / name).write_text(f"0 1 * * * root {command} backup\n")


def test_clean_removes_the_virtual_environment_and_the_caches(clean, tmp_path):
    assert clean().returncode == 0
    assert [path.name for path in (tmp_path / "checkout").iterdir()] == ["Makefile"]


def test_clean_is_refused_while_cron_takes_backups_with_it(clean, tmp_path):
    schedule(tmp_path, "howdah-local", "checkout")
    done = clean()
    assert done.returncode != 0
    assert f"make clean: {tmp_path}/cron.d/howdah-local takes backups with {tmp_path}/checkout/.venv" in done.stderr
    assert "make down" in done.stderr
    assert (tmp_path / "checkout" / ".venv" / "bin").is_dir()
    assert (tmp_path / "checkout" / ".ruff_cache").is_dir()


def test_the_environment_of_another_checkout_is_no_reason(clean, tmp_path):
    schedule(tmp_path, "howdah-local", "elsewhere")
    assert clean().returncode == 0
