"""The repository's key and the operator's copy of it: who loses the key loses every backup.

The key is a file among the instance's secrets. The operator has a copy elsewhere; beside pgBackRest's configuration is
a receipt that says of which key, by its fingerprint, and never the key itself.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from howdah import files
from howdah.errors import ConfigurationError
from howdah.secrets import generate_password, write_private

SECRET = "repository-passphrase"  # noqa: S105 - the name of a file
RUNBOOK = "docs/runbooks/key.md"
_RECEIPT = "escrow.json"


@dataclass(frozen=True)
class Receipt:
    """What is known of the operator's copy.

    :ivar fingerprint: of the key in it.
    :ivar copy: where it was put; the operator is asked to move it from there.
    :ivar given_at: ISO 8601 in UTC.
    """

    fingerprint: str
    copy: str
    given_at: str


def fingerprint(key: str) -> str:
    """Return 16 hexadecimal digits that tell keys apart; guessing a key by them is slow (scrypt, RFC 7914).

    >>> fingerprint("a") == fingerprint("a"), fingerprint("a") == fingerprint("b"), len(fingerprint("a"))
    (True, False, 16)
    """
    salt = b"howdah repository key"
    return hashlib.scrypt(key.strip().encode(), salt=salt, n=1 << 14, r=8, p=1, dklen=8).hex()


def key_in_use(secrets_dir: Path) -> str:
    """Return the key, or an empty text when there is none."""
    path = secrets_dir / SECRET
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def receipt(folder: Path) -> Receipt | None:
    """Return the receipt of a folder; ``None``: nobody has a copy, as far as is known here."""
    path = folder / _RECEIPT
    return Receipt(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def write_receipt(folder: Path, key: str, copy: str) -> None:
    """Write down that the operator has a copy of the key."""
    given = Receipt(fingerprint(key), copy, datetime.now(UTC).isoformat(timespec="seconds"))
    with files.whole(folder / _RECEIPT, mode=0o600) as stream:
        json.dump(asdict(given), stream)


def settle(secrets_dir: Path, folder: Path, given: str, *, write: bool) -> tuple[bool, str, bool]:
    """Have a key; return whether that changed anything, its fingerprint, and whether the operator has a copy of it.

    :param folder: of the receipt.
    :param given: the operator's own key; empty: the one that is there, or a new one.
    :raises ConfigurationError: it would be another key than the one that backups are encrypted with, or may be.
    """
    kept, known = key_in_use(secrets_dir), receipt(folder)
    wanted = given or kept
    if known and not wanted:
        raise ConfigurationError(
            f"The repository's key is lost: there is no {secrets_dir / SECRET}, and backups are encrypted with it"
            f" (fingerprint {known.fingerprint}).",
            f"Put the copy back, which was given as {known.copy}: see {RUNBOOK}.",
        )
    if known and fingerprint(wanted) != known.fingerprint:
        raise ConfigurationError(
            f"The repository's key has the fingerprint {fingerprint(wanted)}, and the operator's copy, which was given"
            f" as {known.copy}, has {known.fingerprint}. With another key no backup can be read; nothing was changed.",
            f"Put the right key back, or take a new one on purpose: see {RUNBOOK}.",
        )
    if given and kept and given != kept:
        # What is there may be the only copy there is, with or without a receipt.
        raise ConfigurationError(
            f"The key that was given has the fingerprint {fingerprint(given)}, and the repository's key in"
            f" {secrets_dir / SECRET} has {fingerprint(kept)}. With another key no backup can be read; nothing was"
            " changed.",
            f"Give the key that is in use, or none; or take the new one on purpose: see {RUNBOOK}.",
        )
    changed = wanted != kept or not wanted
    if changed and write:
        wanted = wanted or generate_password()
        write_private(secrets_dir / SECRET, f"{wanted}\n")
    return changed, fingerprint(wanted) if wanted else "", known is not None


def doubt(secrets_dir: Path, folder: Path) -> str:
    """Return why the key may be lost one day, with the next step; empty when the operator has a copy of it."""
    key, known = key_in_use(secrets_dir), receipt(folder)
    if known is None:
        return (
            "Nobody but this host is known to have the repository's key: with the host every backup would be lost."
            " Run playbooks/site.yml, which gives you a copy."
        )
    if not key:
        return f"The repository's key is not among the secrets ({secrets_dir / SECRET}): see {RUNBOOK}."
    if fingerprint(key) != known.fingerprint:
        return f"The operator's copy of the repository's key is not of the key in use: see {RUNBOOK}."
    return ""
