"""The way back: a schema of PostgreSQL into a SQLite file, in one snapshot, verified before the file is there.

``catalog`` reads what there is, ``original`` and ``derive`` say how each table is to look in SQLite, ``write`` streams
the rows, ``check`` reads both sides again by code of its own, ``place`` puts the finished file where it belongs.
"""

from howdah.export.report import ExportReport
from howdah.export.run import Request, export

__all__ = ["ExportReport", "Request", "export"]
