"""Hands the data of a ``COPY`` to compiled code: psycopg makes a Python object of every row, which takes longer."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import psycopg
from psycopg.pq import ConnStatus, ExecStatus

from howdah.pg import Connection


@dataclass(frozen=True)
class Wire:
    """Addresses for compiled code.

    :ivar connection: of libpq's connection.
    :ivar get_copy_data: of its ``PQgetCopyData``.
    :ivar release: of ``PQfreemem``, for what that gave.
    """

    connection: int
    get_copy_data: int
    release: int


@contextmanager
def copy_out(connection: Connection, statement: str) -> Iterator[Wire]:
    """Begin ``COPY … TO STDOUT``; all its data must be taken when the block ends.

    :raises psycopg.Error: the server refuses, or is gone.
    """
    wire = connection.pgconn
    _check(connection, wire.exec_(statement.encode()), ExecStatus.COPY_OUT)
    try:
        # psycopg documents the pointer, and its protocol leaves it out.
        pointer = wire.pgconn_ptr  # type: ignore[attr-defined]
        yield Wire(pointer, *_functions(type(wire).__module__))
    finally:
        # All of them, or the connection would take no other statement.
        results = list(iter(wire.get_result, None))
    for result in results:
        _check(connection, result, ExecStatus.COMMAND_OK)


@cache
def _functions(module: str) -> tuple[int, int]:
    # Of the very libpq that psycopg has: a connection of one build means nothing to another.
    library = ctypes.CDLL(sys.modules[module].__file__)
    found = [ctypes.cast(one, ctypes.c_void_p).value or 0 for one in (library.PQgetCopyData, library.PQfreemem)]
    return found[0], found[1]


def _check(connection: Connection, result: psycopg.pq.abc.PGresult, wanted: ExecStatus) -> None:
    if result.status == wanted:
        return
    if connection.pgconn.status == ConnStatus.BAD:
        raise psycopg.OperationalError(connection.pgconn.get_error_message())
    raise psycopg.errors.error_from_result(result)
