"""A backup is judged by what the repository says afterwards; metrics keep the last good one.

The container is a stand-in here that answers as pgBackRest 2.44 does; the real one is asked by the scenarios.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from howdah import backup, continuity, metrics
from howdah.backup import Backup, BackupFailed, read_info, take
from howdah.errors import ArchiveIncomplete, ConfigurationError, HowdahError, LockHeld
from howdah.execs import Output
from howdah.locks import is_held, one_at_a_time

LAST_SUCCESS = "howdah_backup_last_success_timestamp_seconds"


def entry(label: str, kind: str = "full", stop: int = 1_700_000_060, *, error: bool | None = False) -> dict[str, Any]:
    """One backup as ``pgbackrest info --output=json`` lists it."""
    return {
        "archive": {"start": "000000010000000000000002", "stop": "000000010000000000000003"},
        "backrest": {"format": 5, "version": "2.44"},
        "database": {"id": 1, "repo-key": 1},
        "error": error,
        "info": {"delta": 30_000_000, "repository": {"delta": 4_000_000, "size": 4_000_000}, "size": 30_000_000},
        "label": label,
        "lsn": {"start": "0/2000028", "stop": "0/3000050"},
        "prior": None,
        "reference": None,
        "timestamp": {"start": stop - 60, "stop": stop},
        "type": kind,
    }


def info(*backups: dict[str, Any], code: int = 0, message: str = "ok", name: str = "main") -> str:
    return json.dumps(
        [
            {
                "archive": [],
                "backup": list(backups),
                "cipher": "aes-256-cbc",
                "db": [{"id": 1, "repo-key": 1, "system-id": 7_300_000_000_000_000_000, "version": "15"}],
                "name": name,
                "repo": [{"cipher": "aes-256-cbc", "key": 1, "status": {"code": code, "message": message}}],
                "status": {"code": code, "lock": {"backup": {"held": False}}, "message": message},
            }
        ]
    )


class Repository:
    """Answers pgBackRest's commands; remembers them."""

    def __init__(self) -> None:
        self.backups: list[dict[str, Any]] = []
        self.commands: list[Sequence[str]] = []
        self.next: dict[str, Any] | None = entry("20231114-221320F")
        self.answer = Output(0, "", "")
        self.info = Output(0, "", "")

    def __call__(self, container: str, command: Sequence[str]) -> Output:
        assert container == "howdah-test-postgres"
        assert command[0] == "pgbackrest"
        assert "--stanza=main" in command
        self.commands.append(command)
        if "info" in command:
            return self.info if self.info.code or self.info.out else Output(0, info(*self.backups), "")
        if "backup" in command and self.answer.code == 0 and self.next:
            self.backups.append(self.next)
        return self.answer

    @property
    def kinds(self) -> list[str]:
        return [part for command in self.commands for part in command if part.startswith("--type=")]


@pytest.fixture
def repository(monkeypatch):
    stand_in = Repository()
    monkeypatch.setattr(backup, "run_in", stand_in)
    monkeypatch.setattr(backup, "PATIENCE_SECONDS", 0.0)
    # What it needs is a server: tests/instances asks a real one.
    monkeypatch.setattr(backup, "_write_manifest", lambda *_: None)
    monkeypatch.setattr(backup, "_check_continuity", lambda *_: ())
    return stand_in


def figures(instance):
    return metrics.read(instance.metrics_dir / "howdah_backup.prom")


def test_the_list_is_read_with_its_figures():
    first, second = entry("20231114-221320F"), entry("20231114-221320F_20231115-221320D", "diff", error=True)
    assert read_info(info(first, second), "main") == [
        Backup(
            label="20231114-221320F",
            kind="full",
            started=1_700_000_000,
            stopped=1_700_000_060,
            size=30_000_000,
            repository_size=4_000_000,
            error=False,
            wal_start="000000010000000000000002",
            wal_stop="000000010000000000000003",
        ),
        read_info(info(second), "main")[0],
    ]
    assert read_info(info(second), "main")[0].error is True


