"""The key of the repository: lost, put back, replaced, and never the wrong one. Pages are read for what to type."""

from __future__ import annotations

import pytest

from howdah import backup, escrow
from howdah.drill import history
from howdah.status import ask
from tests import pages
from tests.instances.provision import PASSPHRASE, Place, howdah, write_backup_configuration

PAGE = "docs/runbooks/key.md"


@pytest.fixture(scope="module", autouse=True)
def taken(place: Place) -> backup.Backup:
    return backup.take(place.instance)


def files(place: Place) -> tuple[str, ...]:
    config = place.file.parent
    return tuple(
        path.read_text() if path.exists() else ""
        for path in (
            config / "secrets" / escrow.SECRET,
            config / "backup" / "escrow.json",
            config / "backup" / "pgbackrest.conf",
        )
    )


def configured(place: Place, passphrase: str) -> None:
    (place.file.parent / "backup" / "pgbackrest.conf").unlink(missing_ok=True)
    write_backup_configuration(place.file.parent, passphrase)


def test_without_a_copy_elsewhere_backup_and_status_warn(place):
    receipt = place.file.parent / "backup" / "escrow.json"
    before = receipt.read_text()
    receipt.unlink()
    try:
        done = howdah("backup", "--instance", str(place.file))
        assert (done.returncode, "warning: Nobody but this host is known to have" in done.stderr) == (0, True)
        assert any("Nobody but this host" in problem.what for problem in ask.gather(place.instance).problems)
    finally:
        receipt.write_text(before)
    assert howdah("backup", "--instance", str(place.file)).stderr == ""


def test_a_wrong_key_fails_a_backup_before_anything_is_touched(place):
    listed = backup.list_backups(place.instance)
    kept = sorted(path.name for path in place.instance.repository.path.glob("backup/main/*"))
    configured(place, "another passphrase")
    try:
        done = howdah("backup", "--instance", str(place.file))
    finally:
        configured(place, PASSPHRASE)
    assert done.returncode == 1
    assert "The repository is not well" in done.stderr
    assert backup.list_backups(place.instance) == listed
    assert sorted(path.name for path in place.instance.repository.path.glob("backup/main/*")) == kept


def test_a_copy_of_another_key_does_not_become_the_key(place, tmp_path):
    wrong, before = tmp_path / "copy", files(place)
    wrong.write_text("another passphrase\n")
    check = howdah("key", "check", "--instance", str(place.file), str(wrong))
    assert (check.returncode, "is not the key in use" in check.stderr) == (2, True)
    done = howdah("key", "restore", "--instance", str(place.file), str(wrong))
    assert (done.returncode, "does not open the repository" in done.stderr) == (8, True)
    assert files(place) == before
    assert "another passphrase" not in done.stdout + done.stderr + check.stderr


def test_the_page_brings_the_key_back_from_the_copy(place, tmp_path, taken):
    copy = tmp_path / "copy of the key"
    copy.write_text(f"{PASSPHRASE}\n")
    (place.file.parent / "secrets" / escrow.SECRET).unlink()
    configured(place, "lost")
    for command in pages.commands(PAGE, "You have a copy", ENV=str(place.instance.environment), COPY=str(copy)):
        done = pages.run(command)
        assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"
        assert PASSPHRASE not in done.stdout + done.stderr
    assert (place.file.parent / "secrets" / escrow.SECRET).stat().st_mode & 0o777 == 0o600
    assert (place.file.parent / "backup" / "pgbackrest.conf").stat().st_mode & 0o777 == 0o400
    assert history.read(place.instance)[-1].verdict == "proven"
    assert taken.label in [found.label for found in backup.list_backups(place.instance)]


def test_nothing_is_renewed_unless_the_environment_is_named(place, tmp_path):
    before = files(place)
    done = howdah("key", "renew", "--instance", str(place.file), str(tmp_path / "new"))
    assert (done.returncode, "Nothing was changed" in done.stdout) == (2, True)
    taken = howdah(
        "key", "renew", "--instance", str(place.file), "--confirm", place.instance.environment, "/etc/passwd"
    )
    assert (taken.returncode, "cannot be written" in taken.stderr) == (2, True)
    assert files(place) == before


def test_the_page_begins_a_new_repository_when_nobody_has_a_copy(place, tmp_path, taken):
    """Last: the old backups are set aside."""
    (place.file.parent / "secrets" / escrow.SECRET).unlink()
    configured(place, "lost for ever")
    environment, copy = place.instance.environment, tmp_path / "new"
    for command in pages.commands(PAGE, "Nobody has a copy", ENV=environment, NEW_COPY=str(copy)):
        done = pages.run(command)
        assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"
        assert copy.read_text().strip() not in done.stdout + done.stderr
    assert copy.stat().st_mode & 0o777 == 0o600
    (new,) = backup.list_backups(place.instance)
    last = history.read(place.instance)[-1]
    assert (last.verdict, last.backup) == ("proven", new.label)
    assert list(place.instance.repository.path.glob(f"unreadable-*/backup/main/{taken.label}"))
    assert howdah("key", "check", "--instance", str(place.file), str(copy)).returncode == 0
