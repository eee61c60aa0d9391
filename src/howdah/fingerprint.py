"""One hash for everything an engine is made of, so that a module can tell whether it runs the checkout's engine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def templates_folder(package: Path = PACKAGE) -> Path:
    """Return where the documents' templates are: inside an installed package, or at the top of a checkout."""
    installed = package / "_templates"
    return installed if installed.is_dir() else package.parent.parent / "templates"


def content_hash(roots: Iterable[tuple[str, Path]], *, length: int = 12) -> str:
    """Return a hash over the names and contents of the files below folders.

    :param roots: pairs of a label and a folder; the label takes the folder's place in the hashed names.
    :param length: hexadecimal digits of SHA-256 to keep.
    """
    digest = hashlib.sha256()
    for label, root in roots:
        files = (path for path in root.rglob("*") if path.is_file() and not _is_noise(path.relative_to(root)))
        for path in sorted(files, key=lambda path: path.relative_to(root).as_posix()):
            content = path.read_bytes()
            name = f"{label}/{path.relative_to(root).as_posix()}".encode()
            digest.update(b"%d:%b%d:" % (len(name), name, len(content)))
            digest.update(content)
    return digest.hexdigest()[:length]


def fingerprint(package: Path = PACKAGE) -> str:
    """Return the fingerprint of an engine: the package's files and its templates."""
    return content_hash([("howdah", package), ("templates", templates_folder(package))])


def _is_noise(relative: Path) -> bool:
    # What is compiled is made of the other files, and not the same bytes in every folder.
    parts = relative.parts
    return "__pycache__" in parts or parts[0] == "_templates" or relative.suffix in (".pyc", ".so")
