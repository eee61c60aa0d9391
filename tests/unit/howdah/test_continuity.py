"""A gap is what is missing on the way from the oldest backup to now, and nothing else is one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howdah import continuity, wal
from howdah.backup import Backup
from howdah.continuity import Gap, ServerWal

SIZE = 16 * 2**20
FIRST, SECOND = "00000001", "00000002"


def segment(place: int, timeline: str = FIRST) -> str:
    return wal.name(place, timeline, SIZE)


def listing(segments: Iterable[str], archive: str = "15-1") -> str:
    paths = {f"{archive}/{name[:16]}/{name}-{'a' * 40}.zst": {"type": "file"} for name in segments}
    return json.dumps({**paths, archive: {"type": "path"}, f"{archive}/00000002.history": {"type": "file"}})


def backup(label: str, start: int, timeline: str = FIRST) -> Backup:
    return Backup(label, "full", 0, 1, 9, 9, False, segment(start, timeline), segment(start + 1, timeline))


def server(last: int, timeline: str = FIRST, *ends: int) -> ServerWal:
    history = "".join(f"{number}\t{end >> 8:X}/{(end & 255) << 24:X}\twhy\n" for number, end in enumerate(ends, 1))
    return ServerWal(tuple(wal.begins(history, timeline, SIZE)), SIZE, segment(last, timeline))


OLD, NEW = backup("old", 250), backup("new", 260)
ALL = [segment(place) for place in range(250, 271)]


def test_a_whole_archive_has_no_gap():
    assert continuity.find(server(270), listing(ALL), [OLD, NEW]) is None


@given(st.sets(st.integers(250, 270), min_size=1))
def test_whatever_is_missing_is_named_and_nothing_else(lost):
    gap = continuity.find(server(270), listing(set(ALL) - {segment(place) for place in lost}), [OLD, NEW])
    broken = (OLD, NEW) if max(lost) >= 260 else (OLD,)
    after = NEW if max(lost) < 260 else None
    assert gap == Gap(tuple(segment(place) for place in sorted(lost)), segment(270), "old", broken, after)


def test_a_damaged_backup_leaves_no_gap_behind():
    lost = listing(set(ALL) - {segment(255)})
    assert continuity.find(server(270), lost, [OLD, replace(NEW, error=True)]).after is None
    assert continuity.find(server(270), lost, [OLD, NEW, replace(NEW, label="bad", error=True)]).after == NEW


def test_what_lies_before_the_oldest_backup_may_be_gone():
    assert continuity.find(server(270), listing(ALL[10:]), [NEW]) is None


def test_what_is_not_archived_yet_is_no_gap():
    assert continuity.find(server(268), listing(ALL[:-2]), [OLD, NEW]) is None


def test_what_the_server_archived_must_be_there_though_it_is_the_last():
    assert continuity.find(server(270), listing(ALL[:-1]), [OLD]).missing == (segment(270),)


@pytest.mark.parametrize("last", ["", "00000002.history", f"{segment(270)}.00000028.backup"])
def test_a_small_file_that_was_archived_last_says_nothing(last):
    found = continuity.find(ServerWal(((0, FIRST),), SIZE, last), listing(ALL[:-1]), [OLD])
    assert found is None


def test_after_a_restore_the_wal_goes_on_on_the_new_timeline():
    whole = [segment(place) for place in range(250, 258)] + [segment(place, SECOND) for place in range(255, 262)]
    now = server(261, SECOND, 255)
    assert continuity.find(now, listing(whole), [OLD]) is None
    # The old timeline's segment of that number does not fill its place.
    assert segment(256) in whole
    gap = continuity.find(now, listing(set(whole) - {segment(256, SECOND)}), [OLD])
    assert gap.missing == (segment(256, SECOND),)


def test_a_backup_of_a_timeline_that_was_left_leads_nowhere():
    left = backup("left", 257)
    there = [segment(place, SECOND) for place in range(255, 262)]
    assert continuity.find(server(261, SECOND, 255), listing(there), [left]) is None


def test_the_archive_of_an_earlier_cluster_is_not_looked_at():
    both = json.loads(listing(ALL)) | json.loads(listing([segment(9)], "15-2"))
    assert continuity.find(server(270), json.dumps(both), [OLD]) is None


def test_the_sentence_names_segment_and_timeline_and_says_what_is_lost(instance):
    gap = Gap((segment(251),), segment(270), "old", (OLD,), NEW)
    told = continuity._passed(instance, ["pgbackrest"], gap, 1, NEW)
    assert told.startswith(
        "The archive has a gap: segment 0000000100000000000000FB of timeline 1 is missing between backup old and"
        " 00000001000000010000000E. Backup new begins after it: every time since 1970-01-01T00:00:01Z can be restored,"
        " and none between the gap and that. old cannot be replayed beyond the gap;"
    )
    assert told.endswith("docker exec howdah-test-postgres pgbackrest expire --set=old")
    more = Gap((segment(261), segment(262)), segment(270), "old", (OLD, NEW))
    assert "and 1 more are missing" in continuity._sentence(instance, more, 1)
