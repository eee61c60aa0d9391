"""Passwords, and the SCRAM verifiers that are all a server needs to know of them (RFC 5802, RFC 5803, RFC 7677)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import stringprep
import unicodedata
from pathlib import Path

from howdah import files

ITERATIONS = 4096
# What neither a URL, a shell, an environment file nor an ini file changes.
PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
_VERIFIER = re.compile(
    r"SCRAM-SHA-256\$(?P<iterations>\d+):(?P<salt>[A-Za-z0-9+/=]+)\$"
    r"(?P<stored>[A-Za-z0-9+/=]+):(?P<server>[A-Za-z0-9+/=]+)"
)


def generate_password(length: int = 32) -> str:
    """Return a random password of URL-safe letters, so that it can stand in a DSN as it is."""
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
    return "".join(secrets.choice(alphabet) for _ in range(length))


def scram_verifier(password: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """Return the verifier that PostgreSQL stores in ``pg_authid.rolpassword``.

    >>> scram_verifier("pencil", salt=base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))[:40]
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6g'
    """
    salt = os.urandom(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", _saslprep(password), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_b64(salt)}${_b64(stored_key)}:{_b64(server_key)}"


def verifier_matches(verifier: str, password: str) -> bool:
    """Tell whether a verifier was made from this password."""
    match = _VERIFIER.fullmatch(verifier.strip())
    if match is None:
        return False
    again = scram_verifier(password, salt=base64.b64decode(match["salt"]), iterations=int(match["iterations"]))
    return hmac.compare_digest(again, verifier.strip())


def write_private(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file that appears whole, with its mode, or not at all."""
    with files.whole(path, mode=mode) as stream:
        stream.write(text)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _saslprep(password: str) -> bytes:
    """Prepare a password as PostgreSQL does: RFC 4013 where it applies, the raw bytes where it does not."""
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in password
        # A character of both tables, U+200B, becomes a space in PostgreSQL.
        if stringprep.in_table_c12(char) or not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    prohibited = (
        stringprep.in_table_c12,
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
        stringprep.in_table_a1,
    )
    # PostgreSQL checks what was mapped, not what was normalized; a client that did otherwise could not log in.
    if not mapped or any(check(char) for char in mapped for check in prohibited):
        return password.encode()
    if any(stringprep.in_table_d1(char) for char in mapped) and (
        any(stringprep.in_table_d2(char) for char in mapped)
        or not (stringprep.in_table_d1(mapped[0]) and stringprep.in_table_d1(mapped[-1]))
    ):
        return password.encode()
    return prepared.encode()