def test_what_pgbackrest_leaves_open_is_read_too():
    """Before a page was looked at ``error`` is null, and without archiving there is no segment."""
    open_ended = entry("20231114-221320F", error=None) | {"archive": {"start": None, "stop": None}}
    (found,) = read_info(info(open_ended), "main")
    assert (found.error, found.wal_start, found.wal_stop) == (False, "", "")


def test_a_repository_without_backups_is_well():
    assert read_info(info(code=2, message="no valid backups"), "main") == []


@pytest.mark.parametrize("text", ["[]", info(entry("20231114-221320F"), name="other")])
def test_a_stanza_that_is_not_listed_is_missing(text):
    with pytest.raises(BackupFailed, match="knows no stanza main"):
        read_info(text, "main")


@pytest.mark.parametrize(
    ("code", "message"),
    [(1, "missing stanza path"), (3, "missing stanza data"), (5, "database mismatch across repos"), (99, "other")],
)
def test_a_bad_status_is_said_in_pgbackrests_words(code, message):
    with pytest.raises(BackupFailed, match=f"not well: {message}"):
        read_info(info(entry("20231114-221320F"), code=code, message=message), "main")


def test_a_backup_is_returned_as_the_repository_lists_it(instance, repository):
    assert take(instance).label == "20231114-221320F"
    found = figures(instance)
    assert found["howdah_backup_last_run_success"] == 1.0
    assert found[LAST_SUCCESS] == 1_700_000_060
    assert found["howdah_backup_last_size_bytes"] == 30_000_000


def test_metrics_say_whose_they_are(instance, repository):
    take(instance)
    text = (instance.metrics_dir / "howdah_backup.prom").read_text()
    assert f'{LAST_SUCCESS}{{environment="test",howdah_instance="howdah-test"}} 1700000060\n' in text


@pytest.mark.parametrize(
    ("kind", "there", "asked"),
    [
        ("auto", [], "--type=full"),
        ("auto", [entry("20231001-000000F")], "--type=diff"),
        ("full", [entry("20231001-000000F")], "--type=full"),
        ("incr", [entry("20231001-000000F")], "--type=incr"),
    ],
)
def test_auto_is_full_first_and_differential_after(instance, repository, kind, there, asked):
    repository.backups = list(there)
    take(instance, kind)
    assert repository.kinds == [asked]


def test_an_unknown_type_is_refused_before_anything_runs(instance, repository):
    with pytest.raises(ConfigurationError, match="no backup of type 'weekly'"):
        take(instance, "weekly")
    assert not repository.commands
    assert not instance.state_dir.exists()


def damaged(repository):
    repository.next = entry("20231116-221320F", stop=1_700_200_000, error=True)


def failing(repository):
    repository.answer = Output(41, "", "WARN: it is late\nERROR: [041]: unable to open file\n")


def busy(repository):
    repository.answer = Output(50, "", "ERROR: [050]: unable to acquire lock")


def silent(repository):
    repository.next = None


def unreachable(repository):
    repository.info = Output(55, "", "ERROR: [055]: unable to read the repository")


@pytest.mark.parametrize(
    ("happens", "error", "said"),
    [
        (damaged, BackupFailed, "Backup 20231116-221320F holds pages that fail their checksum"),
        (failing, BackupFailed, r"The diff backup failed \(41\): ERROR: \[041\]: unable to open file\."),
        (busy, LockHeld, "pgBackRest is busy"),
        (silent, BackupFailed, "lists no new backup"),
        (unreachable, BackupFailed, r"pgbackrest info failed: ERROR: \[055\]"),
    ],
)
def test_a_failure_is_said_and_keeps_the_last_success(instance, repository, happens, error, said):
    take(instance)
    good = figures(instance)
    repository.next = entry("20231115-221320F_20231116-221320D", "diff", stop=1_700_100_000)
    happens(repository)
    with pytest.raises(error, match=said) as raised:
        take(instance)
    assert raised.value.next_step
    bad = figures(instance)
    assert bad["howdah_backup_last_run_success"] == 0.0
    assert bad[LAST_SUCCESS] == good[LAST_SUCCESS] == 1_700_000_060
    assert bad["howdah_backup_last_size_bytes"] == good["howdah_backup_last_size_bytes"]


