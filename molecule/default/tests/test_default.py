"""What an operator's host looks like after playbooks/site.yml, from outside and from inside the containers."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

ENVIRONMENT = "molecule-default"
NAME = f"howdah-{ENVIRONMENT}"
CONFIG = Path("/etc/howdah") / ENVIRONMENT
STATE = Path("/var/lib/howdah") / ENVIRONMENT
POOLER_PORT = 26432
SERVER_PORT = 25432
CONTAINERS = [f"{NAME}-postgres", f"{NAME}-pgbouncer"]


def run(*command: str, env: dict[str, str] | None = None, timeout: int = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, text=True, capture_output=True, timeout=timeout, env=env)


def inspect(container: str) -> dict[str, object]:
    return json.loads(run("docker", "inspect", container).stdout)[0]


def administrate(statement: str, database: str = "postgres") -> str:
    """Ask as root of the host, over the socket."""
    done = run("docker", "exec", CONTAINERS[0], "psql", "-XAtc", statement, database)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def secret(name: str) -> str:
    return (CONFIG / "secrets" / name).read_text().strip()


def through_pooler(statement: str, *, user: str = "dadm_user", database: str = "dadm_db", password: str | None = None,
                   port: int = POOLER_PORT, sslmode: str = "require") -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Ask as a service does, with the client of the server's image."""
    dsn = f"host=127.0.0.1 port={port} user={user} dbname={database} sslmode={sslmode} connect_timeout=10"
    # A script: over TCP, with the password in the environment of the client alone.
    return run(
        "docker", "run", "--rm", "--network", "host", "--env", "PGPASSWORD", "--entrypoint", "psql",
        str(inspect(CONTAINERS[0])["Config"]["Image"]), "-XAtc", statement, dsn,
        env={"PGPASSWORD": password if password is not None else secret(user), "PATH": "/usr/local/bin:/usr/bin:/bin"},
    )  # fmt: skip


@pytest.mark.parametrize("name", CONTAINERS)
def test_container_is_hardened(name: str) -> None:
    facts = inspect(name)
    host = facts["HostConfig"]
    assert facts["State"]["Health"]["Status"] == "healthy"
    assert facts["Config"]["User"] not in ("", "0", "root", "0:0")
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert "no-new-privileges" in " ".join(host["SecurityOpt"])
    assert host["ReadonlyRootfs"] is True
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "5", "max-size": "10m"}}
    assert host["RestartPolicy"]["Name"] == "unless-stopped"


def test_server_stops_fast_and_has_time() -> None:
    facts = inspect(CONTAINERS[0])
    assert facts["Config"]["StopSignal"] == "SIGINT"
    assert facts["Config"]["StopTimeout"] >= 120


def test_health_is_asked_over_tcp() -> None:
    assert "--host=127.0.0.1" in inspect(CONTAINERS[0])["Config"]["Healthcheck"]["Test"]


