"""The repository's key: made once, never exchanged unseen, and the receipt of the operator's copy."""

from __future__ import annotations

import pytest

from howdah import escrow


@pytest.fixture
def folders(tmp_path):
    for name in ("secrets", "backup"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def settle(run, folders):
    def call(**more):
        check = more.pop("check", False)
        given = {"secrets_dir": str(folders / "secrets"), "config_dir": str(folders / "backup"), **more}
        return run("howdah_repository_key", check=check, **given)

    return call


def kept(folders):
    return escrow.key_in_use(folders / "secrets")


def test_a_key_is_made_once_and_never_shown(settle, folders):
    made = settle()
    assert (made["changed"], made["escrowed"]) == (True, False)
    assert made["fingerprint"] == escrow.fingerprint(kept(folders))
    assert (folders / "secrets" / escrow.SECRET).stat().st_mode & 0o777 == 0o600
    again = settle()
    assert (again["changed"], again["fingerprint"]) == (False, made["fingerprint"])
    assert kept(folders) not in made["printed"] + again["printed"]


def test_a_receipt_says_of_which_key_the_operator_has_a_copy(settle, folders):
    settle()
    assert "Nobody but this host" in escrow.doubt(folders / "secrets", folders / "backup")
    given = settle(copied_to="/safe/key")
    assert (given["changed"], given["escrowed"]) == (True, True)
    receipt = folders / "backup" / "escrow.json"
    assert receipt.stat().st_mode & 0o777 == 0o600
    assert kept(folders) not in receipt.read_text()
    assert escrow.receipt(folders / "backup").copy == "/safe/key"
    assert escrow.doubt(folders / "secrets", folders / "backup") == ""
    assert settle()["changed"] is False


@pytest.mark.parametrize("how", ["the vault", "the file"])
def test_another_key_than_the_operators_is_refused_and_nothing_changes(settle, folders, how):
    settle(copied_to="/safe/key")
    right = kept(folders)
    if how == "the file":
        (folders / "secrets" / escrow.SECRET).write_text("another-key\n")
    refused = settle(passphrase="another-key" if how == "the vault" else "")
    assert refused["failed"]
    assert f"has {escrow.fingerprint(right)}" in refused["msg"]
    assert "/safe/key" in refused["msg"]
    assert right not in refused["printed"]
    assert kept(folders) == (right if how == "the vault" else "another-key")
    if how == "the file":
        assert "not of the key in use" in escrow.doubt(folders / "secrets", folders / "backup")


def test_a_lost_key_is_said_and_no_new_one_made(settle, folders):
    settle(copied_to="/safe/key")
    (folders / "secrets" / escrow.SECRET).unlink()
    refused = settle()
    assert refused["failed"]
    assert "key is lost" in refused["msg"]
    assert "docs/runbooks/key.md" in refused["msg"]
    assert kept(folders) == ""
    assert "not among the secrets" in escrow.doubt(folders / "secrets", folders / "backup")


def test_a_given_key_becomes_the_key(settle, folders):
    assert settle(passphrase="of-the-vault", check=True)["changed"] is True
    assert kept(folders) == ""
    assert settle(passphrase="of-the-vault")["changed"] is True
    assert kept(folders) == "of-the-vault"
    assert settle(passphrase="of-the-vault")["changed"] is False


def test_another_key_than_the_one_in_use_is_refused_though_nobody_has_a_copy(settle, folders):
    settle()
    used = kept(folders)
    for check in (True, False):
        refused = settle(passphrase="of-the-vault", check=check)
        assert refused["failed"]
        assert f"has {escrow.fingerprint(used)}" in refused["msg"]
        assert "docs/runbooks/key.md" in refused["msg"]
        assert kept(folders) == used
        assert used not in refused["printed"]


def test_a_copy_in_the_vault_does_not_replace_another_key_that_is_there(settle, folders):
    """Renewed and killed before the receipt was: the file is the only one that reads the new backups."""
    settle(passphrase="of-the-vault", copied_to="/safe/key")
    (folders / "secrets" / escrow.SECRET).write_text("renewed\n")
    assert settle(passphrase="of-the-vault")["failed"]
    assert kept(folders) == "renewed"


def test_a_key_that_the_configuration_would_change_is_refused(settle, folders):
    refused = settle(passphrase="two words")
    assert refused["failed"]
    assert "letters, digits" in refused["msg"]
    assert "two words" not in refused["printed"]
    assert kept(folders) == ""
