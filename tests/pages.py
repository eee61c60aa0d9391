"""Commands of the documents: tests run what a page says, so that page and program cannot drift apart."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def commands(page: str, heading: str, **names: str) -> list[str]:
    """Return the commands in the code blocks below a heading of a page.

    :param page: file in the checkout.
    :param names: words in capitals that stand for something of the reader's, and what it is.
    """
    section = re.split(r"^## ", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(f"{heading}\n")]
    found = "".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    for name, value in names.items():
        found = re.sub(rf"\b{name}\b", shlex.quote(value), found)
    assert found, f"{page} has no command below {heading}"
    return found.replace("\\\n", " ").splitlines()


def run(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of a page as a reader types it, with this project's own programs."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/sh", "-c", command], env={**os.environ, "PATH": path}, text=True, capture_output=True, timeout=240
    )
