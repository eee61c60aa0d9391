"""The schedule of metrics: cron takes it, under a name of its own."""

from __future__ import annotations

import re

import pytest

from tests.templates.conftest import environments, lines

CRON = "roles/monitoring/templates/cron.j2"


def test_there_is_one_job_that_writes_metrics(render):
    text = render(CRON)
    (job,) = [line for line in lines(text) if not re.match(r"[A-Z]+=", line)]
    command = "/usr/local/bin/howdah status --instance /etc/howdah/instance.yml --metrics"
    assert job == f"*/2 * * * * root {command} >>/var/log/howdah/status.log 2>&1"
    assert text.endswith("\n")


@pytest.mark.parametrize("environment", environments())
def test_cron_reads_the_files_name_and_it_is_nobody_elses(wired, environment):
    names = [wired(environment, f"{role}_cron_name") for role in ("monitoring", "backup", "restore_drill")]
    assert re.fullmatch(r"[A-Za-z0-9_-]+", names[0])
    assert len(set(names)) == 3
