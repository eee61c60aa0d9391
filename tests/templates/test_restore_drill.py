"""The schedule of drills: cron takes it, every night and after a night without the host."""

from __future__ import annotations

import re

import pytest

from tests.templates.conftest import environments, lines

CRON = "roles/restore_drill/templates/cron.j2"


def jobs(text):
    return [line for line in lines(text) if not re.match(r"[A-Z]+=", line)]


def test_there_is_a_job_every_night_and_one_that_makes_up_for_it(render):
    nightly, missed = jobs(render(CRON))
    command = (
        "/usr/local/bin/howdah drill --instance /etc/howdah/instance.yml --report /var/lib/howdah/reports/drill.html"
    )
    assert nightly == f"45 3 * * * root {command} >>/var/log/howdah/drill.log 2>&1"
    assert missed == f"@reboot root sleep 300 && {command} --if-older 26 >>/var/log/howdah/drill.log 2>&1"
    assert render(CRON).endswith("\n")


def test_limits_are_passed_on(render):
    for job in jobs(render(CRON, restore_drill_max_rto_seconds=600, restore_drill_max_rpo_seconds=60)):
        assert "--max-rto 600 --max-rpo 60" in job


@pytest.mark.parametrize("environment", environments())
def test_cron_reads_the_files_name_and_it_is_not_that_of_backups(wired, environment):
    name = wired(environment, "restore_drill_cron_name")
    assert re.fullmatch(r"[A-Za-z0-9_-]+", name)
    assert name != wired(environment, "backup_cron_name")
