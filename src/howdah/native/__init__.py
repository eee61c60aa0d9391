"""Compiled code: rows of a source, read, cast, digested and written as a binary COPY stream in one go; and profiled.

What a value becomes is defined by :mod:`howdah.casts`, one value at a time. The code here does the same for values
whose cast is simple, and leaves every row with another one to those casts.
"""
