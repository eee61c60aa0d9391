"""Has PgBouncer read its files, and proves that what it runs with is what they say.

``RELOAD`` answers "RELOAD" also when PgBouncer refused a line, and then part of the file may be in force. So what it
runs with is read back: settings, databases and users over its console, the certificate from a TLS handshake. Of what
it never shows (verifiers, the server's certificate) a stamp beside the files says which content it was asked to read.
"""

from __future__ import annotations

import configparser
import csv
import hashlib
import io
import socket
import ssl
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from howdah.errors import ConfigurationError, HowdahError, TargetRefused
from howdah.instance import Running, describe, run_in
from howdah.previous import on_trial, previous_of
from howdah.secrets import write_private

PORT = 6432
STAMP = "loaded"
_CONSOLE = f"host=/tmp port={PORT} user=pgbouncer dbname=pgbouncer"
_BETWEEN = "-- next --"
# The request of a TLS connection in PostgreSQL's protocol: its length and its code.
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)


@dataclass(frozen=True)
class Configuration:
    """A ``pgbouncer.ini``.

    :param settings: the section ``[pgbouncer]``.
    :param databases: per database, where it leads to: ``host``, ``port``, ``dbname``.
    :param users: per user, ``pool_size`` and the like.
    :param files: the file itself and those it names, on this host.
    :param certificate: the one of them that clients are shown.
    """

    settings: dict[str, str]
    databases: dict[str, dict[str, str]]
    users: dict[str, dict[str, str]]
    files: tuple[Path, ...]
    certificate: Path


@dataclass(frozen=True)
class Observed:
    """What a running PgBouncer says of itself.

    :param started_at: when its container started.
    :param settings: those that a reload changes.
    :param fixed: those that only a restart changes.
    :param certificate: what clients are shown, in DER.
    """

    started_at: str
    settings: dict[str, str]
    fixed: dict[str, str]
    databases: dict[str, dict[str, str]]
    users: dict[str, dict[str, str]]
    certificate: bytes


@dataclass(frozen=True)
class Settled:
    """What :func:`settle` found.

    :param changed: whether PgBouncer ran with something else before.
    :param pending_restart: settings that only a restart applies.
    """

    changed: bool
    pending_restart: tuple[str, ...] = ()


def read(ini: Path) -> Configuration:
    """Read a configuration; files that it names lie in its own folder, whatever that is called in the container.

    :raises ConfigurationError: the file cannot be read as one.
    """
    parser = configparser.ConfigParser(interpolation=None, delimiters="=", comment_prefixes=(";", "#"))
    try:
        parser.read_string(ini.read_text(encoding="utf-8"))
        settings = dict(parser["pgbouncer"])
        named = [value for key, value in settings.items() if key.endswith("_file") and value]
        return Configuration(
            settings=settings,
            databases={name: _words(value) for name, value in parser["databases"].items()},
            users={name: _words(value) for name, value in parser["users"].items()},
            files=(ini, *sorted(ini.with_name(Path(value).name) for value in named)),
            certificate=ini.with_name(Path(settings["client_tls_cert_file"]).name),
        )
    except (OSError, ValueError, KeyError, configparser.Error) as error:
        raise ConfigurationError(
            f"{ini} is no configuration of PgBouncer: {' '.join(str(error).split())}.", "Run playbooks/site.yml."
        ) from error


def console(container: str, *commands: str) -> list[list[dict[str, str]]]:
    """Run commands of PgBouncer's console, all in one call, and return the rows of each.

    :raises HowdahError: the pooler does not answer, or refuses a command.
    """
    between = [f"--command=\\echo {_BETWEEN}"]
    asked = [argument for command in commands for argument in (f"--command={command}", *between)]
    answer = run_in(container, ["psql", "--no-psqlrc", "--csv", "--set=ON_ERROR_STOP=1", *asked, _CONSOLE])
    if answer.code != 0:
        raise HowdahError(f"The pooler does not answer: {answer.last_line}.", f"See docker logs {container}.")
    tables = answer.out.split(f"{_BETWEEN}\n")[:-1]
    # It pads numbers.
    return [
        [{column: value.strip() for column, value in row.items()} for row in csv.DictReader(io.StringIO(table))]
        for table in tables
    ]


