"""The peers: programs that run on their own, in an environment of the benchmark's own.

Each takes a SQLite file of :mod:`tests.bench.generate` and moves its rows into tables that are there already; where
to, libpq's variables say. None looks at the others, and none imports howdah.
"""
