"""A key that was not seen to open the repository does not stay in the configuration."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

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
    def answer(_instance, _number, configuration):
        assert "of-the-copy" in (etc / "backup" / configuration).read_text()
        assert (etc / "backup" / "pgbackrest.conf").read_text() == BEFORE
        raise met

    monkeypatch.setattr(backup, "list_backups", answer)
    with pytest.raises(raised):
        key.restore(instance, tmp_path / "copy")
    assert (etc / "backup" / "pgbackrest.conf").read_text() == BEFORE
    assert (escrow.key_in_use(etc / "secrets"), escrow.receipt(etc / "backup")) == ("", None)
    assert [path.name for path in (etc / "backup").iterdir()] == ["pgbackrest.conf"]


def test_a_key_that_opens_the_repository_stays(instance, etc, tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "list_backups", lambda *_: [])
    key.restore(instance, tmp_path / "copy")
    assert "=of-the-copy\n" in (etc / "backup" / "pgbackrest.conf").read_text()
    assert escrow.key_in_use(etc / "secrets") == "of-the-copy"


AFTER = BEFORE.replace("in-use", "of-the-copy")


def killed_at(moment: int, restore: Callable[[], object]) -> bool:
    """Restore in a process that is killed right before it changes a name for the nth time; whether it was."""
    child = os.fork()
    if not child:
        left = iter(range(moment))

        def watch(event: str, _: object) -> None:
            if event in ("os.rename", "os.remove") and next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        with suppress(HowdahError):
            restore()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("opens", [True, False])
def test_killed_at_any_moment_no_key_is_in_use_that_was_not_proven(instance, etc, tmp_path, monkeypatch, opens):
    def answer(_instance, _number, configuration):
        if not opens or (etc / "backup" / configuration).read_text() != AFTER:
            raise BackupFailed("Wrong key.")
        return []

    monkeypatch.setattr(backup, "list_backups", answer)
    used, moment = etc / "backup" / "pgbackrest.conf", 0
    while killed_at(moment, lambda: key.restore(instance, tmp_path / "copy")):
        assert used.read_text() in ((BEFORE, AFTER) if opens else (BEFORE,))
        assert escrow.key_in_use(etc / "secrets") in (("", "of-the-copy") if opens else ("",))
        if used.read_text() == AFTER:
            assert escrow.key_in_use(etc / "secrets") == "of-the-copy", "site.yml would write another one again"
        moment += 1
    assert moment >= (4 if opens else 2)
    assert (used.read_text() == AFTER) is opens
    assert (etc / "backup" / "escrow.json").exists() is opens
    assert not (etc / "backup" / "pgbackrest-tried.conf").exists()
