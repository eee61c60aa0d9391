"""How a column goes back to SQLite, and whether it comes back exactly as it was.

A column is **lossless** when every value that its cast lets through comes back, written as :func:`way` says into
a column of the same affinity, as the same value in the same storage class. What the cast refuses waits in
quarantine and does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from howdah.casts.clocks import CLOCKS
from howdah.catalog.affinity import Affinity
from howdah.catalog.model import TargetType

Storage = Literal["integer", "real", "number", "text", "blob"]
"""The storage class to write; ``number`` is INTEGER for whole numbers that fit it, and REAL for others."""

WHOLE = ("int2", "int4", "int8")
INEXACT = ("float4", "float8")
TEMPORAL = ("timestamptz", "timestamp", "date")
_VERBATIM = ("text", "varchar", "bpchar", "citext", "json")
_NUMERIC = ("INTEGER", "NUMERIC", "REAL")
LEAST = -(1 << 63)

SPELLINGS = {
    "uuid": "lower case with hyphens",
    "jsonb": "PostgreSQL's spelling of jsonb",
    "timestamptz": "YYYY-MM-DD HH:MM:SS[.ffffff]+00:00",
    "timestamp": "YYYY-MM-DD HH:MM:SS[.ffffff]",
    "date": "YYYY-MM-DD",
    "time": "HH:MM:SS[.ffffff]",
}
"""The one spelling in which texts of a type are written."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of the values of a source column.

    :ivar classes: storage classes that occur, of ``integer``, ``real``, ``text``, ``blob``; NULL aside.
    :ivar nulls: NULL occurs.
    :ivar least: a number as small as the smallest integer occurs, or a smaller one.
    :ivar canonical: every text has the spelling of :data:`SPELLINGS` already.
    """

    affinity: Affinity
    classes: frozenset[str]
    nulls: bool = False
    least: bool = False
    canonical: bool = False


def unknown(affinity: Affinity) -> Stored:
    """Return what is certain of a column whose values were not all looked at."""
    classes = {"text", "blob"} if affinity == "TEXT" else {"integer", "real", "text", "blob"}
    return Stored(affinity, frozenset(classes), nulls=True, least=True)


@dataclass(frozen=True, slots=True)
class Way:
    """How a column is written back.

    :ivar unit: the clock (:data:`howdah.casts.clocks.CLOCKS`) by which moments are written as numbers, else empty.
    :ivar loss: empty when the column is lossless; else a sentence on what does not come back.
    """

    storage: Storage
    unit: str = ""
    loss: str = ""

    @property
    def lossless(self) -> bool:
        """Return whether every value comes back as it was."""
        return not self.loss


def accepted(cast: str, kind: TargetType, stored: Stored, unit: str) -> frozenset[str]:
    """Return the storage classes of which values may have passed a cast."""
    if cast in ("bytea", "uuid_blob") or kind.name == "bytea":
        fits = {"blob"} | ({"text"} if cast == "uuid_blob" else set())
    elif cast in ("uuid", "uuid5", "time") or (kind.name in TEMPORAL and not unit and cast not in CLOCKS):
        fits = {"text"}
    else:
        fits = {"integer", "real", "text"}
    if kind.name in (*WHOLE, *INEXACT, "numeric") and stored.affinity in _NUMERIC:
        fits.discard("text")  # such a column has made numbers of all texts that look like one
    return stored.classes & fits


def way(cast: str, kind: TargetType, options: dict[str, str], stored: Stored) -> Way:
    """Return how the values of a column go back.

    :param cast: name of the cast that brought them.
    :param kind: the type that they have in PostgreSQL.
    :param options: of the cast; ``unit`` and ``truncate`` of moments, ``value`` that stands for NULL.
    """
    unit = cast if cast in CLOCKS else options.get("unit", "")
    classes = accepted(cast, kind, stored, unit)
    storage = _storage(cast, kind, stored.affinity, classes, unit)
    loss = _loss(cast, kind, stored, classes, storage, unit)
    if not loss and classes and unit and CLOCKS[unit].grain:
        loss = "moments come back as fine as they were kept, not as they were"
    if options.get("truncate"):
        loss = "moments were cut to what PostgreSQL's type holds"
    if not loss and stored.nulls and options.get("value"):
        loss = f"NULL comes back as {options['value']}, which stands for it in PostgreSQL"
    return Way(storage, unit, loss)


def _storage(cast: str, kind: TargetType, affinity: Affinity, classes: frozenset[str], unit: str) -> Storage:
    if kind.name == "bytea" or (cast == "uuid_blob" and "text" not in classes):
        return "blob"
    numeric = kind.name in (*WHOLE, *INEXACT, "numeric") or bool(unit)
    if not numeric and kind.name != "bool":
        return "text"
    if affinity == "TEXT":
        return "text"
    if affinity == "REAL":
        return "real"
    if kind.name == "bool":
        return "text" if classes == {"text"} else "integer"
    if affinity == "BLOB" and len(classes) == 1 and classes <= {"real", "text"}:
        return "real" if "real" in classes else "text"
    if kind.name in WHOLE:
        return "integer"
    return "real" if affinity == "BLOB" and kind.name in INEXACT and classes != {"integer"} else "number"


def _loss(cast: str, kind: TargetType, stored: Stored, classes: frozenset[str], storage: Storage, unit: str) -> str:
    if not classes:
        return ""
    if storage == "blob":
        return "" if classes == {"blob"} else "texts come back as BLOBs"
    if cast == "uuid5":
        return "an identifier that is a UUID comes back in lower case with hyphens"
    if storage == "text":
        return _loss_of_text(kind, stored, classes, unit)
    if "text" in classes:
        return "texts come back as numbers"
    if stored.affinity == "BLOB":
        if len(classes) > 1:
            return "integers and reals are no longer told apart"
        if "real" in classes and (unit or kind.name == "bool"):
            return "-0.0 comes back as 0.0" if storage == "real" else "reals come back as integers"
        return ""
    # SQLite makes integers of whole reals, but for −2^63, of which both storage classes exist.
    ambiguous = kind.name in (*WHOLE, *INEXACT) and "real" in classes and stored.affinity != "REAL"
    if ambiguous and stored.least:
        return "the real -9223372036854775808.0 comes back as an integer"
    return ""


def _loss_of_text(kind: TargetType, stored: Stored, classes: frozenset[str], unit: str) -> str:
    if classes - {"text"} and stored.affinity not in _NUMERIC:
        return "numbers come back as texts"
    if "real" in classes:
        # Their text becomes a number again, read by SQLite, whose reading is not always the nearest double.
        return "reals may differ in their last digit"
    if kind.kind == "e" or kind.name in _VERBATIM:
        return ""
    if kind.name in SPELLINGS and not unit:
        return "" if stored.canonical else f"texts come back in one spelling: {SPELLINGS[kind.name]}"
    return "the spelling of the texts is not kept"
