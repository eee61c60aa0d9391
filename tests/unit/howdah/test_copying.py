"""The digest of a copy is that of its bytes, however it was copied."""

from __future__ import annotations

import os
import random

import pytest
from blake3 import blake3

from howdah import copying


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    monkeypatch.setattr(copying, "_STEP", 1000)
    monkeypatch.setattr(copying, "_BLOCK", 300)


@pytest.mark.parametrize("size", [0, 1, 300, 1000, 1001, 2000, 123_457])
@pytest.mark.parametrize("old_kernel", [False, True])
def test_a_copy_and_its_digest(tmp_path, monkeypatch, size, old_kernel):
    if old_kernel:
        monkeypatch.setattr(os, "copy_file_range", refuse)
    original, target = tmp_path / "original", tmp_path / "copy"
    original.write_bytes(random.Random(size).randbytes(size))
    with original.open("rb") as stream:
        digest = copying.copy_digested(stream.fileno(), target)()
    assert target.read_bytes() == original.read_bytes()
    assert digest == blake3(original.read_bytes()).hexdigest() == copying.digest_of(target)
    assert target.stat().st_mode & 0o777 == 0o600


def refuse(*_):
    raise OSError(18, "Invalid cross-device link")


def test_what_cannot_be_read_again_is_said(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", broken)
    original = tmp_path / "original"
    original.write_bytes(bytes(5000))
    with original.open("rb") as stream:
        digest = copying.copy_digested(stream.fileno(), tmp_path / "copy")
    with pytest.raises(OSError, match="Input/output"):
        digest()