@pytest.mark.parametrize("name", CONTAINERS)
def test_ports_are_published_on_the_loopback_only(name: str) -> None:
    addresses = {
        binding["HostIp"]
        for bindings in inspect(name)["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    }
    assert addresses == {"127.0.0.1"}


@pytest.mark.parametrize("name", CONTAINERS)
def test_processes_have_no_capabilities(host, name: str) -> None:
    status = run("docker", "exec", name, "cat", "/proc/1/status").stdout
    assert re.search(r"^CapEff:\s*0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\s*1$", status, re.M)


@pytest.mark.parametrize("name", CONTAINERS)
def test_root_file_system_cannot_be_written(name: str) -> None:
    assert run("docker", "exec", name, "touch", "/usr/local/here").returncode != 0


def test_server_is_configured_as_declared() -> None:
    assert administrate("SHOW password_encryption") == "scram-sha-256"
    assert administrate("SHOW data_checksums") == "on"
    assert administrate("SHOW ssl") == "on"
    assert administrate("SHOW hba_file") == "/etc/howdah/postgres/pg_hba.conf"
    assert administrate("SHOW server_version").startswith("15.")
    assert administrate("SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"
    assert administrate("SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL") == "0"
    assert administrate("SELECT datcollate FROM pg_database WHERE datname = 'dadm_db'") == "C.UTF-8"


def test_every_login_role_has_a_scram_verifier_or_no_password() -> None:
    rows = administrate(
        "SELECT rolname, coalesce(left(rolpassword, 14), '') FROM pg_authid WHERE rolcanlogin"
    ).splitlines()
    found = dict(row.split("|") for row in rows)
    assert found.pop("postgres") == ""
    assert found.pop("howdah_migrator") == ""
    assert set(found) == {"dadm_user", "camunda_user", "echo_user", "openai_user", "monitor_user"}
    assert set(found.values()) == {"SCRAM-SHA-256$"}


def test_databases_and_owners() -> None:
    rows = administrate("SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE NOT datistemplate").splitlines()
    owners = dict(row.split("|") for row in rows)
    expected = {f"{name}_db": f"{name}_owner" for name in ("dadm", "camunda", "echo", "openai", "monitor")}
    assert owners == {**expected, "postgres": "postgres"}


def test_public_may_not_connect() -> None:
    assert administrate("SELECT has_database_privilege('public', 'dadm_db', 'CONNECT')") == "f"
    assert administrate("SELECT has_database_privilege('camunda_user', 'dadm_db', 'CONNECT')") == "f"
    assert administrate("SELECT has_database_privilege('dadm_user', 'dadm_db', 'CONNECT')") == "t"


def test_pool_answers() -> None:
    done = through_pooler("SELECT current_user || ' ' || current_database()")
    assert done.stdout.strip() == "dadm_user dadm_db", done.stderr


def test_pool_refuses_a_wrong_password() -> None:
    done = through_pooler("SELECT 1", password="wrong")
    assert done.returncode != 0
    assert "authentication failed" in done.stderr


def test_pool_refuses_plain_text() -> None:
    done = through_pooler("SELECT 1", sslmode="disable")
    assert done.returncode != 0
    assert "SSL required" in done.stderr


def test_server_refuses_plain_text() -> None:
    done = through_pooler("SELECT 1", sslmode="disable", port=SERVER_PORT)
    assert done.returncode != 0
    assert "no pg_hba.conf entry" in done.stderr


def test_server_refuses_another_services_database() -> None:
    done = through_pooler("SELECT 1", user="camunda_user", database="dadm_db", port=SERVER_PORT)
    assert done.returncode != 0
    assert "no pg_hba.conf entry" in done.stderr


def test_a_service_cannot_change_structure() -> None:
    done = through_pooler("CREATE TABLE here (a int)")
    assert "permission denied for schema public" in done.stderr


def test_a_session_setting_does_not_reach_the_next_client() -> None:
    assert through_pooler("SET application_name = 'leaked'").returncode == 0
    seen = {through_pooler("SELECT current_setting('application_name')").stdout.strip() for _ in range(3)}
    assert "leaked" not in seen


def test_no_password_in_the_poolers_files() -> None:
    users = (CONFIG / "pgbouncer" / "userlist.txt").read_text()
    assert users.count("SCRAM-SHA-256$") == 5
    for file in (CONFIG / "pgbouncer").iterdir():
        assert secret("dadm_user") not in file.read_text()


@pytest.mark.parametrize("name", CONTAINERS)
def test_no_secret_in_what_the_engine_shows(name: str) -> None:
    shown = (
        run("docker", "inspect", name).stdout + run("docker", "logs", name).stderr + run("docker", "logs", name).stdout
    )
    secrets = [file.read_text().strip() for file in (CONFIG / "secrets").iterdir()]
    assert len(secrets) >= 6
    assert not [value for value in secrets if value in shown]


def test_secrets_are_private(host) -> None:
    assert host.file(str(CONFIG / "secrets")).mode == 0o700
    for file in (CONFIG / "secrets").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.stat().st_uid == 0


def test_services_have_their_files_and_stay_on_sqlite_until_cutover() -> None:
    text = (CONFIG / "services" / "openai-service.env").read_text()
    assert (CONFIG / "services" / "openai-service.env").stat().st_mode & 0o777 == 0o600
    assert "ENABLE_POSTGRESQL=false" in text
    assert f"SQLITE_PROMPTS_PATH={STATE}/sample/dadm/data/prompts.db" in text
    assert "DATABASE_URL" not in text
    assert "ENABLE_POSTGRESQL=true" in (CONFIG / "services" / "camunda.env").read_text()


def test_archiving_works() -> None:
    done = run("docker", "exec", CONTAINERS[0], "pgbackrest", "--config=/etc/howdah/backup/pgbackrest.conf",
               "--stanza=main", "check")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert administrate("SELECT archived_count > 0 FROM pg_stat_archiver") == "t"


def test_repository_is_encrypted() -> None:
    info = json.loads(backups())
    assert info[0]["cipher"] == "aes-256-cbc"
    assert info[0]["status"]["code"] == 0


def backups() -> str:
    return run("docker", "exec", CONTAINERS[0], "pgbackrest", "--config=/etc/howdah/backup/pgbackrest.conf",
               "--stanza=main", "info", "--output=json").stdout  # fmt: skip


def test_there_is_a_full_backup_and_cron_takes_more(host) -> None:
    """The schedule of this scenario is every minute: a backup must appear that nobody but cron asked for."""
    assert host.process.filter(comm="cron")
    labels = {backup["label"] for backup in json.loads(backups())[0]["backup"]}
    assert any(label.endswith("F") for label in labels)
    deadline = time.monotonic() + 150
    new: set[str] = set()
    while not new and time.monotonic() < deadline:
        time.sleep(3)
        new = {backup["label"] for backup in json.loads(backups())[0]["backup"]} - labels
    assert new, (Path("/var/log/howdah") / ENVIRONMENT / "backup.log").read_text()
    log = (Path("/var/log/howdah") / ENVIRONMENT / "backup.log").read_text()
    assert f"{NAME}: diff backup" in log


def test_each_repository_has_its_backups() -> None:
    info = json.loads(backups())[0]
    assert [(found["key"], found["status"]["code"]) for found in info["repo"]] == [(1, 0), (2, 0)]
    assert {backup["database"]["repo-key"] for backup in info["backup"]} == {1, 2}


@pytest.mark.parametrize(
    ("repository", "where"), [(1, f"{STATE}/repository"), (2, f"{STATE.parent}-{ENVIRONMENT}-second")]
)
def test_a_drill_proves_the_last_backup(host, repository: int, where: str) -> None:
    """With the instance's own rules of access: applications log in over TLS, each to its database."""
    command = f"/usr/local/bin/howdah-{ENVIRONMENT}"
    done = run(command, "drill", "--instance", ENVIRONMENT, "--repo", str(repository), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    drill = json.loads(done.stdout)
    assert (drill["verdict"], drill["repository"]) == ("proven", where)
    assert (drill["databases"], drill["logins"]) == (6, 5)
    assert not run("docker", "ps", "--all", "--quiet", "--filter", f"name={NAME}-drill").stdout
    schedule = Path(f"/etc/cron.d/{NAME}-drill").read_text()
    page = f"{STATE}/reports/drill{'' if repository == 1 else f'-{repository}'}.html"
    assert f"drill --instance {CONFIG}/instance.yml --repo {repository} --report {page}" in schedule


def test_status_says_that_all_is_well() -> None:
    page = json.loads(run(f"/usr/local/bin/howdah-{ENVIRONMENT}", "status", "--instance", ENVIRONMENT, "--json").stdout)
    assert page["problems"] == []
    assert page["server"]["checksum_failures"] == 0
    assert page["archive"]["failing"] is False
    assert [page[drill]["verdict"] for drill in ("drill", "second_drill")] == ["proven", "proven"]
    rules = (CONFIG / f"{NAME}-alerts.yml").read_text()
    assert 'howdah_drill_last_proven_timestamp_seconds{howdah_instance="' + NAME + '",repository="2"}' in rules


def test_after_a_restore_clients_of_the_pooler_go_on() -> None:
    """Its connections ended with the server that was stopped; a service must not see one of them."""
    assert through_pooler("SELECT 1").returncode == 0
    before = administrate("SELECT pg_postmaster_start_time()")
    command = (f"/usr/local/bin/howdah-{ENVIRONMENT}", "restore", "--instance", ENVIRONMENT, "--to", "latest",
               "--in-place", "--confirm", ENVIRONMENT, "--json")  # fmt: skip
    deadline = time.monotonic() + 90
    # 5: cron takes a backup at this moment.
    while (done := run(*command, timeout=400)).returncode == 5 and time.monotonic() < deadline:
        time.sleep(2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert administrate("SELECT pg_postmaster_start_time()") != before
    asked = through_pooler("SELECT current_user || ' ' || pg_is_in_recovery()")
    assert asked.stdout.strip() == "dadm_user false", json.loads(done.stdout)["pooler"] + asked.stderr


def test_command_runs_the_installed_engine() -> None:
    assert Path(f"/usr/local/bin/howdah-{ENVIRONMENT}").resolve().is_relative_to(f"/opt/howdah/{ENVIRONMENT}")
