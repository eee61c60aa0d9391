"""The page of a drill: verdict first, self-contained, for good and bad ones and for those that never got far."""

from __future__ import annotations

import re

import pytest

from howdah.drill import page
from howdah.drill.model import Drill, DrillFinding
from howdah.drill.verdict import interrupted

GOOD = Drill(
    identity="drill-1", instance="howdah-shop", environment="shop", howdah_version="0",
    started_at="2026-01-01T00:00:00.000+00:00", finished_at="2026-01-01T00:01:00.000+00:00", verdict="proven",
    exit_code=0, sentence="Backup b brings back 1,234 rows.", backup="b", backup_kind="full", backup_age_seconds=90_000,
    point="drill-1", target_lsn="0/1", reached_lsn="0/2", rpo_seconds=0.5, rto_seconds=30.0,
    phases={"prepare": 10.0, "restore": 20.0, "replay": 10.0, "verify": 20.0}, bytes=5_000_000, segments=3,
    databases=1, tables=2, rows=1234, facts=50, logins=1,
)  # fmt: skip
BAD = GOOD.model_copy(
    update={
        "verdict": "failed",
        "failure": "different",
        "sentence": "Table a has 1 row.",
        "next_step": "Take a full backup.",
        "findings": (DrillFinding(check="comparison", message="Policy <script>alert(1)</script> is missing."),),
    }
)


def text(html: str) -> str:
    body = html.partition("<main>")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_a_good_drill_says_so_first():
    shown = text(page.render(GOOD, [GOOD]))
    assert shown.index("proven Backup b brings back 1,234 rows.") < shown.index("How long it took")
    assert "What is wrong" not in shown
    assert "25 h old" in shown
    assert "RTO) 30.0 s" in shown


def test_the_charts_are_of_the_drills_repository_alone():
    other = GOOD.model_copy(update={"repository": "/srv/second"})
    html = page.render(other, [GOOD, GOOD, other])
    assert html.count("<circle") == page.render(GOOD, [GOOD]).count("<circle") > 0
    assert "in /srv/second" in text(html)


def test_a_bad_drill_names_what_is_wrong_and_the_next_step():
    html = page.render(BAD, [GOOD, BAD])
    assert "Next: Take a full backup." in text(html)
    assert "What is wrong" in text(html)
    assert "<script>" not in html


@pytest.mark.parametrize("drill", [GOOD, BAD, interrupted(GOOD), Drill(**GOOD.model_dump(
    include={"identity", "instance", "environment", "howdah_version", "started_at"}))])  # fmt: skip
def test_the_page_needs_nothing_else(drill):
    html = page.render(drill, [drill])
    assert not re.search(r"(src|href)=|@import|url\(", html)


def test_the_timeline_is_the_whole():
    bars = page.timeline(GOOD)
    assert [bar.name for bar in bars] == ["prepare", "restore", "replay", "verify"]
    assert bars[-1].start + bars[-1].width == pytest.approx(100)


def test_a_chart_stays_in_its_frame_and_skips_what_has_no_figure():
    drills = [GOOD, BAD, GOOD]
    made = page.chart("RTO", drills, [30.0, None, 0.0])
    assert made.line.count(",") == 2
    for dot in made.dots:
        assert page.EDGE <= dot.x <= page.WIDTH - page.EDGE
        assert dot.y is None or page.EDGE <= dot.y <= page.HEIGHT - page.EDGE


def test_old_drills_leave_the_chart():
    html = page.render(GOOD, [GOOD] * 100)
    assert html.count("<circle") == 2 * page.SHOWN
