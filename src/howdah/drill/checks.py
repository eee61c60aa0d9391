"""What is asked of a restored copy: is it what the manifest says, can applications work with it, is it sound."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg

from howdah import pg
from howdah.drill.model import DrillFinding
from howdah.drill.sandbox import Sandbox, Work
from howdah.execs import Output
from howdah.instance import Instance
from howdah.manifest import compare, facts, gather
from howdah.manifest.model import DatabaseImage, Facts, Manifest, Probe
from howdah.pg import Connection

SHOWN = 50
_PASSWORDS = ".pgpass"
# This too is in the folder of the copy's socket.
_STOPPED = "stopped"


def while_running(sandbox: Sandbox, instance: Instance, manifest: Manifest | None) -> Iterator[DrillFinding]:
    """Yield what is wrong with a copy that runs: structures are looked at while rows are read.

    :param manifest: ``None``: nothing is known to compare with.
    """
    with ExitStack() as stack:
        seen: dict[str, Connection] = {}
        for name in gather.databases(sandbox.dsn("postgres")) if manifest else ():
            try:
                connection = stack.enter_context(pg.connect(sandbox.dsn(name)))
                stack.enter_context(pg.snapshot(connection))
                # The first query is what the snapshot begins with: pg_amcheck makes an extension of its own.
                connection.execute("SELECT")
                seen[name] = connection
            except psycopg.Error as error:
                yield _unread(name, error)
        ended = begin_structures(sandbox)
        if manifest:
            yield from comparison(seen, manifest)
            yield from logins(sandbox, instance, manifest.probes)
    yield from structures(ended())


def comparison(seen: dict[str, Connection], manifest: Manifest) -> Iterator[DrillFinding]:
    """Yield what a copy has otherwise than the manifest; a table that cannot be read is such a thing.

    :param seen: database → a connection with a transaction open that sees it.
    """
    unread: set[tuple[str, str]] = set()
    images: dict[str, DatabaseImage] = {}
    of_cluster: Facts = {}
    for name, connection in seen.items():
        refused: dict[str, str] = {}
        try:
            of_cluster = of_cluster or facts.of_cluster(connection)
            images[name] = gather.contents(
                connection, like=manifest.databases.get(name), unreadable=refused.__setitem__
            )
        except psycopg.Error as error:
            yield _unread(name, error)
        unread |= {(name, table) for table in refused}
        for table, said in refused.items():
            yield DrillFinding(check="amcheck", message=f"Table {table} of {name} cannot be read: {said}.")
    for difference in compare.differences(manifest, of_cluster, images, frozenset(unread)):
        yield DrillFinding(check="comparison", message=difference.message)


def _unread(database: str, error: psycopg.Error) -> DrillFinding:
    return DrillFinding(check="comparison", message=f"Database {database} cannot be read: {pg.message(error)}.")


def logins(sandbox: Sandbox, instance: Instance, probes: tuple[Probe, ...]) -> Iterator[DrillFinding]:
    """Log in over TCP as each application's role, with its password, and yield what it does not see as it should."""
    passwords = sandbox.folder / _PASSWORDS
    entries = []
    for role in {probe.role for probe in probes}:
        secret = (instance.configuration_dir / "secrets" / role).read_text(encoding="utf-8").rstrip("\n")
        entries.append(f"127.0.0.1:5432:*:{_escaped(role)}:{_escaped(secret)}\n")
    owner = sandbox.folder.stat()
    passwords.touch(mode=0o600)
    passwords.chmod(0o600)
    passwords.write_text("".join(entries), encoding="utf-8")
    os.chown(passwords, owner.st_uid, owner.st_gid)
    for probe in probes:
        said = _ask(sandbox, probe)
        if said is not None:
            yield DrillFinding(check="login", message=said)


def _ask(sandbox: Sandbox, probe: Probe) -> str | None:
    who = f"{probe.role} on {probe.database}"
    setting = f"SET LOCAL {probe.setting} = {pg.literal(probe.tenant)};" if probe.setting else ""
    answer = sandbox.inside(
        "env", f"PGPASSFILE=/run/postgresql/{_PASSWORDS}", "psql", "-XAtq", "--no-password", "--set=ON_ERROR_STOP=1",
        f"--command=BEGIN; {setting} {probe.query}; COMMIT;",
        f"host=127.0.0.1 port=5432 user={probe.role} dbname={probe.database} connect_timeout=10",
    )  # fmt: skip
    if answer.code != 0:
        return f"{who} cannot work with the copy: {answer.last_line}."
    if answer.out.strip() != str(probe.rows):
        return f"{who} sees {answer.out.strip()} rows instead of {probe.rows}: {probe.query}."
    return None


def _escaped(text: str) -> str:
    r"""Return a field of a password file.

    >>> print(_escaped(r"a:b\c"))
    a\:b\\c
    """
    return text.replace("\\", "\\\\").replace(":", "\\:")


def begin_structures(sandbox: Sandbox) -> Callable[[], Output]:
    """Have pg_amcheck look at every table and every index of every database; what is returned waits for its end."""
    return sandbox.begin_inside(
        "pg_amcheck", "--all", "--install-missing", "--jobs=2", "--host=/run/postgresql", "--username=postgres"
    )


def structures(answer: Output) -> Iterator[DrillFinding]:
    """Yield what pg_amcheck found."""
    if answer.code == 0:
        return
    # It says where on one line and what on the next, which is indented.
    found = [" ".join(part.split()) for part in re.split(r"\n(?=\S)", answer.out.strip()) if part.strip()]
    for message in (found or [f"pg_amcheck ended with {answer.code}: {answer.last_line}"])[:SHOWN]:
        yield DrillFinding(check="amcheck", message=f"{message.rstrip('.')}.")


def begin_checksums(sandbox: Sandbox) -> Work:
    """Start the container in which pg_checksums reads every page of the copy, once its server has stopped."""
    script = 'until [ -e "$1" ]; do sleep 0.1; done; exec pg_checksums --check'
    return sandbox.begin(["/bin/sh", "-c", script, "checksums", f"/run/postgresql/{_STOPPED}"], "checksums")


def checksums(sandbox: Sandbox, reading: Work) -> Iterator[DrillFinding]:
    """Let pg_checksums read the copy, whose server has stopped; yield what it finds."""
    (sandbox.folder / _STOPPED).touch()
    answer = reading.end()
    if answer.code == 0:
        return
    found = [line.partition("error: ")[2] or line for line in answer.err.splitlines() if line.strip()]
    for message in (found or [f"pg_checksums ended with {answer.code}: {answer.last_line}"])[:SHOWN]:
        yield DrillFinding(check="checksums", message=f"{message.rstrip('.')}.")
