"""A restore of a part: out of a throw-away copy, into a schema beside what is there, which stays as it is."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

import psycopg
from pydantic import BaseModel, ConfigDict

from howdah import pg
from howdah.clock import Clock
from howdah.drill import point, recover
from howdah.drill.sandbox import RESTORE, engine, remove_left_over, sandbox
from howdah.errors import ConfigurationError, HowdahError, RestoreFailed
from howdah.instance import Instance, run_in
from howdah.locks import one_at_a_time
from howdah.restore import reach, side, volume
from howdah.restore.move import REPLAY_SECONDS, met
from howdah.restore.reach import Way
from howdah.restore.side import Selection
from howdah.restore.target import Target


class Part(BaseModel):
    """What came back beside what is there.

    :ivar schemas: schema → the new one that holds it.
    :ivar tables: table → rows.
    :ivar left_out: what did not come along, one sentence each.
    :ivar phases: seconds of ``prepare``, ``restore``, ``replay``, ``carry`` and ``compare``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    identity: str
    instance: str
    environment: str
    database: str
    target: str
    backup: str
    reached_lsn: str
    schemas: dict[str, str]
    tables: dict[str, int]
    left_out: tuple[str, ...]
    phases: dict[str, float]
    sentence: str
    next_step: str


def run(
    instance: Instance,
    what: Selection,
    into: str,
    target: Target,
    *,
    label: str | None = None,
    repository: int = 1,
) -> Part:
    """Bring a database, a schema or a table back as it was, in a schema that does not exist yet.

    :param into: name of the schema; of several schemas each gets its own name added.
    :param label: of the backup to restore; ``None``: the last good one from which the target can be reached.
    :param repository: number of the repository to restore from.
    :raises LockHeld: a restore or a drill of the instance runs.
    :raises ConfigurationError: the schema exists already, or there was no such part.
    :raises HowdahError: anything else; then nothing of it is in the live database.
    """
    instance.repository.where(repository)
    identity = f"only-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    clock = Clock()
    with one_at_a_time(instance, "restore"), one_at_a_time(instance, "drill"), engine() as client:
        remove_left_over(client, instance, RESTORE)
        with clock.stage("prepare"):
            way = _way(client, instance, what, into, target, label, repository, identity)
        with sandbox(client, instance, identity, RESTORE) as copy:
            with clock.stage("restore"):
                recover.restore(copy, instance, way.chosen, way.goal, "--archive-mode=off", last=way.last)
            with clock.stage("replay"):
                copy.start()
                copy.wait_for_promotion(REPLAY_SECONDS)
                if not met(target, copy.log()):
                    raise RestoreFailed(f"The replay ended without having met {target.words}.", "Is the name right?")
            try:
                with pg.connect(copy.dsn(what.database)) as there, pg.connect(instance.dsn(what.database)) as live:
                    row = there.execute("SELECT pg_last_wal_replay_lsn()::text").fetchone()
                    schemas = side.names(there, what, into)
                    _absent(live, tuple(schemas.values()))
                    put = side.put(there, what, schemas)
                    with clock.stage("carry"):
                        side.carry(copy, instance, what.database, put)
                    with clock.stage("compare"):
                        tables = side.compared(there, live, put)
            except psycopg.Error as error:
                raise HowdahError(f"{what.database} in the copy: {pg.message(error)}.", "See its spelling.") from error
    return Part(
        identity=identity,
        instance=instance.name,
        environment=instance.environment,
        database=what.database,
        target=target.words,
        backup=way.chosen.label,
        reached_lsn=str(row and row[0]),
        schemas=schemas,
        tables=tables,
        left_out=put.left_out,
        phases={name: round(seconds, 3) for name, seconds in clock.stages.items()},
        sentence=f"{sum(tables.values()):,} rows of {len(tables):,} table{'s' * (len(tables) != 1)}, as of"
        f" {target.words}, are in {', '.join(schemas.values())} of {what.database}, every value as in the copy.",
        next_step="Take from there what is missing. When it is not needed any more: DROP SCHEMA"
        f" {', '.join(map(pg.quoted, schemas.values()))} CASCADE",
    )


def _way(
    client: Any,
    instance: Instance,
    what: Selection,
    into: str,
    target: Target,
    label: str | None,
    repository: int,
    identity: str,
) -> Way:
    with pg.connect(instance.dsn(what.database)) as live:
        _absent(live, (into,))
        standing = volume.standing(live)
    way = reach.find(
        instance,
        target,
        standing,
        lambda command: run_in(instance.server.container, command),
        answers=True,
        label=label,
        repository=repository,
        identity=identity,
    )
    point.room(instance, client.info()["DockerRootDir"], way.chosen.size)
    return way


def _absent(live: pg.Connection, schemas: tuple[str, ...]) -> None:
    found = live.execute("SELECT nspname FROM pg_namespace WHERE nspname = ANY (%s)", [list(schemas)]).fetchone()
    if found:
        raise ConfigurationError(
            f"There is a schema {found[0]} already.", "Name one that does not exist yet: --into NAME."
        )
