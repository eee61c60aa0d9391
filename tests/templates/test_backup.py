"""The backup's files: an encrypted repository, and a schedule that cron takes."""

from __future__ import annotations

import configparser
import re

import pytest

from tests.templates.conftest import defaults, environments, lines

FOLDER = "roles/backup/templates"
# minute, hour, day of month, month, day of week
RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
# What Debian's cron reads in /etc/cron.d; it passes over any other name without a word.
CRON_NAME = re.compile(r"[A-Za-z0-9_-]+")


def jobs(text):
    return [line for line in lines(text) if not re.match(r"[A-Z]+=", line)]


def check_field(field, lowest, highest):
    for part in field.split(","):
        match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
        assert match, field
        numbers = [int(number) for number in match.group(1, 2) if number]
        assert all(lowest <= number <= highest for number in numbers), field
        assert numbers == sorted(numbers), field


def test_every_job_has_a_time_a_user_and_a_command(render):
    *found, missed = jobs(render(f"{FOLDER}/cron.j2"))
    assert len(found) == 3
    assert missed.startswith("@reboot root ")
    for job in found:
        *when, user, command = job.split(maxsplit=6)
        for field, (lowest, highest) in zip(when, RANGES, strict=True):
            check_field(field, lowest, highest)
        assert user == "root"
        assert command.startswith("/usr/local/bin/howdah backup --instance /etc/howdah/instance.yml --")
        assert command.endswith(" >>/var/log/howdah/backup.log 2>&1")


def test_there_is_a_full_a_differential_and_a_check(render):
    assert [re.search(r"--(type full|type diff|check)", job)[1] for job in jobs(render(f"{FOLDER}/cron.j2"))[:3]] == [
        "type full",
        "type diff",
        "check",
    ]


def test_what_was_missed_while_the_host_was_off_is_made_up_for(render):
    command = "/usr/local/bin/howdah backup --instance /etc/howdah/instance.yml"
    assert jobs(render(f"{FOLDER}/cron.j2"))[-1] == (
        f"@reboot root sleep 120 && {{ {command} --type full --if-older 170; {command} --if-older 26; }}"
        " >>/var/log/howdah/backup.log 2>&1"
    )


def test_a_full_and_a_differential_backup_never_start_together():
    schedules = defaults("backup")
    full, diff = schedules["backup_full_schedule"].split(), schedules["backup_diff_schedule"].split()
    first, last = (int(day) for day in diff[4].split("-"))
    assert int(full[4]) not in range(first, last + 1)


def test_cron_knows_shell_and_path_and_the_last_line_ends(render):
    text = render(f"{FOLDER}/cron.j2")
    assert "SHELL=/bin/sh\n" in text
    assert re.search(r"^PATH=.*/usr/local/bin.*/usr/bin", text, re.MULTILINE)
    assert text.endswith("\n"), "cron ignores a last line without an end"


def test_no_percent_sign_becomes_a_line_end(render):
    assert "%" not in render(f"{FOLDER}/cron.j2")


def test_the_inventory_sets_the_times(render):
    text = render(f"{FOLDER}/cron.j2", backup_diff_schedule="*/5 * * * *")
    assert jobs(text)[1].startswith("*/5 * * * * root ")


def test_cron_takes_the_default_name():
    assert CRON_NAME.fullmatch(defaults("backup")["backup_cron_name"])


@pytest.mark.parametrize("environment", environments())
def test_cron_takes_the_name_of_an_environment(wired, environment):
    assert CRON_NAME.fullmatch(wired(environment, "backup_cron_name"))


@pytest.mark.parametrize("environment", environments())
def test_the_job_of_an_environment_is_about_its_instance(render, wired, environment):
    names = ("backup_command", "backup_instance_file", "backup_log_dir", "backup_container")
    text = render(f"{FOLDER}/cron.j2", **{name: wired(environment, name) for name in names})
    assert all(f"--instance /etc/howdah/{environment}/instance.yml " in job for job in jobs(text))


@pytest.fixture
def repository(render):
    def parsed(**said):
        parser = configparser.ConfigParser(interpolation=None, delimiters="=")
        parser.read_string(render(f"{FOLDER}/pgbackrest.conf.j2", **said))
        return parser

    return parsed


