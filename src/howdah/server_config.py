"""What a change of the server's configuration asks for: nothing, a reload, or a restart; and the proof that it took.

The server itself says which settings need a restart (``pg_settings.context``), and what it made of the files it read
(``pg_file_settings``, ``pg_hba_file_rules``, ``pg_ident_file_mappings``): a reload that failed leaves the old rules in
force without a word to the one who asked for it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from howdah.errors import TargetRefused

_LINE = re.compile(r"^\s*(?P<name>[A-Za-z_][\w.]*)\s*=?\s*(?P<value>'(?:[^'\\]|\\.|'')*'|[^#\s]+)")
_ESCAPE = re.compile(r"''|\\(?:(?P<octal>[0-7]{1,3})|(?P<character>.))")
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True)
class Change:
    """How far a change reaches.

    :param kind: ``none``, ``reload`` or ``restart``.
    :param settings: names of the settings that differ, sorted.
    :param restart_settings: those of them that only a restart applies.
    """

    kind: str
    settings: tuple[str, ...] = ()
    restart_settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proof:
    """What the server says of its configuration.

    :param errors: lines it refused, each with file, line and reason.
    :param pending_restart: settings in the files that wait for a restart.
    """

    errors: tuple[str, ...] = ()
    pending_restart: tuple[str, ...] = field(default=())


def parse_settings(text: str) -> dict[str, str]:
    """Return settings of a ``postgresql.conf`` by lower-cased name; the last one wins, as in the server.

    >>> parse_settings("a = 1\\n# b = 2\\nC 'x''y' # why\\na = 3")
    {'a': '3', 'c': "x'y"}
    """
    found = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            value = match["value"]
            if value.startswith("'"):
                value = _ESCAPE.sub(_unescaped, value[1:-1])
            found[match["name"].lower()] = value
    return found


def _unescaped(match: re.Match[str]) -> str:
    if match["octal"]:
        return chr(int(match["octal"], 8))
    return _CONTROLS.get(match["character"], match["character"]) if match["character"] else "'"


def classify(before: Mapping[str, str], after: Mapping[str, str], restart_only: Iterable[str]) -> Change:
    """Compare two sets of settings.

    :param restart_only: names whose context is ``postmaster``.

    >>> classify({"a": "1", "b": "2"}, {"a": "1", "b": "3"}, {"a"}).kind
    'reload'
    """
    names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    restart = names & set(restart_only)
    kind = "restart" if restart else "reload" if names else "none"
    return Change(kind, tuple(sorted(names)), tuple(sorted(restart)))


def restart_only_settings(connection: psycopg.Connection[Any]) -> set[str]:
    """Return the names of the settings that only a restart changes."""
    rows = connection.execute("SELECT name FROM pg_catalog.pg_settings WHERE context = 'postmaster'").fetchall()
    return {str(row[0]) for row in rows}


def prove(connection: psycopg.Connection[Any]) -> Proof:
    """Ask the server what it made of the files as they are now."""
    refused = connection.execute(
        "SELECT 'pg_hba.conf', line_number, NULL, error FROM pg_catalog.pg_hba_file_rules WHERE error IS NOT NULL"
        " UNION ALL SELECT 'pg_ident.conf', line_number, NULL, error FROM pg_catalog.pg_ident_file_mappings"
        " WHERE error IS NOT NULL"
        " UNION ALL SELECT sourcefile, sourceline, name, error FROM pg_catalog.pg_file_settings WHERE error IS NOT NULL"
    ).fetchall()
    # After that question, not before: this session learns from it which of the files' values are good but wait.
    rows = connection.execute("SELECT name FROM pg_catalog.pg_settings WHERE pending_restart ORDER BY 1").fetchall()
    pending = tuple(str(row[0]) for row in rows)
    # pg_file_settings calls both the same, and one that is gone from the file has its name in the text alone.
    waiting = {f'parameter "{name}" cannot be changed without restarting the server' for name in pending}
    errors = [
        f"{file} line {line}: {f'{name}: ' if name else ''}{error}"
        for file, line, name, error in refused
        if name not in pending and error not in waiting
    ]
    return Proof(tuple(errors), pending)


def reload(connection: psycopg.Connection[Any], *, seconds: float = 15.0) -> Proof:
    """Have the server read its files again, wait until it did, and return the proof.

    :raises TargetRefused: the server refused a line, or did not reload in time; the old configuration is in force.
    """
    refused = prove(connection)
    if refused.errors:
        raise TargetRefused(
            f"The server would refuse its new configuration: {'; '.join(refused.errors)}.",
            "The old one stays in force, and its files are back. Correct the setting and run the playbook again.",
        )
    before = connection.execute("SELECT pg_catalog.pg_conf_load_time()").fetchone()
    connection.execute("SELECT pg_catalog.pg_reload_conf()")
    deadline = time.monotonic() + seconds
    while connection.execute("SELECT pg_catalog.pg_conf_load_time()").fetchone() == before:
        if time.monotonic() > deadline:
            raise TargetRefused(
                f"The server did not reload its configuration within {seconds:.0f} s.",
                "The old one is still in force; read the container's log.",
            )
        time.sleep(0.1)
    return prove(connection)
