"""Gets the peers: libraries into a virtual environment of the benchmark's own, pgloader from the distribution."""

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests import packages

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REQUIREMENTS = (HERE / "requirements.txt", ROOT / "constraints.txt")


@dataclass(frozen=True)
class Tools:
    """Where the programs are.

    :ivar python: interpreter with the peers' libraries.
    :ivar howdah: the command of the engine under test.
    """

    folder: Path

    @property
    def howdah(self) -> str:
        """Return the command of the engine under test: the one of this environment."""
        return str(Path(sys.executable).with_name("howdah"))

    def python(self) -> str:
        """Return the interpreter that has the peers' libraries; the environment is made when it is not there.

        :raises Missing: no package index answers.
        """
        digest = hashlib.sha256(b"".join(file.read_bytes() for file in REQUIREMENTS)).hexdigest()[:12]
        environment = self.folder / f"peers-{digest}"
        python = environment / "bin" / "python"
        if not (environment / "complete").exists():
            for other in self.folder.glob("peers-*"):
                shutil.rmtree(other)
            wanted = ["--requirement", str(REQUIREMENTS[0]), "--constraint", str(REQUIREMENTS[1])]
            packages.run([sys.executable, "-m", "venv", str(environment)])
            packages.run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])
            (environment / "complete").touch()
        return str(python)

    def pgloader(self) -> str:
        """Return pgloader: what is installed, else unpacked from the distribution's package, which needs no root.

        :raises Missing: no package mirror answers.
        """
        return packages.program("pgloader", "pgloader", self.folder)
