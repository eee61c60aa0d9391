"""New files on trial: the previous one stands beside each until the program that reads them has taken them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from howdah.errors import HowdahError


def previous_of(file: Path) -> Path:
    """Return where the file's last accepted content is kept.

    >>> previous_of(Path("/etc/pg_hba.conf"))
    PosixPath('/etc/pg_hba.conf.previous')
    """
    return file.with_name(f"{file.name}.previous")


@contextmanager
def on_trial(files: Iterable[Path]) -> Iterator[None]:
    """Keep new files when the body ends, and put their previous ones back when it raises :class:`HowdahError`.

    A file without a previous one stays as it is. Killed inside, both stand: run again.
    """
    pairs = [(file, previous_of(file)) for file in files]
    try:
        yield
    except HowdahError:
        for file, previous in pairs:
            if previous.exists():
                previous.replace(file)
        raise
    for _, previous in pairs:
        previous.unlink(missing_ok=True)
