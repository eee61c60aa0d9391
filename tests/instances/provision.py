"""One PostgreSQL container with repository, secrets and configuration files, as the roles lay them out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import jinja2
import psycopg
import yaml
from docker.errors import NotFound

from howdah import backup, escrow
from howdah import instance as instances
from howdah.instance import Instance
from tests.instances.store import BUCKET, NAME, SECRETS, Store
from tests.servers import LABEL, newest_image, remove_left_over

ROOT = Path(__file__).parents[2]
UID = 5432
PASSPHRASE = "a passphrase of the tests"
PASSWORD = "a password of the tests"
SETTINGS = """
hba_file = '/etc/howdah/postgres/pg_hba.conf'
ident_file = '/etc/howdah/postgres/pg_ident.conf'
unix_socket_directories = '/run/postgresql'
listen_addresses = '127.0.0.1'
wal_level = replica
archive_mode = on
archive_command = 'pgbackrest --config=/etc/howdah/backup/pgbackrest.conf --stanza=main archive-push %p'
fsync = off
max_connections = 40
shared_buffers = 64MB
log_line_prefix = '%m [%p] '
"""
SCHEMA = """
CREATE TABLE orders (tenant_id uuid NOT NULL, id int NOT NULL, total numeric(10, 2) NOT NULL, weight float8,
  note text, at timestamptz NOT NULL, details jsonb, PRIMARY KEY (tenant_id, id));
INSERT INTO orders SELECT ('00000000-0000-0000-0000-00000000000' || i % 3)::uuid, i, i * 1.25, i / 3.0,
  repeat('note ', 20), '2026-01-01Z'::timestamptz + i * interval '1 minute', jsonb_build_object('number', i)
  FROM generate_series(1, 3000) i;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE orders FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants ON orders USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
INSERT INTO customers (name) SELECT 'customer ' || i FROM generate_series(1, 500) i;
CREATE INDEX customers_by_name ON customers (name);
CREATE UNLOGGED TABLE cache (a int);
INSERT INTO cache VALUES (1);
GRANT SELECT, INSERT ON orders, customers TO shop_user;
"""


@dataclass(frozen=True)
class Place:
    """A provisioned instance and its file."""

    instance: Instance
    file: Path

    def query(self, statement: str, database: str = "shop_db") -> list[tuple[Any, ...]]:
        """Ask as the administrator, over the socket."""
        with psycopg.connect(self.instance.dsn(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, database: str = "shop_db") -> Any:
        """Return the only value of a query."""
        return self.query(statement, database)[0][0]

    def inside(self, *command: str) -> str:
        """Run a command in the server's container."""
        done = instances.run_in(self.instance.server.container, command)
        assert done.code == 0, done.err
        return done.out


@contextmanager
def provisioned(*, second: bool = False, store: Store | None = None) -> Iterator[Place]:
    """Give an instance with a database and an application's role; all of it goes afterwards.

    :param second: it has a second repository, in another folder.
    :param store: it has a second repository there, and a network to reach it.
    """
    client: Any = docker.from_env(timeout=60)
    remove_left_over(client)
    _remove_left_over_files()
    environment = f"tests-{os.getpid()}"
    # A socket's path has room for 107 bytes.
    state = Path(tempfile.mkdtemp(prefix=f"howdah-{environment}-", dir="/tmp"))
    state.chmod(0o755)
    config = instances.CONFIGURATION / environment
    instance = Instance.model_validate(
        {
            "name": f"howdah-{environment}",
            "environment": environment,
            "state_dir": state / "state",
            "server": {"container": f"howdah-{environment}-postgres", "socket_dir": state / "socket", "port": 5432},
            "pooler": {"container": f"howdah-{environment}-pgbouncer", "port": 6432},
            "repository": {
                "stanza": "main",
                "path": state / "repository",
                "second": str(state / "second") if second else f"s3://{BUCKET}/howdah/tests" if store else "",
            },
        }
    )
    try:
        _write_files(instance, config, store)
        start(client, instance, config, store)
        _fill(instance)
        backup.prepare(instance)
        yield Place(instance, config / "instance.yml")
    finally:
        for left in client.containers.list(all=True, filters={"label": f"io.howdah.environment={environment}"}):
            with suppress(NotFound):
                left.remove(force=True, v=True)
        client.close()
        shutil.rmtree(config, ignore_errors=True)
        shutil.rmtree(state, ignore_errors=True)


