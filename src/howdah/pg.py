"""The only place that knows the PostgreSQL driver: connections, their settings, their errors."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import conninfo, sql
from psycopg.types.json import Jsonb

from howdah.errors import HowdahError, TargetRefused
from howdah.plain import gathered
from howdah.report import TargetInfo

Connection = psycopg.Connection[tuple[Any, ...]]

Error = psycopg.Error
Rollback = psycopg.Rollback
"""Raised in a transaction, it rolls back and goes no further."""

# What a single bad value causes; anything else (disk full, shutdown) is no fault of the row.
ROW_FAULTS = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)
# What PostgreSQL has against an index or constraint on the rows or types that are there.
BUILD_FAULTS = (psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded, psycopg.ProgrammingError)
DATA_FAULTS = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded)
"""What computing with a value may cause."""
UNFIT = (*ROW_FAULTS, psycopg.ProgrammingError, psycopg.NotSupportedError)
"""What PostgreSQL has against an expression, before it meets any row."""
NO_RIGHT = psycopg.errors.InsufficientPrivilege
TAKEN = (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject)
"""An object of that name is there already."""

NotLocked = psycopg.errors.LockNotAvailable
"""Somebody else has a lock, or waits for one."""
ConnectionLost = psycopg.OperationalError
"""The server is gone, has no room, or was told to stop what it does."""
BrokenConstraint = psycopg.IntegrityError
"""A row breaks a constraint of its table."""
NotUnique = psycopg.errors.UniqueViolation
"""Two rows have the same value where each must have its own."""

# A binary COPY stream without flags or header extension begins and ends like this.
_COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_TRAILER = b"\xff\xff"

MINIMUM_VERSION = 150000

# Rows that a stream takes from libpq at a time.
_CHUNK = 1000

# Output of values must not depend on the server's, the database's or the role's settings: digests and key
# texts are compared between runs. `row_security = off` turns a silently filtered read into an error. The
# check interval lets a killed client's backend go within a second, so that its lock does not outlive it.
SESSION = {
    "search_path": "pg_catalog",
    "datestyle": "ISO, YMD",
    "timezone": "UTC",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmloption": "content",
    "standard_conforming_strings": "on",
    "row_security": "off",
    "statement_timeout": "0",
    "lock_timeout": "60s",
    "idle_in_transaction_session_timeout": "0",
    "client_connection_check_interval": "1000",
    # What is asked is over about as soon as code would be compiled for it.
    "jit": "off",
}


def has_password(dsn: str) -> bool:
    """Return whether a conninfo string or URI carries a password.

    :raises TargetRefused: when it is no conninfo at all.
    """
    return bool(_parse(dsn).get("password"))


def names_a_target(dsn: str | None) -> bool:
    """Return whether there is anything to connect to: a DSN, or libpq's own variables."""
    wanted = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")
    return bool(dsn) or any(os.environ.get(name) for name in wanted)


def _parse(dsn: str) -> dict[str, Any]:
    try:
        return dict(conninfo.conninfo_to_dict(dsn))
    except psycopg.ProgrammingError as error:
        # libpq's message may repeat the text it could not parse, and with it a password.
        raise TargetRefused(
            "The target is no valid connection string.",
            "Write it like 'host=/run/postgresql dbname=shop user=shop' or 'postgresql://shop@localhost/shop'.",
        ) from error


@contextmanager
def connect(dsn: str) -> Iterator[Connection]:
    """Open a connection with howdah's session settings; close it afterwards, whatever happened.

    The connection is in autocommit mode: a transaction is always visible as ``with
    connection.transaction()``.

    :raises TargetRefused: when the server does not answer or does not let us in.
    """
    connection = open_(dsn)
    try:
        yield connection
    finally:
        connection.close()


def conninfo_of(connection: Connection) -> str:
    """Return a connection string to the very server of a connection, for another driver; it may hold a password."""
    info = connection.info
    found: dict[str, Any] = {**info.get_parameters(), "host": info.host, "port": info.port, "password": info.password}
    # Another build of libpq may have another default for the socket's folder: the one that answered is named.
    found |= {"hostaddr": info.hostaddr if not info.host.startswith("/") else None}
    return conninfo.make_conninfo(**{name: value for name, value in found.items() if value not in ("", None)})


def open_(dsn: str) -> Connection:
    """Open a connection like :func:`connect`, to be closed by the caller.

    :raises TargetRefused: when the server does not answer or does not let us in.
    """
    parameters = _parse(dsn)
    parameters.setdefault("connect_timeout", "10")
    parameters.setdefault("application_name", "howdah")
    parameters["client_encoding"] = "UTF8"
    try:
        connection = psycopg.connect(**parameters, autocommit=True)
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise TargetRefused(
            f"The target database does not let us in: {reason}",
            "Check --to (or HOWDAH_DSN, PGHOST, PGSERVICE), the role's rights and that the server is up.",
        ) from error
    connection.execute(
        "SELECT " + ", ".join("set_config(%s, %s, false)" for _ in SESSION),
        [part for setting in SESSION.items() for part in setting],
    )
    return connection


def execute(
    connection: Connection, statement: str, parameters: Sequence[Any] | dict[str, Any] | None = None
) -> psycopg.Cursor[tuple[Any, ...]]:
    """Run a statement that was put together from quoted identifiers; values are always parameters."""
    return connection.execute(statement, parameters)


def attempt(connection: Connection, statement: str) -> bool:
    """Run a statement if the server lets us; return whether it did. What it would have broken stays as it was."""
    try:
        with connection.transaction():
            execute(connection, statement)
    except (psycopg.ProgrammingError, psycopg.NotSupportedError):
        return False
    return True