def observe(container: str, *, seconds: float = 0.0) -> Observed:
    """Ask PgBouncer what it runs with.

    :param seconds: how long it may take to answer, when it has just started.
    :raises HowdahError: it does not answer.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return _observed(container)
        except HowdahError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _observed(container: str) -> Observed:
    running = describe(container)
    settings, databases, users = console(container, "SHOW CONFIG", "SHOW DATABASES", "SHOW USERS")
    return Observed(
        started_at=running.started_at,
        settings={row["key"]: row["value"] for row in settings if row["changeable"] == "yes"},
        fixed={row["key"]: row["value"] for row in settings if row["changeable"] == "no"},
        databases={row["name"]: {**row, "dbname": row["database"]} for row in databases},
        users={row["name"]: row for row in users},
        certificate=_shown_certificate(running),
    )


def _shown_certificate(running: Running) -> bytes:
    place = running.published.get(f"{PORT}/tcp")
    if place is None:
        raise HowdahError("The pooler is not published on this host.", "Run playbooks/site.yml.")
    context = ssl.create_default_context()
    # Only looked at: whether it is the right one is what the caller compares.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(place, timeout=10) as plain:
            plain.sendall(_SSL_REQUEST)
            if plain.recv(1) != b"S":
                raise HowdahError(f"The pooler offers no TLS on {place[0]}:{place[1]}.")
            with context.wrap_socket(plain) as encrypted:
                return encrypted.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise HowdahError(f"The pooler does not answer on {place[0]}:{place[1]}: {error}.") from error


def differences(wanted: Configuration, observed: Observed) -> tuple[str, ...]:
    """Return in what PgBouncer differs from its files, one clause each; what only a restart applies is left out."""
    settings = {key: value for key, value in wanted.settings.items() if key not in observed.fixed}
    found = _different("", settings, observed.settings)
    for name, place in wanted.databases.items():
        found += _different(f"database {name}: ", place, observed.databases.get(name, {}))
    for name, pool in wanted.users.items():
        found += _different(f"user {name}: ", pool, observed.users.get(name, {}))
    if observed.certificate != ssl.PEM_cert_to_DER_cert(wanted.certificate.read_text(encoding="ascii")):
        found.append(f"clients are shown another certificate than {wanted.certificate.name}")
    return tuple(found)


def _different(prefix: str, wanted: dict[str, str], shown: dict[str, str]) -> list[str]:
    return [
        f"{prefix}{key} is {shown.get(key) or 'not set'}, not {value or 'empty'}"
        for key, value in wanted.items()
        if shown.get(key) != value
    ]


def pending_restart(wanted: Configuration, observed: Observed) -> tuple[str, ...]:
    """Return the settings of the file that only a restart applies."""
    return tuple(sorted(key for key, value in observed.fixed.items() if wanted.settings.get(key, value) != value))


def settle(container: str, ini: Path, *, dry_run: bool = False, seconds: float = 20.0) -> Settled:
    """Have PgBouncer run with its files as they are now.

    Nothing is done when it does. Files that it refuses are replaced by their ``.previous``.

    :param seconds: how long a pooler that has just started may take to answer.
    :raises TargetRefused: PgBouncer runs with something else than the files say, also after it read them.
    """
    if dry_run:
        return _judged(ini, observe(container, seconds=seconds))[0]
    files = read(ini).files
    replaced = any(previous_of(file).exists() for file in files)
    try:
        with on_trial(files):
            settled, seen = _judged(ini, observe(container, seconds=seconds))
            if settled.changed or not seen:
                _reload(container, ini)
            return settled
    except HowdahError:
        if replaced:
            # A part of what it refused may be in force; what it had before is back in the files.
            with suppress(HowdahError):
                observe(container, seconds=seconds)
                _reload(container, ini)
        raise


def _judged(ini: Path, observed: Observed) -> tuple[Settled, bool]:
    """Return what there is to do, and whether it is known what PgBouncer read last."""
    wanted = read(ini)
    stamp = ini.with_name(STAMP)
    read_last, _, started_at = (stamp.read_text(encoding="ascii") if stamp.exists() else "").strip().partition(" ")
    changed = read_last != _digest(wanted.files) or bool(differences(wanted, observed))
    # A start reads the files too, but nobody saw which: then they are read again, though nothing need have changed.
    return Settled(changed, pending_restart(wanted, observed)), started_at == observed.started_at


def _reload(container: str, ini: Path) -> None:
    """Have the files read, prove it, and note down what was read."""
    stamp = ini.with_name(STAMP)
    # Killed between here and the end, nothing is known: the next run asks again.
    stamp.unlink(missing_ok=True)
    wanted = read(ini)
    content = _digest(wanted.files)
    console(container, "RELOAD")
    observed = observe(container)
    refused = differences(wanted, observed)
    if refused:
        raise TargetRefused(
            f"PgBouncer refuses its new configuration: {'; '.join(refused)}.",
            "The old one stays in force. Correct the declaration and run the playbook again;"
            f" docker logs {container} says more.",
        )
    write_private(stamp, f"{content} {observed.started_at}\n")


def _digest(files: tuple[Path, ...]) -> str:
    """Return one hash over names and contents of the files."""
    lines = [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files if file.is_file()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _words(text: str) -> dict[str, str]:
    """Return ``key=value`` words by key.

    >>> _words("host=a port=5432")
    {'host': 'a', 'port': '5432'}
    """
    return {key: value for key, _, value in (word.partition("=") for word in text.split())}