def test_the_repository_is_encrypted_with_a_mark_for_its_passphrase(repository):
    found = repository()["global"]
    assert found["repo1-cipher-type"] == "aes-256-cbc"
    assert found["repo1-cipher-pass"] == "@@repository-passphrase@@"


def test_the_stanza_is_the_declared_one_and_the_only_one(repository):
    found = repository(backup_stanza="other")
    assert found.sections() == ["global", "other"]
    assert found["other"]["pg1-path"] == "/var/lib/postgresql/15/main"


def test_retention_is_the_declared_one(repository):
    found = repository(backup_retention_full=4, backup_retention_diff=14)["global"]
    assert (found["repo1-retention-full"], found["repo1-retention-diff"]) == ("4", "14")


def test_the_log_is_rotated_where_the_jobs_write_it(render):
    text = render(f"{FOLDER}/logrotate.j2", backup_log_dir="/var/log/howdah/test")
    assert lines(text)[0] == "/var/log/howdah/test/*.log {"
    assert lines(text)[-1] == "}"
    assert {"compress", "missingok", "notifempty"} <= {line.strip() for line in lines(text)}


def test_without_a_second_repository_nothing_speaks_of_one(repository):
    parsed = repository()
    assert not [key for key in parsed["global"] if key.startswith(("repo2", "spool"))]
    assert "global:archive-push" not in parsed


def test_a_second_folder_gets_every_segment_on_its_own(repository):
    parsed = repository(backup_second_repository={"path": "/srv/second", "retention_full": 5})
    found = parsed["global"]
    assert found["repo2-path"] == "/var/lib/pgbackrest2"
    assert (found["repo2-retention-full"], found["repo2-retention-diff"]) == ("5", "7")
    assert found["repo2-cipher-pass"] == "@@repository-passphrase@@"
    assert parsed["global:archive-push"]["archive-async"] == "y"
    assert found["spool-path"].startswith("/var/lib/postgresql/"), "the only place that outlives the container"


def test_a_store_is_spoken_to_with_marks_for_its_keys(repository):
    store = {"bucket": "backups", "endpoint": "s3.example.com", "port": 9000, "uri_style": "path", "ca_file": "/ca.crt"}
    found = repository(backup_second_repository=store)["global"]
    assert {key: found[key] for key in found if key.startswith(("repo2-s3", "repo2-storage", "repo2-type"))} == {
        "repo2-type": "s3",
        "repo2-s3-bucket": "backups",
        "repo2-s3-endpoint": "s3.example.com",
        "repo2-s3-region": "us-east-1",
        "repo2-s3-uri-style": "path",
        "repo2-s3-key": "@@repository2-key@@",
        "repo2-s3-key-secret": "@@repository2-key-secret@@",
        "repo2-storage-port": "9000",
        "repo2-storage-ca-file": "/etc/howdah/backup/repository2-ca.crt",
    }
    assert found["repo2-path"] == "/howdah"
    assert "verify-tls" not in "".join(found)


@pytest.mark.parametrize(
    ("mounts", "configured"),
    [(["/var/lib/pgbackrest"], False), (["/var/lib/pgbackrest", "/var/lib/pgbackrest2"], True)],
)
def test_a_folder_that_a_running_container_has_not_is_not_looked_for(repository, mounts, configured):
    host = {"containers": {"howdah-postgres": {"running": True, "mounts": mounts}}, "exists": {}}
    parsed = repository(backup_second_repository={"path": "/srv/second"}, __backup_host=host)
    assert ("repo2-path" in parsed["global"]) is configured


@pytest.mark.parametrize(
    ("declared", "place", "targets"),
    [
        ({}, "", ["/etc/howdah/backup", "/var/lib/pgbackrest"]),
        (
            {"path": "/srv/second"},
            "/srv/second",
            ["/etc/howdah/backup", "/var/lib/pgbackrest", "/var/lib/pgbackrest2"],
        ),
        (
            {"bucket": "backups", "endpoint": "s3.example.com"},
            "s3://backups/howdah",
            ["/etc/howdah/backup", "/var/lib/pgbackrest"],
        ),
    ],
)
def test_the_inventory_declares_the_second_repository(wired, declared, place, targets):
    said = {"howdah_second_repository": declared}
    assert wired("local", "howdah_runtime_instance.repository.second", **said) == place
    assert [mount["target"] for mount in wired("local", "postgres_server_mounts", **said)] == targets
    assert wired("local", "backup_second_repository", **said) == declared
