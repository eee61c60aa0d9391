"""From the stopped server to one that is back: restored and replayed beside, switched, started, archived, backed up."""

from __future__ import annotations

import re
from contextlib import suppress

from howdah import backup, pg
from howdah.backup import pgbackrest
from howdah.drill import point, recover
from howdah.errors import ArchiveIncomplete, HowdahError, RestoreFailed
from howdah.instance import run_in
from howdah.restore import server, state, volume
from howdah.restore.course import Course, Tools
from howdah.restore.prepare import forget, patient_backup
from howdah.restore.reach import Way
from howdah.restore.target import Target, place
from howdah.restore.volume import Standing

REPLAY_SECONDS = 6 * 3600.0
_TOO_LATE = "recovery ended before configured recovery target was reached"
_SETTINGS = (
    "restore_command", "recovery_target", "recovery_target_action", "recovery_target_inclusive", "recovery_target_lsn",
    "recovery_target_name", "recovery_target_time", "recovery_target_timeline", "recovery_target_xid",
)  # fmt: skip


def bring_back(course: Course, tools: Tools, way: Way) -> None:
    """Stop the server, then copy the backup back and replay it, beside what stands there.

    :raises HowdahError: it did not arrive.
    """
    with course.clock.stage("stop"):
        server.stop(tools.client, course.instance)
        course.stopped = True
        standing = volume.look(tools.copy, tools.layout)
        aside = tools.layout.replaced(course.identity)
        if course.in_place and (why := unarchived(course, standing)):
            volume.spare_wal(tools.copy, tools.layout, aside)
            course.facts |= {"kept": aside, "why_kept": why}
            course.note("kept")
    with course.clock.stage("restore"):
        text = (
            f"{course.identity}: {course.instance.name} is being brought back to {course.target.words}.\n"
            f"restoring is not a server to start. To finish it, run the same command again:\n"
            f"{course.command}"
        )
        there = volume.ready(tools.copy, tools.layout, text, in_place=course.in_place)
        options = [f"--pg1-path={tools.layout.restoring}", *(["--delta"] if there else [])]
        recover.restore(tools.copy, course.instance, way.chosen, way.goal, *options, last=way.last)
        # There is a safety backup of the same cluster only; a killed run may have moved what says that it is the same.
        if way.same_cluster or course.facts.get("safety_backup"):
            volume.keep_wal(tools.copy, tools.layout, aside)
    with course.clock.stage("replay"):
        _replay(course, tools, way)
        _whole(course, way, standing)
    course.note("replayed")


def _replay(course: Course, tools: Tools, way: Way) -> None:
    copy = tools.copy
    copy.start()
    try:
        copy.wait_for_promotion(REPLAY_SECONDS)
        late = False
    except RestoreFailed:
        late = course.target.kind == "time" and _TOO_LATE in copy.log()
        if not late:
            raise
        if course.was_answering and way.same_cluster:
            # The server wrote a commit after that time; it is on the server's own timeline.
            raise RestoreFailed(
                f"The history that backup {way.chosen.label} lies on ended before {course.target.value}.",
                f"Follow the server's own: --timeline {course.facts['timeline_before']}.",
            ) from None
    if late:
        # Nothing was committed between the end of the WAL and that time, as far as the WAL tells.
        copy.remove()
        copy.start(recovery_target_time="")
        copy.wait_for_promotion(REPLAY_SECONDS)
        course.findings.append(
            f"No commit after {course.target.value} was found: all WAL that is left was replayed."
            " What was committed before that time and is in neither archive nor data directory is not there."
        )
    log = copy.log()
    with pg.connect(copy.dsn("postgres")) as connection:
        row = connection.execute(
            """SELECT pg_last_wal_replay_lsn()::text,
                      ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int,
                      coalesce(to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC',
                                       'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '')"""
        ).fetchone()
        for name in _SETTINGS:
            # What brought it here is not to be found by the next recovery.
            pg.execute(connection, f"ALTER SYSTEM RESET {name}")
    reached, timeline, moment = row or ("", 0, "")
    course.facts |= {
        "reached_lsn": reached or "",
        "reached_time": moment,
        "timeline_after": timeline,
        "segments": log.count(" from archive"),
    }
    if not late and not met(course.target, log):
        raise RestoreFailed(
            f"The replay ended at {reached} without having met {course.target.words}.",
            "See whether the archive has a gap: howdah backup --check.",
        )
    copy.stop()


def met(target: Target, log: str) -> bool:
    """Return whether a replay ended at its target, by what the server said; the newest is wherever it ends."""
    return target.kind == "latest" or bool(re.search(r"recovery stopping (before|after|at) ", log))


def unarchived(course: Course, standing: Standing) -> str:
    """Return why the archive may lack what a stopped server wrote after its safety backup; empty: it has all."""
    if not standing.main or not course.facts.get("safety_backup"):
        return ""
    if standing.waiting is None:
        return "Its WAL cannot be looked at: some of it may never have reached the archive."
    if standing.waiting:
        return f"WAL of it never reached the archive: {standing.waiting} files wait."
    return "" if standing.clean else "It was not stopped cleanly: WAL of it may never have reached the archive."


