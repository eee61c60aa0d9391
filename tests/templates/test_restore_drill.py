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
        "/usr/local/bin/howdah drill --instance /etc/howdah/instance.yml --repo 1 --report /var/lib/howdah/reports"
    )
    assert nightly == f"45 3 * * * root {{ {command}/drill.html; }} >>/var/log/howdah/drill.log 2>&1"
    assert missed == (
        f"@reboot root sleep 300 && {{ {command}/drill.html --if-older 26; }} >>/var/log/howdah/drill.log 2>&1"
    )
    assert render(CRON).endswith("\n")


def test_each_repository_is_drilled_one_after_the_other_whatever_became_of_the_first(render):
    for job in jobs(render(CRON, restore_drill_repositories=[1, 2])):
        one, other = job.partition("{ ")[2].partition("; }")[0].split("; ")
        assert " --repo 1 --report /var/lib/howdah/reports/drill.html" in one
        assert " --repo 2 --report /var/lib/howdah/reports/drill-2.html" in other
        assert one.endswith("--if-older 26") == other.endswith("--if-older 26") == job.startswith("@reboot")


@pytest.mark.parametrize("declared", [{}, {"path": "/srv/second"}])
def test_every_repository_that_is_declared_is_drilled(wired, declared):
    numbers = wired("production", "restore_drill_repositories", howdah_second_repository=declared)
    assert numbers == ([1, 2] if declared else [1])


def test_limits_are_passed_on(render):
    for job in jobs(render(CRON, restore_drill_max_rto_seconds=600, restore_drill_max_rpo_seconds=60)):
        assert "--max-rto 600 --max-rpo 60" in job


@pytest.mark.parametrize("environment", environments())
def test_cron_reads_the_files_name_and_it_is_not_that_of_backups(wired, environment):
    name = wired(environment, "restore_drill_cron_name")
    assert re.fullmatch(r"[A-Za-z0-9_-]+", name)
    assert name != wired(environment, "backup_cron_name")
