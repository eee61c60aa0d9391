"""The rows of a source on their way to the server: read by compiled code, cast, digested, as a binary COPY stream.

What a value becomes is defined by :mod:`howdah.casts`, one value at a time. The compiled code (:mod:`howdah.native`)
does the same where that is simple, and hands every row with a value that is not simple back to those casts.
"""
