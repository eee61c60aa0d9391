"""playbooks/sample.yml: whole sources or none, and only where they are for trying things out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sample(tmp_path):
    """Return a function that runs the playbook for a folder of sources, with the options of ``-e``."""
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    said = {
        "howdah_environment": "nowhere",
        "howdah_runtime_mode": "checkout",
        "howdah_applications": [{"name": "dadm", "sources": f"{tmp_path}/sample/dadm/"}],
        "migration_sample_rows": 50,
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"howdah": {"hosts": {"localhost": host}}}))
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "howdah.yml").write_text(yaml.safe_dump(said))
    environment = {"ANSIBLE_HOME": str(tmp_path / "ansible"), "ANSIBLE_BECOME": "false", "ANSIBLE_NOCOLOR": "1"}

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "-i", tmp_path / "hosts.yml",
             ROOT / "playbooks" / "sample.yml", *options],
            cwd=ROOT,
            env={**os.environ, **environment},
            text=True,
            capture_output=True,
        )  # fmt: skip

    return run


def sources(tmp_path: Path) -> set[str]:
    return {str(path.relative_to(tmp_path)) for path in (tmp_path / "sample").rglob("*") if path.is_file()}


WHOLE = {
    "sample/dadm/data/analysis_storage/analysis_data.db",
    "sample/dadm/data/prompts.db",
    "sample/dadm/data/governance/governance.db",
}


def test_an_interrupted_generation_is_started_again_and_sources_that_are_there_are_kept(sample, tmp_path):
    # A generator that is cut off after its first file.
    generator = tmp_path / "applications" / "dadm" / "sample.py"
    generator.parent.mkdir(parents=True)
    generator.write_text(
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[1]) / 'data'\n"
        "folder.mkdir(parents=True)\n"
        "(folder / 'half.db').touch()\n"
        "sys.exit(1)\n"
    )
    assert sample("-e", f"migration_applications_dir={tmp_path}/applications").returncode != 0
    assert not (tmp_path / "sample" / "dadm").exists()

    done = sample()
    assert done.returncode == 0, done.stdout + done.stderr
    assert sources(tmp_path) == WHOLE

    (tmp_path / "sample" / "dadm" / "data" / "prompts.db").unlink()
    again = sample()
    assert "changed=0" in again.stdout, again.stdout
    assert len(sources(tmp_path)) == 2


def test_it_is_refused_where_the_checkout_is_not_the_engine(sample, tmp_path):
    done = sample("-e", "howdah_runtime_mode=venv")
    assert done.returncode != 0
    assert "Sample sources are written only where the checkout itself is the engine" in " ".join(done.stdout.split())
    assert not (tmp_path / "sample").exists()


def test_check_mode_says_that_they_would_be_written(sample, tmp_path):
    done = sample("--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" not in done.stdout
    assert not (tmp_path / "sample").exists()
