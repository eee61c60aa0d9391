"""A PgBouncer of the project's own image: it runs with its files, and this is proved, killed in between or not."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from howdah import pooler
from howdah.errors import HowdahError, TargetRefused
from tests.servers import LABEL, remove_left_over

INI = """
[databases]
dadm_db = host=nowhere port=5432 dbname=dadm_db
[users]
dadm_user = pool_size=5 max_user_client_connections=60
[pgbouncer]
listen_addr = *
listen_port = 6432
unix_socket_dir = /tmp
pidfile =
logfile =
admin_users = pgbouncer
auth_type = scram-sha-256
auth_file = /etc/howdah/pgbouncer/userlist.txt
client_tls_sslmode = require
client_tls_cert_file = /etc/howdah/pgbouncer/pooler.crt
client_tls_key_file = /etc/howdah/pgbouncer/pooler.key
server_tls_sslmode = verify-full
server_tls_ca_file = /etc/howdah/pgbouncer/server-ca.crt
max_client_conn = 100
server_check_delay = 30
"""


def certify(folder: Path, *names: str) -> None:
    """Write a new key and its certificate, as files that any user may read."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pooler")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(30))
    ).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    written = {
        "pooler.key": key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        "pooler.crt": certificate.public_bytes(pem),
    }
    for file in names or written:
        (folder / file).write_bytes(written[file])


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Any, Path]]:
    """A container, and the folder of its files: not pytest's, which only its user may enter."""
    client = docker.from_env(timeout=60)
    remove_left_over(client)
    image = client.images.list(filters={"label": "io.howdah.image=pgbouncer"})[0]
    with tempfile.TemporaryDirectory(prefix="howdah-pooler-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "pgbouncer.ini").write_text(INI)
        (folder / "userlist.txt").write_text('"dadm_user" "SCRAM-SHA-256$4096:AA==$AA==:AA=="\n')
        (folder / "server-ca.crt").write_text("")
        certify(folder)
        container = client.containers.run(
            image.id,
            command=["/etc/howdah/pgbouncer/pgbouncer.ini"],
            detach=True,
            labels={LABEL: str(os.getpid())},
            tmpfs={"/tmp": "rw,mode=1777"},
            volumes={name: {"bind": "/etc/howdah/pgbouncer", "mode": "ro"}},
            ports={"6432/tcp": ("127.0.0.1", None)},
        )
        try:
            pooler.observe(container.id, seconds=20)
            yield container, folder
        finally:
            container.remove(force=True, v=True)
            client.close()


@pytest.fixture
def settle(running):
    """Return a function that settles; what a test left in the files is gone before the next one."""
    container, folder = running
    (folder / "pgbouncer.ini").write_text(INI)
    for left in folder.glob("*.previous"):
        left.unlink()
    certify(folder)

    def go(**options):
        return pooler.settle(container.id, folder / "pgbouncer.ini", **options)

    go()
    return go


@pytest.fixture
def folder(running) -> Path:
    return running[1]


def shown(running, setting: str) -> str:
    return pooler.observe(running[0].id).settings[setting]


def reloads(running) -> int:
    return running[0].logs().count(b"RELOAD command issued")


def write(folder: Path, text: str, *, keep: bool = False) -> None:
    """Replace the ini in one step, as the role does; with its previous one beside it if that is wanted."""
    ini = folder / "pgbouncer.ini"
    if keep:
        ini.with_name("pgbouncer.ini.previous").write_text(ini.read_text())
    new = folder / "new"
    new.write_text(text)
    new.replace(ini)


def test_a_second_time_nothing_is_read(settle, running):
    before = reloads(running)
    assert settle() == pooler.Settled(changed=False)
    assert reloads(running) == before


def test_a_new_setting_is_in_force_whoever_wrote_it_and_when(settle, running, folder):
    write(folder, INI.replace("max_client_conn = 100", "max_client_conn = 150"))
    assert settle().changed
    assert shown(running, "max_client_conn") == "150"
    assert not settle().changed


def test_a_new_database_and_a_new_pool_size_are_in_force(settle, running, folder):
    ini = INI.replace("[users]", "echo_db = host=nowhere port=5432 dbname=echo_db\n[users]")
    write(folder, ini.replace("pool_size=5", "pool_size=7"))
    assert settle().changed
    observed = pooler.observe(running[0].id)
    assert observed.databases["echo_db"]["host"] == "nowhere"
    assert observed.users["dadm_user"]["pool_size"] == "7"


@pytest.mark.parametrize("file", ["userlist.txt", "server-ca.crt"])
def test_files_that_pgbouncer_never_shows_are_read_again_when_they_change(settle, running, folder, file):
    before = reloads(running)
    with (folder / file).open("a") as stream:
        stream.write("\n")
    assert settle().changed
    assert reloads(running) == before + 1
    assert not settle().changed


def test_a_new_certificate_alone_is_shown_to_clients(settle, running, folder):
    before = pooler.observe(running[0].id).certificate
    certify(folder)
    assert settle().changed
    assert pooler.observe(running[0].id).certificate != before
    assert not settle().changed


def test_a_run_that_was_killed_before_it_could_note_the_reload_asks_again(settle, running, folder):
    (folder / "loaded").unlink()
    before = reloads(running)
    assert settle().changed
    assert reloads(running) == before + 1


def test_what_somebody_set_on_the_console_is_undone(settle, running):
    pooler.console(running[0].id, "SET max_client_conn = 33")
    assert shown(running, "max_client_conn") == "33"
    assert settle().changed
    assert shown(running, "max_client_conn") == "100"


@pytest.mark.parametrize(
    ("old", "new", "clause"),
    [
        ("max_client_conn = 100", "max_client_conn = many", "max_client_conn is 100, not many"),
        # The line before the refused one is taken: a part of the file would stay in force.
        ("max_client_conn = 100\nserver_check_delay = 30", "max_client_conn = 150\nserver_check_delay = soon",
         "server_check_delay is 30, not soon"),
    ],
)  # fmt: skip
def test_a_refused_file_is_named_and_the_previous_one_is_back_in_force(settle, running, folder, old, new, clause):
    write(folder, INI.replace(old, new), keep=True)
    with pytest.raises(TargetRefused, match=f"PgBouncer refuses its new configuration: .*{clause}"):
        settle()
    assert (folder / "pgbouncer.ini").read_text() == INI
    assert not (folder / "pgbouncer.ini.previous").exists()
    assert shown(running, "max_client_conn") == "100"
    assert not settle().changed


def test_an_accepted_file_leaves_no_previous_one(settle, folder):
    write(folder, INI.replace("max_client_conn = 100", "max_client_conn = 150"), keep=True)
    settle()
    assert not (folder / "pgbouncer.ini.previous").exists()


def test_a_certificate_without_its_key_is_refused(settle, running, folder):
    before = pooler.observe(running[0].id).certificate
    certify(folder, "pooler.crt")
    with pytest.raises(TargetRefused, match=r"clients are shown another certificate than pooler\.crt"):
        settle()
    assert pooler.observe(running[0].id).certificate == before
    assert not (folder / "loaded").exists()


def test_a_look_ahead_says_the_same_and_changes_nothing(settle, running, folder):
    assert not settle(dry_run=True).changed
    write(folder, INI.replace("max_client_conn = 100", "max_client_conn = 150"), keep=True)
    before = reloads(running)
    assert settle(dry_run=True).changed
    assert (reloads(running), shown(running, "max_client_conn")) == (before, "100")
    assert (folder / "pgbouncer.ini.previous").exists()


def test_a_setting_that_only_a_restart_applies_waits_and_is_no_refusal(settle, running, folder):
    write(folder, INI + "listen_backlog = 64\n")
    assert settle() == pooler.Settled(changed=True, pending_restart=("listen_backlog",))
    assert settle() == pooler.Settled(changed=False, pending_restart=("listen_backlog",))


def test_a_start_is_no_change_but_what_was_read_then_is_not_taken_for_granted(settle, running, folder):
    # Files were replaced, the container started on them, and the old ones came back: nobody noted any of it.
    write(folder, INI.replace("max_client_conn = 100", "max_client_conn = 150"))
    running[0].restart(timeout=5)
    pooler.observe(running[0].id, seconds=20)
    users = (folder / "userlist.txt").read_text()
    write(folder, INI)
    assert settle().changed
    assert shown(running, "max_client_conn") == "100"
    running[0].restart(timeout=5)
    before = reloads(running)
    assert not settle().changed
    assert reloads(running) == before + 1
    assert not settle().changed
    assert reloads(running) == before + 1
    assert (folder / "userlist.txt").read_text() == users


def test_a_pooler_that_does_not_run_is_named(folder):
    began = time.monotonic()
    with pytest.raises(HowdahError, match="There is no container howdah-nowhere"):
        pooler.settle("howdah-nowhere", folder / "pgbouncer.ini", seconds=0.5)
    assert time.monotonic() - began < 10