def _whole(course: Course, way: Way, standing: Standing) -> None:
    """Refuse to lose what the server wrote last: stopped cleanly, it archives all of it."""
    followed = way.same_cluster and way.goal.timeline == str(standing.timeline)
    if course.target.kind != "latest" or not followed or not standing.clean:
        return
    wanted, size = place(standing.checkpoint, standing.segment_size), standing.segment_size
    # Its last record opens a segment of its own, after everything else was archived.
    if place(course.facts["reached_lsn"], size) < wanted - 1:
        raise ArchiveIncomplete(
            f"The archive ends at {course.facts['reached_lsn']}, and the server had come to {standing.checkpoint}.",
            "Correct archiving (howdah backup --check), then run this again.",
        )


def switch(course: Course, tools: Tools) -> None:
    """Put what came back in its place."""
    with course.clock.stage("switch"):
        # Somebody may have started it meanwhile; two servers on one data directory would be the end of it.
        again = server.started(tools.client, course.instance) != course.started
        server.stop(tools.client, course.instance)
        aside = tools.layout.replaced(course.identity)
        standing = volume.look(tools.copy, tools.layout)
        why = unarchived(course, standing)
        if again and standing.main:
            why = "The server was started on it during the restore."
        if why:
            course.facts |= {"kept": aside, "why_kept": course.facts.get("why_kept") or why}
        # Who is interrupted from here on cannot know how far it came, nor whether it goes on.
        course.note("switching")
        try:
            volume.switch(tools.copy, tools.layout, aside)
        except RestoreFailed:
            # It ended by itself: where nothing changed places yet, all is as it was before.
            standing = volume.look(tools.copy, tools.layout)
            if standing.restoring is not None and aside not in standing.replaced:
                course.note("replayed")
            raise
    course.note("switched")


def start(course: Course, tools: Tools) -> None:
    """Start the server on what came back."""
    with course.clock.stage("start"):
        server.start(tools.client, course.instance)
        course.facts["pooler"] = server.reconnect(tools.client, course.instance)


def finish(course: Course, tools: Tools) -> None:
    """See the new timeline archived and take a backup of it; what stood there goes when there is a backup of it."""
    instance, layout = course.instance, tools.layout
    with course.clock.stage("backup"):
        segment = point.segment(instance)
        point.archive(instance, segment, backup.list_backups(instance, course.repository)[-1])
        _archived(course, segment)
        if not course.facts.get("fresh_backup"):
            course.facts["fresh_backup"] = patient_backup(course, "auto")
        if course.facts.get("safety_backup") and not course.facts.get("why_kept"):
            course.facts["kept"] = ""
        gone = [layout.marker, *([] if course.facts.get("kept") else [layout.replaced(course.identity)])]
        removed = run_in(instance.server.container, ["rm", "-rf", *gone])
        if removed.code != 0:
            course.findings.append(f"Not all of {', '.join(gone)} could be removed: {removed.last_line}.")
    state.clear(instance)


def _archived(course: Course, segment: str) -> None:
    stanza = course.instance.repository.stanza
    command = [*pgbackrest(course.instance, course.repository), "repo-ls", "--recurse", f"archive/{stanza}"]
    listed = run_in(course.instance.server.container, command)
    if listed.code != 0 or f"{segment[:8]}.history" not in listed.out or f"/{segment}-" not in listed.out:
        raise ArchiveIncomplete(
            f"Timeline {int(segment[:8], 16)} is not in the archive: {segment} or its history is missing.",
            f"See docker logs {course.instance.server.container}, then run this again.",
        )


def back_out(course: Course, tools: Tools) -> None:
    """Leave things as they were, as far as nothing has taken the place of what stood there."""
    if course.step == "switched":
        course.outcome = f"What was restored stands in its place. To finish: {course.command}"
        return
    if course.step == "switching":
        course.outcome = (
            "What was restored was taking its place, and the server is stopped: do not start it now."
            f" To finish: {course.command}"
        )
        return
    if not course.stopped:
        forget(course)
        return
    if course.in_place or course.moved:
        # Nothing stands there: a start would make an empty cluster, and what is half made is all that is left of it.
        facts = {**(course.left.facts if course.left else {}), **course.facts}
        safety, kept = facts.get("safety_backup"), facts.get("kept")
        where = f"in backup {safety} alone" if safety else f"in {kept}" if kept else "gone"
        course.outcome = f"What stood there is {where}, and the server is stopped. To finish: {course.command}"
        return
    try:
        with suppress(HowdahError):
            volume.clear(tools.copy, tools.layout)
        if course.was_answering:
            server.start(tools.client, course.instance)
            course.outcome = "The server runs again, with what it held before."
        elif course.was_running:
            server.launch(tools.client, course.instance)
            course.outcome = "The server was started again on what stood there before."
        else:
            course.outcome = "What stood there before is untouched."
        state.clear(course.instance)
    except Exception as error:  # noqa: BLE001 - whatever it is must not hide why the restore failed
        course.outcome = f"What stood there before is untouched, but the server could not be started: {error}."
