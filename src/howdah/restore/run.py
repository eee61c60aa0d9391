"""A restore of the instance, from end to end.

What comes back is made and replayed beside what stands there, in containers of its own, and takes its place only when
it has arrived. Until then a failure leaves the server as it was; killed, the next run finishes. What happens after the
server was stopped is in the result; only what forbids to begin is an error.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from howdah import __version__
from howdah.drill.sandbox import engine
from howdah.drill.verdict import explained
from howdah.errors import ConfigurationError
from howdah.instance import Instance
from howdah.locks import one_at_a_time
from howdah.restore import history, state
from howdah.restore.course import Course, Tools
from howdah.restore.model import Restore
from howdah.restore.move import back_out, bring_back, finish, start, switch
from howdah.restore.prepare import prepare, secure
from howdah.restore.target import Target
from howdah.restore.volume import bench
from howdah.stopping import Stopped


def run(
    instance: Instance,
    target: Target,
    *,
    confirm: str | None,
    label: str | None = None,
    repository: int = 1,
    in_place: bool = False,
) -> Restore:
    """Bring the instance back as it was, and keep what came of it.

    :param confirm: the instance's environment, as the operator typed it.
    :param label: of the backup to restore; ``None``: the last good one from which the target can be reached.
    :param repository: number of the repository to restore from.
    :param in_place: make it out of the data directory that stands there: less room, and what stood there is in its
        backup alone.
    :raises ConfigurationError: it was not confirmed, or there is no such repository.
    :raises LockHeld: another restore, a drill or a backup of the instance runs.
    """
    if confirm != instance.environment:
        raise ConfigurationError(
            f"This would stop {instance.name} and bring it back to {target.words}, whatever it holds now.",
            f"To do so, add --confirm {instance.environment}.",
        )
    instance.repository.where(repository)
    began = datetime.now(UTC)
    with one_at_a_time(instance, "restore"), one_at_a_time(instance, "drill"):
        with one_at_a_time(instance, "backup"):
            left = state.read(instance)
        identity = f"restore-{began:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        course = Course(instance, target, label, repository, in_place, identity, left)
        failure: BaseException | None = None
        try:
            with engine() as client, bench(client, instance, course.identity) as (copy, layout):
                _restore(course, Tools(client, copy, layout))
        except (Exception, Stopped) as error:  # noqa: BLE001 - whatever it is, the result and the history tell of it
            failure = error
        result = _judged(course, began, failure)
        history.append(instance, result)
        if isinstance(failure, Stopped):
            raise failure
        return result


def _restore(course: Course, tools: Tools) -> None:
    try:
        with course.clock.stage("prepare"):
            prepared = prepare(course, tools)
        if prepared.way:
            with course.clock.stage("safety"):
                secure(course, tools, prepared)
        # From here on no backup may begin: the server goes, and comes back as another.
        with one_at_a_time(course.instance, "backup"):
            if prepared.way:
                bring_back(course, tools, prepared.way)
            if course.step != "switched":
                switch(course, tools)
            start(course, tools)
        finish(course, tools)
    except BaseException:
        back_out(course, tools)
        raise


def _judged(course: Course, began: datetime, failure: BaseException | None) -> Restore:
    blank = Restore(
        identity=course.identity,
        instance=course.instance.name,
        environment=course.instance.environment,
        howdah_version=__version__,
        started_at=began.isoformat(timespec="milliseconds"),
        target=course.target.words,
    )
    known: dict[str, Any] = {
        **course.facts,
        "phases": {name: round(seconds, 3) for name, seconds in course.clock.stages.items()},
        "findings": tuple(course.findings),
        "finished_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    if failure is None:
        known |= {"verdict": "restored", "exit_code": 0}
        known |= {"sentence": _praise(blank, known), "next_step": _next(course.instance, known)}
        return blank.model_copy(update=known)
    said = explained(failure, "restore")
    if course.outcome:
        said["sentence"] = f"{said['sentence']} {course.outcome}"
    return blank.model_copy(update=known | said)


def _praise(blank: Restore, known: dict[str, Any]) -> str:
    at = f", of {known['reached_time']}" if known.get("reached_time") else ""
    return (
        f"{blank.instance} is back at {blank.target} (LSN {known['reached_lsn']}{at}), on timeline"
        f" {known['timeline_after']}; backup {known['fresh_backup']} was taken of it."
    )


def _next(instance: Instance, known: dict[str, Any]) -> str:
    if known.get("kept"):
        lies = "What stood there is in"
        if known.get("safety_backup"):
            lies = f"What stood there is in backup {known['safety_backup']}, what its archive may lack in"
        return (
            f"Look at the data. {lies} {known['kept']}; when nobody needs it any more:"
            f" docker exec {instance.server.container} rm -rf {known['kept']}"
        )
    if known.get("safety_backup"):
        return (
            f"Look at the data. To have back what stood there: howdah restore --instance {instance.environment}"
            f" --to latest --timeline {known['timeline_before']} --confirm {instance.environment}"
        )
    return "Look at the data, and prove the new backup: howdah drill."
