"""Verification by a second implementation: it shares no cast with the loader.

``expect`` derives from a snapshot what a row must be, ``readback`` decodes what PostgreSQL holds, ``compare``
matches the two; ``sums`` sees beforehand whether that is needed at all. Nothing in here imports
:mod:`howdah.casts`; a test sees to it.
"""

from howdah.verify.changed import verify_changed
from howdah.verify.compare import Outcome, verify_table
from howdah.verify.sums import agree
from howdah.verify.target import Reader
from howdah.verify.together import groups, is_worth_it, verify_together

__all__ = [
    "Outcome",
    "Reader",
    "agree",
    "groups",
    "is_worth_it",
    "verify_changed",
    "verify_table",
    "verify_together",
]
