"""Two repositories: each gets every backup and all WAL, each can be drilled, and one that is broken is named."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from howdah import backup, metrics
from howdah.manifest import store
from howdah.status import ask
from tests.instances.provision import Place, howdah, provisioned


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with provisioned(second=True) as made:
        yield made


@pytest.fixture(scope="module")
def taken(place: Place) -> tuple[backup.Backup, ...]:
    return backup.take_each(place.instance).backups


@pytest.fixture
def broken(place: Place) -> Iterator[Path]:
    """The second repository's disk lets nobody in."""
    folder = Path(place.instance.repository.second)
    folder.chmod(0)
    yield folder
    folder.chmod(0o750)


def last_success(place: Place, file: str = "howdah_backup") -> dict[str, float]:
    return {
        name: value
        for name, value in metrics.read(place.instance.metrics_dir / f"{file}.prom").items()
        if name.endswith(("last_success_timestamp_seconds", "last_run_success"))
    }


def test_each_repository_has_a_backup_with_its_manifest_and_all_wal(place, taken):
    first, second = taken
    assert (first.repository, second.repository, first.kind, second.kind) == (1, 2, "full", "full")
    for found in taken:
        assert [listed.label for listed in backup.list_backups(place.instance, found.repository)] == [found.label]
        manifest = store.read(store.folder(place.instance) / f"backup-{found.label}.json")
        assert (manifest.backup, manifest.databases["shop_db"].tables["public.orders"].rows) == (found.label, 3000)
        assert last_success(place, f"howdah_backup_repository_{found.repository}") == {
            "howdah_backup_repository_last_success_timestamp_seconds": found.stopped,
            "howdah_backup_repository_last_run_success": 1,
        }
    assert howdah("backup", "--instance", str(place.file), "--check").returncode == 0
    folders = (place.instance.repository.path, Path(place.instance.repository.second))
    one, other = ({path.name for path in folder.rglob("archive/main/*/*/*.zst")} for folder in folders)
    # Each name ends with the digest of what is in it, before compression and encryption.
    assert one == other
    assert len(one) >= 3


def test_a_drill_of_the_second_repository_proves_it(place, taken):
    done = howdah("drill", "--instance", str(place.file), "--repo", "2", "--json")
    drill = json.loads(done.stdout)
    assert (done.returncode, drill["verdict"]) == (0, "proven"), drill
    assert (drill["backup"], drill["repository"]) == (taken[1].label, place.instance.repository.second)
    page = ask.gather(place.instance)
    assert page.second is not None
    assert page.second_drill is not None
    assert (page.second.label, page.second_drill.verdict, page.drill) == (taken[1].label, "proven", None)


def test_a_repository_that_there_is_not_is_refused(place):
    done = howdah("drill", "--instance", str(place.file), "--repo", "3")
    assert done.returncode == 2
    assert "There is no repository 3" in done.stderr


def test_a_broken_second_repository_is_named_and_the_first_is_served(place, taken, broken):
    before = last_success(place), last_success(place, "howdah_backup_repository_2")
    done = howdah("backup", "--instance", str(place.file))
    assert done.returncode == 1, done.stdout
    assert f"Repository 2 ({broken}): " in done.stderr
    new = backup.list_backups(place.instance)[-1]
    assert new.label != taken[0].label
    assert f"Repository 1 has its backup {new.label}." in done.stderr
    assert last_success(place) == before[0] | {"howdah_backup_last_run_success": 0}
    assert last_success(place, "howdah_backup_repository_1") == {
        "howdah_backup_repository_last_success_timestamp_seconds": new.stopped,
        "howdah_backup_repository_last_run_success": 1,
    }
    assert last_success(place, "howdah_backup_repository_2") == before[1] | {
        "howdah_backup_repository_last_run_success": 0
    }
    check = howdah("backup", "--instance", str(place.file), "--check")
    assert check.returncode == 1
    assert f"Archiving to repository 2 ({broken}) does not work: ERROR: [041]" in check.stderr
    drill = json.loads(howdah("drill", "--instance", str(place.file), "--json").stdout)
    assert (drill["verdict"], drill["backup"]) == ("proven", new.label), drill


def test_after_its_repair_the_second_repository_gets_what_it_missed(place, taken):
    done = howdah("backup", "--instance", str(place.file))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("diff backup") == 2
    folders = (place.instance.repository.path, Path(place.instance.repository.second))
    one, other = ({path.name for path in folder.rglob("archive/main/*/*/*.zst")} for folder in folders)
    assert one == other


def test_no_key_is_in_an_argument_list(place):
    """What runs in the container is told where its configuration is, and nothing of what is in it."""
    shown = subprocess.run(["docker", "inspect", place.instance.server.container], capture_output=True, text=True)
    assert "passphrase" not in shown.stdout
