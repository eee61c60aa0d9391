"""LIKE and GLOB: SQLite's patterns in PostgreSQL's terms."""

from __future__ import annotations

from howdah.translate.kinds import UntranslatableError

_SPECIAL = frozenset("\\.^$*+?()[]{}|")


def regular(glob: str) -> str:
    r"""Return the regular expression (PostgreSQL's advanced flavour) of a GLOB pattern.

    :raises UntranslatableError: a set that never ends, which SQLite never matches.

    >>> regular("[A-Z]*.t?t"), regular("*[^0-9]*")
    ('^[A-Z].*\\.t.t$', '^.*[^0-9].*$')
    """
    result, at = [], 0
    while at < len(glob):
        character = glob[at]
        at += 1
        if character == "*":
            result.append(".*")
        elif character == "?":
            result.append(".")
        elif character == "[":
            inside, at = _set(glob, at)
            result.append(inside)
        else:
            result.append(f"\\{character}" if character in _SPECIAL else character)
    return f"^{''.join(result)}$"


def _set(glob: str, at: int) -> tuple[str, int]:
    """Return the bracket expression that starts after ``[``, and where the pattern goes on."""
    negated = glob.startswith("^", at)
    first = at + negated
    # A bracket that comes first stands for itself.
    end = glob.find("]", first + 1)
    if end < 0:
        raise UntranslatableError("a GLOB pattern has a set without an end")
    members = glob[first:end]
    if any(character in "[]\\^" for character in members) or "--" in members or members != members.strip("-"):
        raise UntranslatableError("a GLOB pattern has a set with brackets, backslashes or a dash of its own")
    return f"[{'^' if negated else ''}{members}]", end + 1
