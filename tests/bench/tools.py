"""Gets the peers: libraries into a virtual environment of the benchmark's own, pgloader from the distribution."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REQUIREMENTS = (HERE / "requirements.txt", ROOT / "constraints.txt")


class Missing(RuntimeError):
    """A peer is not on this host and cannot be got."""


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
            _run([sys.executable, "-m", "venv", str(environment)])
            _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])
            (environment / "complete").touch()
        return str(python)

    def pgloader(self) -> str:
        """Return pgloader: what is installed, else unpacked from the distribution's package, which needs no root.

        :raises Missing: no package mirror answers.
        """
        installed = shutil.which("pgloader")
        if installed:
            return installed
        folder = self.folder / "pgloader"
        program = folder / "usr" / "bin" / "pgloader"
        if not program.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            _run(["apt-get", "download", "--quiet", "pgloader"], folder)
            (package,) = folder.glob("pgloader_*.deb")
            _run(["dpkg-deb", "--extract", str(package), str(folder)])
            package.unlink()
        return str(program)


def _run(command: list[str], folder: Path | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{command[0]} failed: {error}") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise Missing(f"{' '.join(command[:4])} … failed: {''.join(last)}")
