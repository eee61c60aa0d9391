"""What would not fit: the forecast of a plan, as values, and what a person can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_ADVICE = {
    "storage_class": "Correct them, or give the column a type that takes them.",
    "thousands_separator": "Take the separators out in the source.",
    "not_integer": "Correct them, or let the column be text or numeric.",
    "not_numeric": "Correct them, or let the column be text.",
    "numeric_scale": "Round them in the source, or give the column more digits.",
    "inexact": "Let the column be numeric or double precision.",
    "negative_zero": "Write 0 in the source.",
    "out_of_range": "Correct them, or give the column a wider type.",
    "not_boolean": "Write 0 or 1 in the source.",
    "not_uuid": "Correct them, or say cast: uuid5 in application.yml.",
    "empty_identifier": "Give the row an identifier.",
    "not_temporal": "Write ISO 8601 in the source, or NULL where there is no moment.",
    "ambiguous_epoch": "Say in application.yml by which clock (cast: epoch_s, epoch_ms, apple_s …).",
    "sub_microsecond": "Say truncate: true in application.yml, if the digits may go.",
    "zone_lost": "Say cast: text_utc in application.yml, or let the column be timestamptz.",
    "time_lost": "Let the column be a timestamp.",
    "nul_in_text": "Take the NUL characters out in the source.",
    "invalid_utf8": "Write them as UTF-8 in the source.",
    "invalid_json": "Correct the documents, or let the column be text.",
    "json_duplicate_key": "Correct the documents, or let the column be json instead of jsonb.",
    "json_nul": "Correct the documents, or let the column be json instead of jsonb.",
    "json_surrogate": "Correct the documents, or let the column be json instead of jsonb.",
    "json_too_deep": "Let the column be text.",
    "too_long": "Shorten them, or give the column more characters.",
    "char_padding": "Let the column be text.",
    "not_null": "Fill them in the source.",
}


@dataclass(frozen=True)
class Risk:
    """Rows whose value in one column does not fit, for one reason.

    :ivar column: source column.
    :ivar code: as in ``howdah.quarantine``.
    :ivar rowids: of the first of them, where the table has rowids.
    """

    column: str
    code: str
    reason: str
    rows: int
    rowids: tuple[int, ...] = ()

    @property
    def advice(self) -> str:
        """Return what a person can do about it, in a sentence."""
        return _ADVICE.get(self.code, "Correct them in the source.")

    def to_dict(self) -> dict[str, Any]:
        """Return the risk as JSON-ready values."""
        return {
            "code": self.code,
            "reason": self.reason,
            "rows": self.rows,
            "rowids": list(self.rowids),
            "advice": self.advice,
        }


@dataclass(frozen=True)
class Forecast:
    """What the casts of a plan would refuse of one table.

    The server judges the rest while it loads: duplicate keys, references to rows that are not there, CHECKs.

    :ivar read: rows that were looked at.
    :ivar rows: rows that would go to quarantine, each counted once.
    :ivar cut: source column → moments that would be cut, because application.yml says ``truncate: true``.
    """

    source: str
    table: str
    read: int
    rows: int
    risks: tuple[Risk, ...] = ()
    cut: tuple[tuple[str, int], ...] = ()

    def of(self, column: str) -> tuple[Risk, ...]:
        """Return the risks of one source column."""
        return tuple(risk for risk in self.risks if risk.column == column)
