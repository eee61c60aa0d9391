"""When the repository's key is lost: the operator's copy is put back, or a new repository begun with a new key."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from howdah import backup, escrow, files
from howdah.backup import Backup
from howdah.errors import ConfigurationError, RepositoryUnreadable
from howdah.instance import Instance
from howdah.locks import one_at_a_time
from howdah.secrets import generate_password, write_private

_CIPHER = re.compile(r"^(repo\d+-cipher-pass)=.*$", re.MULTILINE)
# A configuration with a key that is not proven yet.
_TRIED = "pgbackrest-tried.conf"


def doubt(instance: Instance) -> str:
    """Return why the key may be lost one day; empty when the operator has a copy of it."""
    try:
        return escrow.doubt(_secrets(instance), _configuration(instance).parent)
    except PermissionError:
        # Who may not see the secrets cannot take care of them.
        return ""


def check(instance: Instance, copy: Path) -> str:
    """Return the fingerprint of the key in use, of which a file is a copy.

    :raises ConfigurationError: it is none.
    """
    given, used = _read(copy), escrow.key_in_use(_secrets(instance))
    if not used:
        raise ConfigurationError(
            f"{instance.name} has no key, and {copy} may be the one that is lost.", f"Try howdah key restore {copy}."
        )
    if given != used:
        raise ConfigurationError(
            f"{copy} is not the key in use: its fingerprint is {escrow.fingerprint(given)},"
            f" and that of the key is {escrow.fingerprint(used)}.",
            "Look for the copy with the right fingerprint, or have another one made: playbooks/site.yml -e"
            " backup_escrow_again=true.",
        )
    return escrow.fingerprint(used)


def restore(instance: Instance, copy: Path) -> str:
    """Put a copy of the key in its place, when it opens the repository; return its fingerprint.

    :raises RepositoryUnreadable: it does not; everything is as before.
    :raises HowdahError: it cannot be tried, for instance in a server that is stopped; everything is as before.
    """
    given, used = _read(copy), _configuration(instance)
    with one_at_a_time(instance, "backup"):
        # Beside the one in use: killed at any moment, only a key that was proven is in a place where it is read.
        tried = used.with_name(_TRIED)
        try:
            _write(instance, given, tried)
            for number in instance.repository.numbers:
                backup.list_backups(instance, number, _TRIED)
            write_private(_secrets(instance) / escrow.SECRET, f"{given}\n")
            tried.replace(used)
        except backup.BackupFailed as error:
            raise RepositoryUnreadable(
                f"{copy} does not open the repository, so nothing was changed. {error.what}",
                "Look for another copy. Without any, begin a new repository: howdah key renew.",
            ) from error
        finally:
            tried.unlink(missing_ok=True)
        escrow.write_receipt(used.parent, given, str(copy))
    return escrow.fingerprint(given)


def renew(instance: Instance, copy: Path) -> tuple[Backup, ...]:
    """Begin new repositories with a new key, and return the full backups that were taken at once.

    What the old ones hold is set aside in them, as a folder ``unreadable-TIME``; with its key it could be read again.

    :param copy: file for the operator's copy of the new key; it must not exist.
    :raises ConfigurationError: a repository is a store, where nothing can be set aside, or the copy cannot be written.
    """
    for number in instance.repository.numbers:
        if instance.repository.is_remote(number):
            raise ConfigurationError(
                f"Repository {number} is {instance.repository.where(number)}: what a store holds is not set aside.",
                f"Take the lines repo{number}-* out of {_configuration(instance)} and 'second' out of instance.yml,"
                " and run this again; then declare another prefix for the store, and run playbooks/site.yml.",
            )
    new = generate_password()
    try:
        with copy.open("x", encoding="utf-8") as stream:
            copy.chmod(0o600)
            stream.write(f"{new}\n")
    except OSError as error:
        raise ConfigurationError(
            f"The copy of the new key cannot be written to {copy}: {error.strerror}.",
            "Name a file that is not there yet, on a disk that you keep.",
        ) from error
    with one_at_a_time(instance, "drill"), one_at_a_time(instance, "backup"):
        for number in instance.repository.numbers:
            _set_aside(Path(instance.repository.where(number)))
        _write(instance, new, _configuration(instance))
        write_private(_secrets(instance) / escrow.SECRET, f"{new}\n")
        escrow.write_receipt(_configuration(instance).parent, new, str(copy))
        backup.prepare(instance)
    return backup.take_each(instance, "full").backups


def _read(copy: Path) -> str:
    try:
        found = copy.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{copy} cannot be read.", "Name the file with the copy of the key.") from error
    # The tests of a copy are those of pgBackRest's configuration, where it becomes a line.
    if not found or "\n" in found:
        raise ConfigurationError(f"{copy} holds no key: a key is one line.", "Name the file with the copy of the key.")
    return found


def _write(instance: Instance, key: str, path: Path) -> None:
    """Write pgBackRest's configuration as it is, but with this key, into a file."""
    used = _configuration(instance)
    try:
        before, owner = used.read_text(encoding="utf-8"), used.stat()
    except OSError as error:
        raise ConfigurationError(
            f"{used} cannot be read.",
            f"Put the copy of the key into {_secrets(instance) / escrow.SECRET}, and run playbooks/site.yml.",
        ) from error
    with files.whole(path, mode=owner.st_mode & 0o777) as stream:
        os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
        stream.write(_CIPHER.sub(lambda line: f"{line[1]}={key}", before))


def _set_aside(repository: Path) -> None:
    aside = repository / f"unreadable-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    aside.mkdir(mode=0o700)
    owner = repository.stat()
    os.chown(aside, owner.st_uid, owner.st_gid)
    for name in ("archive", "backup"):
        if (repository / name).exists():
            (repository / name).rename(aside / name)


def _secrets(instance: Instance) -> Path:
    return instance.configuration_dir / "secrets"


def _configuration(instance: Instance) -> Path:
    return instance.configuration_dir / "backup" / backup.CONFIGURATION
