"""What a restored copy has otherwise than its manifest says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from howdah.manifest.model import DatabaseImage, Facts, Manifest, SequenceImage

_SHOWN = 200


@dataclass(frozen=True)
class Difference:
    """One thing that is not as the manifest says.

    :ivar kind: ``rows``, ``values``, ``table``, ``database``, ``sequence``, or the kind of a fact, such as ``grant``.
    :ivar database: empty for what belongs to the whole cluster.
    :ivar message: one sentence.
    """

    kind: str
    database: str
    name: str
    message: str


def differences(
    manifest: Manifest, of_cluster: Facts, databases: Mapping[str, DatabaseImage], unread: frozenset[tuple[str, str]]
) -> list[Difference]:
    """Return what a copy has otherwise, in the order of the manifest.

    :param of_cluster: the copy's roles, memberships and databases.
    :param databases: what each of its databases holds.
    :param unread: (database, table) that could not be read, and are reported elsewhere.
    """
    found = list(_facts(manifest.facts, of_cluster, ""))
    for name, image in manifest.databases.items():
        if name not in databases:
            found.append(Difference("database", name, name, f"Database {name} is missing."))
            continue
        copy = databases[name]
        found += _tables(name, image, copy, unread)
        found += _sequences(name, image.sequences, copy.sequences)
        found += _facts(image.facts, copy.facts, name)
    found += [Difference("database", n, n, f"Database {n} is not in the manifest.") for n in databases
              if n not in manifest.databases]  # fmt: skip
    return found


def _tables(
    database: str, known: DatabaseImage, copy: DatabaseImage, unread: frozenset[tuple[str, str]]
) -> Iterator[Difference]:
    for name, table in known.tables.items():
        there = copy.tables.get(name)
        if (database, name) in unread:
            continue
        if there is None:
            yield Difference("table", database, name, f"Table {name} of {database} is missing.")
        elif there.rows != table.rows:
            yield Difference(
                "rows", database, name, f"Table {name} of {database} has {there.rows:,} rows instead of {table.rows:,}."
            )
        elif there.digest != table.digest:
            yield Difference(
                "values", database, name,
                f"Table {name} of {database} has {table.rows:,} rows as it should, but other values in them.",
            )  # fmt: skip
    for name in copy.tables:
        if name not in known.tables:
            yield Difference("table", database, name, f"Table {name} of {database} is not in the manifest.")


def _sequences(
    database: str, known: Mapping[str, SequenceImage], copy: Mapping[str, SequenceImage]
) -> Iterator[Difference]:
    for name, image in known.items():
        there = copy.get(name)
        if there is None:
            yield Difference("sequence", database, name, f"Sequence {name} of {database} is missing.")
        elif not _reaches(image, there.before):
            yield Difference(
                "sequence", database, name,
                f"Sequence {name} of {database} stands at {_value(there.before)} instead of {_value(image.after)}.",
            )  # fmt: skip


def _reaches(image: SequenceImage, value: int | None) -> bool:
    """Return whether a restored sequence is where it was, or ahead by what its WAL may be ahead.

    >>> image = SequenceImage(before=10, after=10, ahead=33)
    >>> _reaches(image, 43), _reaches(image, 9), _reaches(image, 44)
    (True, False, False)
    """
    if value is None:
        return image.before is None
    low, high = image.before, image.after
    if high is None:
        return False
    # The first value may have been drawn between the two looks.
    low = high if low is None else low
    ends = (min(low, high) + min(0, image.ahead), max(low, high) + max(0, image.ahead))
    return ends[0] <= value <= ends[1]


def _value(value: int | None) -> str:
    return "its start" if value is None else str(value)


def _facts(known: Facts, copy: Facts, database: str) -> Iterator[Difference]:
    where = f" of {database}" if database else ""
    for kind in sorted(known.keys() | copy.keys()):
        was, now = known.get(kind, {}), copy.get(kind, {})
        for name in sorted(was.keys() | now.keys()):
            what = f"{kind.capitalize()} {name}{where}"
            if name not in now:
                yield Difference(kind, database, name, f"{what} is missing.")
            elif name not in was:
                yield Difference(kind, database, name, f"{what} is not in the manifest.")
            elif was[name] != now[name]:
                yield Difference(kind, database, name, f"{what} is {_short(now[name])} instead of {_short(was[name])}.")


def _short(text: str) -> str:
    """Return a text that fits into a sentence."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
