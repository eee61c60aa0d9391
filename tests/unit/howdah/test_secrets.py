"""Passwords and verifiers: those of RFC 7677, and those that libpq itself makes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg import pq

from howdah.secrets import generate_password, scram_verifier, verifier_matches, write_private

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
# The exchange that RFC 7677, section 3, gives for the password "pencil".
NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
EXCHANGE = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={NONCE}".encode()
PROOF = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
SIGNATURE = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

passwords = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def libpq() -> Callable[[str], str]:
    """Make a verifier as psql's \\password does; libpq needs a connection for it, but no server."""
    connection = pq.PGconn.connect(b"host=/nonexistent")

    def encrypt(password: str) -> str:
        return connection.encrypt_password(password.encode(), b"anyone", b"scram-sha-256").decode()

    return encrypt


def keys(verifier: str) -> tuple[bytes, bytes]:
    stored, server = verifier.rpartition("$")[2].split(":")
    return base64.b64decode(stored), base64.b64decode(server)


def test_the_stored_key_accepts_the_clients_proof_of_rfc_7677():
    stored, _ = keys(scram_verifier("pencil", salt=SALT, iterations=4096))
    signature = hmac.digest(stored, EXCHANGE, "sha256")
    client_key = bytes(one ^ other for one, other in zip(PROOF, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored


def test_the_server_key_signs_as_in_rfc_7677():
    _, server = keys(scram_verifier("pencil", salt=SALT, iterations=4096))
    assert base64.b64encode(hmac.digest(server, EXCHANGE, "sha256")).decode() == SIGNATURE


@given(password=passwords)
@example("I\u00adX")  # soft hyphen: mapped to nothing
@example("a\u00a0b")  # no-break space: mapped to a space
@example("a\u200bb")  # zero width space: in both tables; the space wins
@example("\u2168")  # Roman numeral nine: normalized to IX
@example("\u0007")  # control character: prohibited, taken as it is
@example("\u0627\u0031")  # right to left, but ends with a digit: prohibited
@example("\u0627\u2168")  # right to left mixed with left to right: prohibited, so not normalized
@example("\ufe8d\u0031")  # right to left at the beginning only
@example("\ufe8d\u0031\u0628")  # right to left, well formed: normalized
@example("\u0221")  # unassigned in Unicode 3.2
@example("\U0001f149")  # unassigned there, though its normal form is not
@example("\u0340")  # prohibited, though its normal form is not
@example("\ufc90")
@example("\u00ad")  # nothing is left
def test_a_verifier_of_libpq_matches(libpq, password):
    assert verifier_matches(libpq(password), password)


@given(passwords, st.binary(min_size=1, max_size=24), st.integers(1, 50))
def test_a_verifier_matches_its_password_whatever_salt_and_iterations(password, salt, iterations):
    assert verifier_matches(scram_verifier(password, salt=salt, iterations=iterations) + "\n", password)


ascii_passwords = st.text(string.printable.strip(), min_size=1, max_size=12)


@given(ascii_passwords, ascii_passwords)
def test_a_verifier_matches_no_other_password(password, other):
    assert verifier_matches(scram_verifier(password, salt=b"s", iterations=2), other) == (password == other)


def test_a_verifier_with_another_server_key_does_not_match():
    verifier = scram_verifier("pencil", salt=SALT)
    other = scram_verifier("pencil", salt=b"other")
    forged = verifier.rpartition(":")[0] + ":" + other.rpartition(":")[2]
    assert not verifier_matches(forged, "pencil")


@pytest.mark.parametrize(
    "text", ["", "pencil", "md5" + "0" * 32, "SCRAM-SHA-256$4096:$:", "SCRAM-SHA-1$4096:AA==$AA==:AA=="]
)
def test_what_is_no_verifier_does_not_match(text):
    assert not verifier_matches(text, "pencil")


def test_every_verifier_has_a_salt_of_its_own():
    assert scram_verifier("pencil") != scram_verifier("pencil")


@given(st.integers(1, 64))
def test_generated_passwords_can_stand_in_urls_and_shells_as_they_are(length):
    password = generate_password(length)
    assert len(password) == length
    assert set(password) <= set(string.ascii_letters + string.digits)


def test_generated_passwords_differ():
    assert len({generate_password() for _ in range(50)}) == 50


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_private_file_has_its_mode_and_content_from_the_first(tmp_path, mode):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o666)
    write_private(path, "new ✓\n", mode=mode)
    assert path.read_text(encoding="utf-8") == "new ✓\n"
    assert path.stat().st_mode & 0o777 == mode


def test_a_reader_of_the_old_file_keeps_the_old_content(tmp_path):
    path = tmp_path / "secret"
    path.write_text("old and longer")
    with path.open() as reader:
        write_private(path, "new")
        assert reader.read() == "old and longer"
    assert path.read_text() == "new"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "secret"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "first line\n" * 10_000 + "\udcff")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