def _write_files(instance: Instance, config: Path, store: Store | None) -> None:
    for folder in (config / "postgres", config / "backup", config / "secrets", instance.state_dir):
        folder.mkdir(parents=True)
    folders = [instance.server.socket_dir, instance.repository.path]
    folders += [Path(instance.repository.second)] if instance.repository.second and not store else []
    for folder in folders:
        folder.mkdir()
        os.chown(folder, UID, UID)
    (config / "postgres" / "postgresql.conf").write_text(SETTINGS)
    (config / "postgres" / "pg_hba.conf").write_text(
        "local all postgres peer map=howdah\nhost shop_db shop_user samenet scram-sha-256\n"
    )
    (config / "postgres" / "pg_ident.conf").write_text("howdah root postgres\nhowdah postgres postgres\n")
    declared = store.declared if store else {"path": instance.repository.second}
    if store:
        shutil.copy(store.declared["ca_file"], config / "backup" / "repository2-ca.crt")
    write_backup_configuration(config, PASSPHRASE, second=declared)
    (config / "secrets").chmod(0o700)
    (config / "secrets" / escrow.SECRET).write_text(f"{PASSPHRASE}\n")
    escrow.write_receipt(config / "backup", PASSPHRASE, "a safe place")
    (config / "secrets" / "shop_user").write_text(f"{PASSWORD}\n")
    (config / "instance.yml").write_text(yaml.safe_dump(instance.model_dump(mode="json")))


def write_backup_configuration(config: Path, passphrase: str, second: Mapping[str, Any] = {"path": ""}) -> None:
    """Write pgBackRest's configuration from the role's own template.

    :param second: the second repository as an inventory declares it.
    """
    role = ROOT / "roles" / "backup"
    template = jinja2.Template(
        (role / "templates" / "pgbackrest.conf.j2").read_text(), undefined=jinja2.StrictUndefined
    )
    text = template.render(
        **yaml.safe_load((role / "defaults" / "main.yml").read_text()),
        _backup_second=second if any(second.values()) else {},
        _backup_second_is_store="bucket" in second,
        _backup_second_ca=second.get("ca_file", ""),
        _backup_second_mount="/var/lib/pgbackrest2",
    )
    path = config / "backup" / "pgbackrest.conf"
    for mark, secret in {escrow.SECRET: passphrase, **SECRETS}.items():
        text = text.replace(f"@@{mark}@@", secret)
    path.write_text(text)
    os.chown(path, UID, UID)
    path.chmod(0o400)


def start(client: Any, instance: Instance, config: Path, store: Store | None = None) -> None:
    """Start the server's container on a new volume, and wait until it answers."""
    folder = instance.repository.second if not store else ""
    client.containers.run(
        newest_image(client).id,
        command=["-c", "config_file=/etc/howdah/postgres/postgresql.conf"],
        name=instance.server.container,
        detach=True,
        labels={LABEL: str(os.getpid()), "io.howdah.environment": instance.environment},
        network_mode="bridge" if store else "none",
        extra_hosts={NAME: store.address} if store else {},
        user=f"{UID}:{UID}",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        read_only=True,
        tmpfs={"/tmp": f"rw,nosuid,nodev,noexec,size=64m,mode=0700,uid={UID},gid={UID}"},
        mem_limit="512m",
        volumes={
            str(config / "postgres"): {"bind": "/etc/howdah/postgres", "mode": "ro"},
            str(config / "backup"): {"bind": "/etc/howdah/backup", "mode": "ro"},
            str(instance.repository.path): {"bind": "/var/lib/pgbackrest", "mode": "rw"},
            str(instance.server.socket_dir): {"bind": "/run/postgresql", "mode": "rw"},
            **({folder: {"bind": "/var/lib/pgbackrest2", "mode": "rw"}} if folder else {}),
        },
        stop_signal="SIGINT",
    )
    deadline = time.monotonic() + 90
    while True:
        try:
            psycopg.connect(instance.dsn()).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, client.containers.get(instance.server.container).logs(tail=9).decode()
            time.sleep(0.3)
        else:
            return


def _fill(instance: Instance) -> None:
    with psycopg.connect(instance.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE shop_user LOGIN PASSWORD '{PASSWORD}'")
        connection.execute("CREATE DATABASE shop_db TEMPLATE template0")
    with psycopg.connect(instance.dsn("shop_db"), autocommit=True) as connection:
        connection.execute(SCHEMA)


def _remove_left_over_files() -> None:
    """Remove what tests that were killed left in the folders of this host."""
    for path in instances.CONFIGURATION.glob("tests-*"):
        if not Path("/proc", path.name.removeprefix("tests-")).exists():
            shutil.rmtree(path, ignore_errors=True)
            for state in Path("/tmp").glob(f"howdah-{path.name}-*"):
                shutil.rmtree(state, ignore_errors=True)


def howdah(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-c", "from howdah.cli import main; main()", *arguments]
    return subprocess.run(command, text=True, capture_output=True, timeout=240, cwd=ROOT, **options)
