"""Before anything is stopped: what a killed run left, whether the target can be reached, and a safety backup."""

from __future__ import annotations

import time
from collections.abc import Sequence

from howdah import backup, pg
from howdah.drill import point
from howdah.errors import ArchiveIncomplete, ConfigurationError, HowdahError, LockHeld
from howdah.execs import Output
from howdah.instance import Instance, run_in
from howdah.restore import reach, server, state, volume
from howdah.restore.course import Course, Prepared, Tools
from howdah.restore.reach import Way
from howdah.restore.state import State
from howdah.restore.volume import Standing

# pgBackRest of a backup that was killed may still be at work, and holds its own lock.
BUSY_SECONDS = 600.0
# A run that was killed after the new data stood in its place is finished by the next one, not by one of another week.
_FRESH_SECONDS = 24 * 3600.0


def prepare(course: Course, tools: Tools) -> Prepared:
    """Find out where to go on, and whether the target can be reached; nothing is stopped or changed.

    :raises HowdahError: it cannot be reached, or there is no room.
    """
    course.was_answering = server.answers(course.instance)
    course.was_running = server.runs(tools.client, course.instance)
    standing = volume.look(tools.copy, tools.layout)
    left = course.left
    if left and left.step == "switching" and standing.main and standing.restoring is None:
        left = course.left = left.model_copy(update={"step": "switched"})
    course.moved = left is not None and not standing.main
    course.started = server.started(tools.client, course.instance)
    if left and course.resumes and left.step == "switched" and standing.main:
        fresh = _fresh(course.instance, left)
        if _lives(course, left) or not (fresh or time.time() - left.at > _FRESH_SECONDS):
            _resume(course, left)
            course.facts |= {"fresh_backup": fresh} if fresh else {}
            return Prepared(way=None, main=True, carried=True)
    # Where a server ran since, what stands there is no longer what the killed run made safe.
    untouched = not course.was_running and (not standing.main or course.started == (left.started if left else ""))
    carried = bool(left and untouched and (left.step == "kept" or standing.restoring is not None))
    if left and not carried and (aside := tools.layout.replaced(left.identity)) in standing.replaced:
        course.findings.append(
            f"What {left.identity}, which was killed, set aside is still there: {aside}. When nobody needs it any more:"
            f" docker exec {course.instance.server.container} rm -rf {aside}"
        )
    if left and untouched:
        # The killed run stopped the server: what stands there is what that one made safe.
        course.was_running, course.was_answering, course.stopped = left.was_running, left.was_answering, True
        if course.resumes and left.step in ("replayed", "switching") and standing.restoring is not None:
            _resume(course, left)
            return Prepared(way=None, main=True, carried=True)
    way = _way(course, tools, standing)
    course.facts = {
        "backup": way.chosen.label,
        "backup_kind": way.chosen.kind,
        "bytes": way.chosen.size,
        "timeline_before": standing.timeline,
        "resumed": carried,
    }
    if left and carried:
        course.identity = left.identity
        kept = ("safety_backup", "why_kept", "kept", "timeline_before")
        course.facts |= {key: left.facts[key] for key in kept if key in left.facts}
    return Prepared(way=way, main=standing.main, carried=carried)


def _resume(course: Course, left: State) -> None:
    course.identity, course.step, course.facts = left.identity, left.step, {**left.facts, "resumed": True}


def _lives(course: Course, left: State) -> bool:
    """Return whether the server works on what the killed run brought back: then it is not brought back again."""
    if not course.was_answering:
        return False
    return int(point.segment(course.instance)[:8], 16) == left.facts.get("timeline_after")


def _fresh(instance: Instance, left: State) -> str:
    """Return the label of a good backup that was taken of what the killed run had brought back; empty: none was."""
    try:
        listed = backup.list_backups(instance)
    except HowdahError:
        # Where backups cannot be read now, the next thing to be taken is a backup: that says why.
        return ""
    later = [one for one in listed if one.started > left.at and not one.error]
    return next(
        (one.label for one in later if int(one.wal_start[:8] or "0", 16) == left.facts.get("timeline_after")), ""
    )


def _way(course: Course, tools: Tools, standing: Standing) -> Way:
    instance = course.instance
    inside = tools.client.containers.get(instance.server.container).status == "running"

    def ask(command: Sequence[str]) -> Output:
        return run_in(instance.server.container, command) if inside else tools.copy.run(command, "ask")

    answers = inside and course.was_answering
    if answers:
        _no_tablespaces(instance)
    way = reach.find(
        instance,
        course.target,
        standing,
        ask,
        answers=answers,
        label=course.label,
        repository=course.repository,
        identity=course.identity,
    )
    room = standing.free + (standing.restoring or 0)
    if not course.in_place and room < way.chosen.size * 1.1:
        raise HowdahError(
            f"Beside what stands there, {way.chosen.size * 1.1 / 1e9:.1f} GB are needed in the data volume, and it has"
            f" {room / 1e9:.1f} GB left.",
            "Make room there, or say --in-place: then what stands there is in its backup alone.",
        )
    return way


def _no_tablespaces(instance: Instance) -> None:
    with pg.connect(instance.dsn()) as connection:
        found = connection.execute("SELECT spcname FROM pg_tablespace WHERE spcname !~ '^pg_' ORDER BY 1").fetchall()
    if found:
        raise HowdahError(
            f"Tablespace {found[0][0]} lies outside the data directory, where nothing can be restored beside it.",
            "Stop the server and restore with pgbackrest restore --delta by hand.",
        )


def secure(course: Course, tools: Tools, prepared: Prepared) -> None:
    """Have a backup of what stands there, or settle where it will be set aside; note it down.

    :raises LockHeld: another backup runs.
    :raises ConfigurationError: it cannot be replaced in place, as there is no backup of it.
    """
    if not prepared.carried:
        course.facts |= _made_safe(course, prepared)
        if prepared.main and not course.in_place:
            course.facts["kept"] = tools.layout.replaced(course.identity)
    if course.in_place and prepared.main and not course.facts.get("safety_backup"):
        raise ConfigurationError(
            f"There is no backup of what stands there: {course.facts['why_kept']}",
            "Leave out --in-place: then it is set aside.",
        )
    course.note("kept")


def _made_safe(course: Course, prepared: Prepared) -> dict[str, str]:
    if not prepared.main:
        return {"why_kept": "There was no data directory."}
    if not course.was_answering:
        return {"why_kept": "The server did not answer."}
    if prepared.way and not prepared.way.same_cluster:
        return {"why_kept": "It was another cluster than the one that the backups are of."}
    try:
        return {"safety_backup": patient_backup(course, "incr")}
    except LockHeld:
        raise
    except HowdahError as error:
        return {"why_kept": error.what}


def patient_backup(course: Course, kind: str) -> str:
    """Take a backup and return its label; one that is still at work is waited for.

    A gap in the archive before it is a finding: the backup itself is good.

    :raises LockHeld: it was at work for longer than ten minutes.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            taken = backup.take_each(course.instance, kind)
            course.findings += taken.warnings
            return taken.backups[0].label
        except ArchiveIncomplete as error:
            course.findings.append(error.what)
            return backup.list_backups(course.instance)[-1].label
        except LockHeld:
            if time.monotonic() > until:
                raise
            time.sleep(1.0)


def forget(course: Course) -> None:
    """Have nothing noted down of a restore that changed nothing."""
    if course.step == "kept":
        state.clear(course.instance)
