"""Rows in batches: read from SQLite as Arrow arrays, cast column by column, written as a binary COPY stream.

What a value becomes is defined by :mod:`howdah.casts`, one value at a time. The functions here do the same for whole
columns where that is simple, and hand every value that is not simple back to those casts.
"""
