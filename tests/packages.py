"""Programs of the distribution that the tests use: what is installed, else unpacked from its package, without root."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

UNPACKED = Path(__file__).parents[1] / ".local" / "tools"


class Missing(RuntimeError):
    """A program is not on this host and cannot be got."""


def program(name: str, package: str, folder: Path = UNPACKED) -> str:
    """Return a program: what is installed, else unpacked from the distribution's package into a folder.

    Nothing is installed, so no service of the package starts.

    :raises Missing: no package mirror answers.
    """
    # What only root uses is not on everybody's path.
    installed = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if installed:
        return installed
    if not list((folder / package).glob(f"usr/*bin/{name}")):
        unpacking = folder / f"{package}.{os.getpid()}"
        unpacking.mkdir(parents=True)
        try:
            _download(package, unpacking)
            (archive,) = unpacking.glob(f"{package}_*.deb")
            run(["dpkg-deb", "--extract", str(archive), str(unpacking)])
            archive.unlink()
            shutil.rmtree(folder / package, ignore_errors=True)
            unpacking.rename(folder / package)
        finally:
            shutil.rmtree(unpacking, ignore_errors=True)
    (found,) = (folder / package).glob(f"usr/*bin/{name}")
    return str(found)


def _download(package: str, folder: Path) -> None:
    try:
        run(["apt-get", "download", "--quiet", package], folder)
    except Missing:
        # A host that never asked its mirror knows no package; only root may ask for all of them.
        if os.geteuid():
            raise
        run(["apt-get", "update", "--quiet"])
        run(["apt-get", "download", "--quiet", package], folder)


def run(command: list[str], folder: Path | None = None) -> None:
    """Run a command to its end.

    :raises Missing: it failed.
    """
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{command[0]} failed: {error}") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise Missing(f"{' '.join(command[:4])} … failed: {''.join(last)}")
