"""What can go wrong, and the exit code that scripts rely on.

::

    HowdahError                 1  anything else
    ├── ConfigurationError      2  usage or configuration
    ├── QuarantinedRows         3  moved and verified, some rows are in quarantine (or a damaged source lost some)
    ├── VerificationFailed      4  verification found a difference
    ├── LockHeld                5  another run holds the lock
    ├── SourceError             6  the source is damaged, encrypted or changed
    ├── TargetRefused           7  rights, version, foreign objects in the way
    ├── RepositoryUnreadable    8  the backups cannot be read: wrong key, missing, damaged
    ├── ArchiveIncomplete       9  WAL is not archived, or missing in the archive
    ├── RestoreFailed          10  a backup did not restore, or its replay did not arrive
    ├── CopyDamaged            11  what was restored has damaged pages
    ├── LoginRefused           12  an application cannot log in to what was restored, or sees something else
    └── LimitExceeded          13  a restore takes longer, or brings back less, than was asked for
"""

from __future__ import annotations


class HowdahError(Exception):
    """A failure that a person can act on.

    :param what: one sentence that says what happened and where.
    :param next_step: what to type or change next; may be empty.
    """

    exit_code = 1

    def __init__(self, what: str, next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step

    def __str__(self) -> str:
        """Return the sentence and the next step on one line."""
        return f"{self.what} {self.next_step}".strip()


class ConfigurationError(HowdahError):
    """The command line, an application folder or an instance file is wrong; nothing was changed."""

    exit_code = 2


class QuarantinedRows(HowdahError):
    """Everything moved and verified, but some rows wait in quarantine."""

    exit_code = 3


class VerificationFailed(HowdahError):
    """The target does not hold what the snapshot holds."""

    exit_code = 4


class LockHeld(HowdahError):
    """Another run works on the same target and application."""

    exit_code = 5


class SourceError(HowdahError):
    """A source is damaged, encrypted, empty, locked, changed or no SQLite database."""

    exit_code = 6


class TargetRefused(HowdahError):
    """The target's rights, version or existing objects do not allow the work."""

    exit_code = 7


class RepositoryUnreadable(HowdahError):
    """The repository's backups cannot be read; no data was touched."""

    exit_code = 8


class ArchiveIncomplete(HowdahError):
    """WAL does not reach the archive, or is missing in it."""

    exit_code = 9


class RestoreFailed(HowdahError):
    """A backup did not restore, or its replay did not arrive where it should."""

    exit_code = 10


class CopyDamaged(HowdahError):
    """Pages or indexes of a restored copy are damaged."""

    exit_code = 11


class LoginRefused(HowdahError):
    """An application cannot log in to a restored copy, or sees something else there."""

    exit_code = 12


class LimitExceeded(HowdahError):
    """A restore takes longer, or brings back less, than was asked for."""

    exit_code = 13
