"""The drill is red: for each exit code a fault, and the runbook's own commands, which lead back to a green drill."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from howdah import backup
from howdah.drill import history
from howdah.drill.model import Drill
from howdah.drill.run import Copy, run
from tests import pages
from tests.instances.provision import Place

PAGE = "docs/runbooks/drill.md"
ENDS = re.compile(r"# ends with (\d+)")


@pytest.fixture(scope="module", autouse=True)
def taken(place: Place) -> backup.Backup:
    return backup.take(place.instance)


def follow(place: Place, heading: str, between: Callable[[], None] | None = None) -> str:
    """Type what the page says below a heading, and return what was said; then the last drill is green.

    :param between: what the page tells in words, done before the last command.
    """
    said = ""
    commands = [line for line in pages.commands(PAGE, heading, ENV=place.instance.environment) if line.strip()]
    for number, command in enumerate(commands, 1):
        if between and number == len(commands):
            between()
        done = pages.run(command)
        expected = int(found[1]) if (found := ENDS.search(command)) else 0
        assert done.returncode == expected, f"{command}: {done.returncode} {done.stdout} {done.stderr}"
        said += done.stdout + done.stderr
    assert history.read(place.instance)[-1].verdict == "proven"
    return said


def red(drill: Drill, code: int) -> Drill:
    assert (drill.verdict, drill.exit_code) == ("failed", code), drill
    return drill


def broken(file: Path) -> None:
    """Turn bytes in the middle of a file."""
    whole = file.read_bytes()
    middle = len(whole) // 2
    file.write_bytes(whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle : middle + 64]) + whole[middle + 64 :])


def archived(place: Place, statement: str = "CREATE TABLE IF NOT EXISTS more (a int)") -> Path:
    """Return the file of a segment that was just written and archived."""
    place.query(statement)
    segment = place.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
    place.query("SELECT pg_switch_wal()")
    backup.check(place.instance)
    (file,) = place.instance.repository.path.rglob(f"{segment}-*")
    return file


def test_first_look_and_too_slow(place):
    red(run(place.instance, max_rto=0.01), 13)
    first, status = pages.commands(PAGE, "First look", ENV=place.instance.environment)
    look = pages.run(first)
    assert (look.returncode, "0 s are asked for" in look.stdout) == (13, True)
    assert "The last drill failed: Restore and replay took" in pages.run(status).stdout
    assert '"phases"' in follow(place, "13: it takes too long, or is too old")


def test_an_application_that_cannot_log_in(place):
    secret = place.file.parent / "secrets" / "shop_user"
    right = secret.read_text()
    secret.write_text("another password\n")
    try:
        red(run(place.instance), 12)
        # What playbooks/site.yml does: role and file have one password again.
        said = follow(place, "12: an application cannot log in", lambda: secret.write_text(right) and None)
        assert "shop_user" in said
    finally:
        secret.write_text(right)


def test_something_else_came_back(place):
    def meddle(copy: Copy) -> None:
        with psycopg.connect(copy("shop_db"), autocommit=True) as connection:
            connection.execute("DELETE FROM customers WHERE id = 7")

    red(run(place.instance, before_comparison=meddle), 4)
    assert "Table public.customers of shop_db has 499 rows instead of 500." in follow(
        place, "4: what came back is something else"
    )


def test_a_backup_that_cannot_be_read(place):
    label = backup.list_backups(place.instance)[-1].label
    folder = place.instance.repository.path / "backup" / "main" / label
    broken(max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size))
    red(run(place.instance), 8)
    assert label in follow(place, "8: the backups cannot be read")


def test_a_replay_that_does_not_arrive(place):
    file = archived(place, "INSERT INTO customers (name) SELECT 'customer' FROM generate_series(1, 3000)")
    broken(file)
    red(run(place.instance), 10)
    assert file.name[:24] in follow(place, "10: the restore did not arrive")


def test_damage_in_an_index(place):
    """Its order is no longer what its function says: so in the server as in each copy of it."""
    for statement in (
        "CREATE FUNCTION compared(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT btint4cmp($1, $2)'",
        "CREATE OPERATOR CLASS compared_ops FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =,"
        " OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 compared(int, int)",
        "CREATE INDEX customers_by_id ON customers (id compared_ops)",
        "CREATE OR REPLACE FUNCTION compared(int, int) RETURNS int IMMUTABLE LANGUAGE sql"
        " AS 'SELECT btint4cmp($2, $1)'",
    ):
        place.query(statement)
    red(run(place.instance), 11)
    assert "customers_by_id" in follow(place, "11: what came back is damaged")


KILLED = """
import os, sys
from howdah import instance
from howdah.drill.run import run
run(instance.load(sys.argv[1]), before_comparison=lambda copy: os.kill(os.getpid(), 9))
"""


def test_a_drill_that_was_killed(place):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(place.file)], capture_output=True, check=False)
    assert killed.returncode == -9
    assert f"{place.instance.name}-drill" in follow(place, "Anything else")
    assert history.read(place.instance)[-2].failure == "interrupted"


def test_a_gap_in_the_archive(place):
    """Last: the archive's older backups lead to a gap from here on."""
    file = archived(place)
    file.unlink()
    red(run(place.instance), 9)
    said = follow(place, "9: the archive has a gap")
    assert f"segment {file.name[:24]} of timeline 1 is missing" in said
