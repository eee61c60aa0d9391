"""The role gives the operator a copy of the repository's key, by Ansible itself, and shows it nowhere."""

from __future__ import annotations

import base64
from functools import partial

import pytest

from howdah import escrow
from tests import plays


@pytest.fixture
def play(tmp_path):
    for name in ("secrets", "backup"):
        (tmp_path / name).mkdir()
    return partial(
        plays.run, tmp_path, "backup", "key", "--diff",
        backup_secrets_dir=str(tmp_path / "secrets"),
        backup_config_dir=str(tmp_path / "backup"),
        backup_escrow_dir=str(tmp_path / "keys"),
    )  # fmt: skip


def test_the_operator_gets_a_copy_once_and_it_is_shown_nowhere(play, tmp_path):
    first = play("-vvvv")
    assert first.returncode == 0, first.stdout
    (copy,) = (tmp_path / "keys").iterdir()
    key = escrow.key_in_use(tmp_path / "secrets")
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == (f"{key}\n", 0o600)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert copy.name == f"howdah-{escrow.fingerprint(key)}.key"
    said = " ".join(first.stdout.split())
    assert f"is in {copy} on the controller" in said
    assert "Next: store it elsewhere" in said
    for shown in (key, base64.b64encode(f"{key}\n".encode()).decode()):
        assert shown not in first.stdout + first.stderr

    again = play()
    assert "changed=0" in again.stdout, again.stdout
    assert "store it elsewhere" not in again.stdout

    copy.write_text("another key\n")
    refused = play()
    assert refused.returncode != 0
    assert f"{copy} on the controller is not the key of the repository" in " ".join(refused.stdout.split())
    copy.unlink()
    assert "changed=0" in play().stdout, "a copy that was moved to a safe place is not made again"