def test_a_first_failure_has_no_success_to_keep(instance, repository):
    failing(repository)
    with pytest.raises(BackupFailed):
        take(instance)
    assert figures(instance)[LAST_SUCCESS] == 0.0


def test_a_good_backup_after_a_failure_moves_the_last_success(instance, repository):
    damaged(repository)
    with pytest.raises(BackupFailed):
        take(instance)
    repository.next = entry("20231117-221320F", stop=1_700_300_000)
    take(instance)
    assert figures(instance)[LAST_SUCCESS] == 1_700_300_000


def test_a_second_backup_at_the_same_time_is_refused_and_disturbs_nothing(instance, repository):
    take(instance)
    before = (instance.metrics_dir / "howdah_backup.prom").read_text()
    commands = len(repository.commands)
    with (instance.state_dir / "backup.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LockHeld, match="Another backup of howdah-test is running"):
            take(instance)
    assert len(repository.commands) == commands
    assert (instance.metrics_dir / "howdah_backup.prom").read_text() == before


HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def test_the_lock_goes_when_its_holder_is_killed(instance, repository):
    instance.state_dir.mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(instance.state_dir / "backup.lock")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockHeld):
            take(instance)
    finally:
        holder.kill()
        holder.communicate()
    assert take(instance).label == "20231114-221320F"


def test_two_that_start_together_do_not_both_get_the_lock(instance):
    with one_at_a_time(instance, "backup"), pytest.raises(LockHeld), one_at_a_time(instance, "backup"):
        pytest.fail("both hold it")


def test_a_backup_and_a_drill_may_run_at_the_same_time(instance):
    with one_at_a_time(instance, "backup"), one_at_a_time(instance, "drill"):
        pass


def test_a_backup_without_a_manifest_is_a_failure(instance, repository, monkeypatch):
    def refuse(instance: Any, taken: Backup) -> None:
        raise BackupFailed("Backup is good, but there is no manifest to prove it by.")

    monkeypatch.setattr(backup, "_write_manifest", refuse)
    with pytest.raises(BackupFailed, match="no manifest"):
        take(instance)
    assert figures(instance)["howdah_backup_last_run_success"] == 0
    assert figures(instance)[LAST_SUCCESS] == 0


def test_the_lock_is_free_again_after_a_failure(instance, repository):
    failing(repository)
    for _ in range(2):
        with pytest.raises(BackupFailed):
            take(instance)


@pytest.mark.parametrize("code", [0, 2])
def test_a_stanza_that_is_there_is_left_alone(instance, repository, code):
    repository.info = Output(0, info(code=code), "")
    assert backup.prepare(instance) is False
    assert not any("stanza-create" in command for command in repository.commands)


@pytest.mark.parametrize(("dry_run", "created"), [(False, 1), (True, 0)])
def test_a_missing_stanza_is_created_unless_only_asked_for(instance, repository, dry_run, created):
    repository.info = Output(0, info(code=1, message="missing stanza path"), "")
    assert backup.prepare(instance, dry_run=dry_run) is True
    assert sum("stanza-create" in command for command in repository.commands) == created


def test_a_repository_of_another_cluster_is_refused(instance, repository):
    repository.info = Output(0, info(code=5, message="database mismatch across repos"), "")
    repository.answer = Output(28, "", "ERROR: [028]: backup and archive info files do not match the database")
    with pytest.raises(BackupFailed, match=r"cannot be used: ERROR: \[028\]") as raised:
        backup.prepare(instance)
    assert "howdah_repository_dir" in raised.value.next_step


def test_a_check_that_fails_is_said(instance, repository):
    backup.check(instance)
    repository.answer = Output(82, "", "ERROR: [082]: WAL segment was not archived before the 60000ms timeout")
    with pytest.raises(HowdahError, match=r"Archiving does not work: ERROR: \[082\]"):
        backup.check(instance)


