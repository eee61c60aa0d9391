"""Manifests of an instance: taken, kept as files of mode 0600, found again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from howdah import files, pg
from howdah.errors import ConfigurationError, HowdahError
from howdah.instance import Instance
from howdah.manifest import facts, gather
from howdah.manifest.model import Manifest, Probe
from howdah.manifest.moment import Moment, at_point
from howdah.manifest.probe import probes

_TRIES = 3

Told = Callable[[Moment], None]
"""Told of a restore point as soon as it is written, and of another one where a second try is needed."""


def take(instance: Instance, point: str, backup: str, told: Told = lambda _: None) -> Manifest:
    """Write a restore point into the WAL and return what the instance holds at it. Services go on working.

    :param point: name of the restore point, at most 52 bytes; it must be new. A second try adds to it.
    :param backup: label of the newest backup.
    :param told: told of the point before anything is read; what it raises ends the manifest.
    :raises NoMoment: the server is too busy.
    :raises HowdahError: it does not answer, or tables are truncated or rebuilt all the time.
    """
    began = time.monotonic()
    tried = 0
    while True:
        tried += 1
        try:
            return _take(instance, point if tried == 1 else f"{point}-{tried}", backup, began, told)
        except gather.Moved as error:
            if tried == _TRIES:
                raise HowdahError(
                    f"No manifest could be taken: {error.what}", "Run it again when no table is rebuilt or truncated."
                ) from error
        except pg.Error as error:
            raise HowdahError(
                f"No manifest could be taken: {pg.message(error)}.",
                f"See docker logs {instance.server.container}; a damaged page shows there.",
            ) from error


def _take(instance: Instance, point: str, backup: str, began: float, told: Told) -> Manifest:
    names = gather.databases(instance.dsn())
    with at_point({name: instance.dsn(name) for name in names}, point) as moment:
        told(moment)
        taken_at = datetime.now(UTC)
        first = moment.connections[names[0]]
        version = first.info.parameter_status("server_version") or ""
        of_cluster = facts.of_cluster(first)
        images = {}
        asked: list[Probe] = []
        for name, connection in moment.connections.items():
            before = gather.places(connection)
            images[name] = gather.contents(connection, before=moment.before[name], after=moment.after[name])
            asked += probes(connection, name, logins(instance), images[name].tables)
            with pg.connect(instance.dsn(name)) as now:
                after = gather.places(now)
            moved = [key for key, place in before.items() if after.get(key) != place]
            if moved:
                raise gather.Moved(f"Table {'.'.join(moved[0])} of {name} was truncated, rebuilt or dropped.")
    return Manifest(
        instance=instance.name,
        environment=instance.environment,
        point=moment.name,
        lsn=moment.lsn,
        segment=moment.segment,
        backup=backup,
        taken_at=taken_at.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 3),
        barrier=moment.barrier,
        server_version=version.split()[0] if version else "",
        facts=of_cluster,
        databases=images,
        probes=tuple(asked),
    )


def switch_segment(instance: Instance) -> None:
    """Have the server end the WAL segment that it writes, so that it is archived now."""
    with pg.connect(instance.dsn()) as connection:
        connection.execute("SELECT pg_switch_wal()")


def logins(instance: Instance) -> list[str]:
    """Return the roles whose passwords lie in the instance's folder of secrets."""
    return sorted(path.name for path in (instance.configuration_dir / "secrets").glob("*") if path.is_file())


def folder(instance: Instance) -> Path:
    """Return where the manifests of an instance are."""
    return instance.state_dir / "manifests"


def keep(instance: Instance, manifest: Manifest, name: str = "") -> Path:
    """Write a manifest, whole or not at all, and return its file.

    :param name: of the file, without its suffix; empty: that of the restore point.
    """
    where = folder(instance)
    where.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = where / f"{name or manifest.point}.json"
    with files.whole(path, mode=0o600) as stream:
        stream.write(manifest.model_dump_json(indent=1))
    return path


def read(path: Path) -> Manifest:
    """Read a manifest.

    :raises ConfigurationError: it is not there, or is none.
    """
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"There is no manifest {path}.", "Take a backup: it writes one.") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path} is no manifest of this version.", "Take a new backup.") from error


def expire(instance: Instance, labels: Collection[str]) -> list[Path]:
    """Remove the manifests whose backup is no longer in the repository, and return their files.

    :param labels: of the backups that are there.
    """
    gone = []
    for path in sorted(folder(instance).glob("*.json")):
        try:
            known = read(path).backup in labels
        except ConfigurationError:
            known = False
        if not known:
            path.unlink()
            gone.append(path)
    return gone