def copy_in(connection: Connection, statement: str, rows: Iterable[Sequence[Any]]) -> None:
    """Send rows by ``COPY … FROM STDIN`` in text format; strings are PostgreSQL's text of the value."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def copy_text(connection: Connection, statement: str, rows: Iterable[Iterable[Iterable[str] | None]]) -> None:
    """Send rows by ``COPY … FROM STDIN`` in text format, of each value some parts: a long one is not put together."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for part in gathered(_copied(rows)):
            copy.write(part)


def _copied(rows: Iterable[Iterable[Iterable[str] | None]]) -> Iterator[str]:
    for row in rows:
        for number, value in enumerate(row):
            yield "\t" if number else ""
            yield from ["\\N"] if value is None else map(_escaped, value)
        yield "\n"


def _escaped(text: str) -> str:
    for plain, written in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(plain, written)
    return text


def copy_binary(connection: Connection, statement: str, rows: Any) -> None:
    """Send rows of a binary COPY stream, given without its header and trailer, as bytes or a buffer."""
    copy_parts(connection, statement, [rows])


def copy_parts(connection: Connection, statement: str, parts: Iterable[Any]) -> int:
    """Send parts of such a stream as they come; return how many rows the server took."""
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            copy.write(_COPY_HEADER)
            for part in parts:
                copy.write(part)
            copy.write(_COPY_TRAILER)
        return cursor.rowcount


def copy_typed(connection: Connection, statement: str, types: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Send rows of Python values by ``COPY … FROM STDIN (FORMAT BINARY)``."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def copy_out_rows(connection: Connection, statement: str) -> Iterator[bytes]:
    """Yield the rows of ``COPY … TO STDOUT (FORMAT BINARY)``, without its header and trailer."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in copy:
            row = bytes(block)
            # The server sends a message for each row; the header comes with the first.
            row = row[len(_COPY_HEADER) :] if row.startswith(_COPY_HEADER) else row
            if row and row != _COPY_TRAILER:
                yield row


def copy_out(connection: Connection, statement: str) -> Iterator[bytes]:
    """Yield the blocks of ``COPY … TO STDOUT``."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in copy:
            yield bytes(block)


def as_json(value: Any) -> Jsonb:
    """Return a parameter for a jsonb column."""
    return Jsonb(value)


def stream(connection: Connection, query: str, *, binary: bool) -> Generator[tuple[Any, ...], None, None]:
    """Yield the rows of a query as they come, so that memory does not grow with their number.

    Close it when it is not read to its end: until then the connection takes no other statement.

    :param binary: ask for values in binary format, else in text format.
    """
    # Row by row is three times slower, but all that libpq before 17 can do.
    size = _CHUNK if psycopg.capabilities.has_stream_chunked() else 1
    with connection.cursor() as cursor:
        yield from cursor.stream(query, binary=binary, size=size)


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Hold one transaction in which every query sees the database as it was at the first one; nothing is written."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    try:
        with connection.transaction():
            yield
    finally:
        if not connection.closed:
            connection.isolation_level = connection.read_only = None


def message(error: Exception) -> str:
    """Return the server's sentence on one line, without context or hints."""
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return " ".join((primary or str(error)).split())


def literal(value: str | None) -> str:
    """Return a text as an SQL literal."""
    return sql.Literal(value).as_string(None).strip()


def quoted(name: str) -> str:
    """Return an identifier in double quotes."""
    return sql.Identifier(name).as_string(None)


def qualified(schema: str, name: str) -> str:
    """Return ``"schema"."name"``."""
    return sql.Identifier(schema, name).as_string(None)


def check_server(connection: Connection, schema: str) -> TargetInfo:
    """Refuse a server that cannot hold the data, before anything is changed.

    :raises TargetRefused: version before 15, encoding other than UTF8, or a standby.
    """
    row = connection.execute(
        """SELECT current_setting('server_version_num')::int, current_setting('server_version'),
                  current_setting('server_encoding'), pg_is_in_recovery(), current_database()"""
    ).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    number, version, encoding, standby, database = row
    if number < MINIMUM_VERSION:
        raise TargetRefused(f"PostgreSQL {version} is too old; 15 or later is needed.", "Choose another server.")
    if encoding != "UTF8":
        raise TargetRefused(
            f"Database {database} has encoding {encoding}; SQLite's text is Unicode.",
            f"Create it with: createdb -E UTF8 -T template0 {database}",
        )
    if standby:
        raise TargetRefused(f"Database {database} is on a read-only standby.", "Connect to the primary.")
    return TargetInfo(database=database, server_version=str(version).split()[0], schema=schema)


def explain(error: psycopg.Error) -> HowdahError:
    """Turn a driver error that escaped into one that a person can act on."""
    detail = " ".join((error.diag.message_detail or "").split())
    what = f"PostgreSQL refused: {message(error)}" + (f" ({detail})" if detail else "")
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return TargetRefused(what, "Connect as the owner of the database or grant the right.")
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return TargetRefused(
            what, "Another session holds a lock on the table; end it, then run the same command again."
        )
    if isinstance(error, psycopg.errors.DiskFull):
        return HowdahError(
            what,
            "Make room on the server's disk (a large table takes its room twice while it loads), then run the same"
            " command again: it goes on with the tables that are finished and the chunks that are staged.",
        )
    if isinstance(error, psycopg.OperationalError):
        return HowdahError(
            what, "Nobody sees anything half-done; run the same command again when the server is back, and it goes on."
        )
    return TargetRefused(what, "Nothing of this table was changed; clear the cause and run the same command again.")