@pytest.mark.parametrize(
    ("listed", "kind"),
    [
        ([], "full"),
        ([("full", False)], "diff"),
        ([("full", True)], "full"),
        ([("full", False), ("diff", True)], "diff"),
    ],
)
def test_auto_is_full_unless_the_newest_full_one_is_undamaged(listed, kind):
    backups = [
        backup.Backup(f"{n}", made, n, n, 1, 1, error, "", "") for n, (made, error) in enumerate(listed, start=1)
    ]
    assert backup.next_kind(backups) == kind


def test_of_what_pgbackrest_says_its_error_is_told_and_not_its_last_hint(instance, repository):
    repository.answer = Output(41, "", "ERROR: [041]: unable to load info file:\n  HINT: has it been created?\n")
    with pytest.raises(BackupFailed, match=r"ERROR: \[041\]: unable to load info file\. The last"):
        take(instance)


def test_what_a_wrong_key_makes_of_the_answer_is_read_and_not_shown():
    """Seen with pgBackRest 2.45: the bytes that it could not decrypt are in the message as they are."""
    text = info(code=99, message="[FormatError] unable to load info file:\nkey/value: GARBAGE")
    with pytest.raises(BackupFailed, match="unable to load info file") as raised:
        read_info(text.replace("GARBAGE", "\x19\x0e"), "main")
    assert "key/value" not in str(raised.value)
    assert "docs/runbooks/key.md" in raised.value.next_step


def test_a_repository_that_is_declared_no_more_has_no_metrics_that_would_grow_old(instance, repository):
    left = instance.metrics_dir / "howdah_backup_repository_2.prom"
    left.parent.mkdir(parents=True)
    left.write_text("")
    take(instance)
    assert not left.exists()


def test_a_gap_fails_the_run_and_keeps_the_last_success(instance, repository, monkeypatch):
    take(instance)
    repository.next = entry("20231115-221320F", stop=1_700_100_000)

    def gap(*_):
        raise ArchiveIncomplete("The archive has a gap.", "Take a backup.")

    monkeypatch.setattr(backup, "_check_continuity", gap)
    with pytest.raises(ArchiveIncomplete):
        take(instance)
    assert figures(instance)["howdah_backup_last_run_success"] == 0.0
    assert figures(instance)[LAST_SUCCESS] == 1_700_000_060


def test_what_a_killed_backup_left_running_is_waited_for(instance, repository, monkeypatch):
    monkeypatch.setattr(backup, "PATIENCE_SECONDS", 60.0)
    monkeypatch.setattr(backup.time, "sleep", lambda _: setattr(repository, "answer", Output(0, "", "")))
    busy(repository)
    assert take(instance).label == "20231114-221320F"


@pytest.mark.parametrize("gaps", [1, 2])
def test_a_gap_must_be_there_when_looked_at_again(instance, monkeypatch, gaps):
    """Backups may expire, with their segments, while somebody lists the one and then the other."""
    monkeypatch.setattr(backup, "run_in", Repository())
    looks = []

    def look(*_):
        looks.append(1)
        if len(looks) <= gaps:
            raise ArchiveIncomplete("The archive has a gap.", "Take a backup.")

    monkeypatch.setattr(continuity, "check", look)
    if gaps == 1:
        backup.check(instance)
    else:
        with pytest.raises(ArchiveIncomplete):
            backup.check(instance)
    assert len(looks) == 2


def test_who_only_asks_whether_it_runs_is_in_nobodys_way(instance, monkeypatch):
    assert not is_held(instance, "restore")
    asks = (instance.state_dir / "restore.lock").open("w")
    fcntl.flock(asks, fcntl.LOCK_SH)
    assert not is_held(instance, "restore")
    monkeypatch.setattr("howdah.locks.time.sleep", lambda _: asks.close())
    with one_at_a_time(instance, "restore"):
        assert is_held(instance, "restore")
