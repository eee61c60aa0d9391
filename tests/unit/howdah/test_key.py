"""A key that was not seen to open the repository does not stay in the configuration."""

from __future__ import annotations

import pytest

from howdah import backup, escrow, key
from howdah import instance as instances
from howdah.backup import BackupFailed
from howdah.errors import HowdahError, RepositoryUnreadable
from howdah.stopping import Stopped

BEFORE = "[global]\nrepo1-cipher-pass=in-use\n"


@pytest.fixture
def etc(tmp_path, monkeypatch):
    monkeypatch.setattr(instances, "CONFIGURATION", tmp_path / "etc")
    for name in ("backup", "secrets"):
        (tmp_path / "etc" / "test" / name).mkdir(parents=True)
    (tmp_path / "etc" / "test" / "backup" / "pgbackrest.conf").write_text(BEFORE)
    (tmp_path / "copy").write_text("of-the-copy\n")
    return tmp_path / "etc" / "test"


@pytest.mark.parametrize(
    ("met", "raised"),
    [
        (BackupFailed("Wrong key."), RepositoryUnreadable),
        (HowdahError("The container is exited, not running."), HowdahError),
        (Stopped("SIGTERM"), Stopped),
    ],
    ids=["a wrong key", "a stopped server", "SIGTERM"],
)
def test_a_key_that_did_not_open_the_repository_is_taken_out_again(instance, etc, tmp_path, monkeypatch, met, raised):
    def answer(*_):
        assert "of-the-copy" in (etc / "backup" / "pgbackrest.conf").read_text()
        raise met

    monkeypatch.setattr(backup, "list_backups", answer)
    with pytest.raises(raised):
        key.restore(instance, tmp_path / "copy")
    assert (etc / "backup" / "pgbackrest.conf").read_text() == BEFORE
    assert (escrow.key_in_use(etc / "secrets"), escrow.receipt(etc / "backup")) == ("", None)


def test_a_key_that_opens_the_repository_stays(instance, etc, tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "list_backups", lambda *_: [])
    key.restore(instance, tmp_path / "copy")
    assert "=of-the-copy\n" in (etc / "backup" / "pgbackrest.conf").read_text()
    assert escrow.key_in_use(etc / "secrets") == "of-the-copy"
