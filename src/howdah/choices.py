"""What a person chose for a derived schema: kept in the ledger, so that a later run need not say it again."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from howdah.errors import ConfigurationError
from howdah.ledger import Ledger

IDENTIFIERS = ("lower", "keep", "snake")
ORPHANS = ("quarantine", "keep")


@dataclass(frozen=True)
class Choices:
    """The choices in force.

    :ivar identifiers: how names of SQLite become names of PostgreSQL; fixed once the schema is made.
    :ivar orphans: whether rows without the parent that they refer to move; may change from run to run.
    """

    identifiers: str = "lower"
    orphans: str = "quarantine"

    def to_dict(self) -> dict[str, str]:
        """Return the choices by name."""
        return asdict(self)


def check(identifiers: str | None, orphans: str | None, application: bool) -> None:
    """Refuse choices that mean nothing.

    :raises ConfigurationError: an unknown word, or an application folder, which has a schema of its own.
    """
    for name, value, known in (("--identifiers", identifiers, IDENTIFIERS), ("--orphans", orphans, ORPHANS)):
        if value is None:
            continue
        if value not in known:
            raise ConfigurationError(f"{name} {value} is not known.", f"It is one of {', '.join(known)}.")
        if application:
            raise ConfigurationError(
                f"{name} is for a schema derived from the source, and an application folder has its own.",
                f"Leave {name} or --application out.",
            )


def settle(identifiers: str | None, orphans: str | None, known: Ledger, schema: str) -> Choices:
    """Return the choices for a run: what is asked for, else what was chosen before, else the default.

    :raises ConfigurationError: names were made in another way before.
    """
    before = known.choices.get((schema, "identifiers"), "lower" if known.tables_made(schema) else None)
    if identifiers and before and identifiers != before:
        raise ConfigurationError(
            f"Schema {schema} was made with --identifiers {before}; --identifiers {identifiers} cannot follow it.",
            "Leave the option out, or migrate into another --schema.",
        )
    return Choices(
        identifiers=identifiers or before or "lower",
        orphans=orphans or known.choices.get((schema, "orphans")) or "quarantine",
    )
