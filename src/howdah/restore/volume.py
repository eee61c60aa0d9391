"""What lies in the data volume during a restore, and how it changes places.

Beside the data directory, say ``15/main``, there may be ``15/restoring`` (what comes back; no server of the instance is
ever started on it), ``15/replaced-IDENTITY`` (what stood there before) and ``15/restore-unfinished.txt``, which tells
whoever looks into the volume. All of it is done in throw-away containers: the volume may lie where this host's engine
alone can reach it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from howdah import pg
from howdah.backup import pgbackrest
from howdah.drill import sandbox
from howdah.drill.sandbox import Sandbox
from howdah.errors import HowdahError, RestoreFailed
from howdah.instance import Instance

SEGMENT_SIZE = 16 * 2**20
_PGDATA = f"{sandbox.DATA}/15/main"

_LOOK = """
mkdir -p "$1" && cd "$1"
[ ! -s "$2/PG_VERSION" ] || echo "main: yes"
[ ! -d restoring ] || echo "restoring: $(du -sb restoring | cut -f1)"
echo "free: $(df --output=avail -B1 . | tail -1)"
[ ! -d "$2/pg_wal/archive_status" ] || echo "waiting: $(find "$2/pg_wal/archive_status" -name '*.ready' | wc -l)"
for found in replaced-*; do [ ! -d "$found" ] || echo "$1/$found: replaced"; done
pg_controldata "$2" 2>/dev/null || true
"""
# A server is not started on a folder that is neither empty nor a cluster: what stands in for a data directory that is
# made into another one says why. pgBackRest goes on with what an earlier run copied when it sees what that is.
_READY = """
cd "$1"
printf '%s\\n' "$3" > restore-unfinished.txt
if [ "$4" = in-place ]; then
  if [ -s "$2/PG_VERSION" ]; then rm -rf restoring; mv "$2" restoring; fi
  mkdir -p "$2"
  cp restore-unfinished.txt "$2/"
fi
if [ -d restoring ] && [ ! -e restoring/backup.manifest ] && [ ! -s restoring/PG_VERSION ]; then rm -rf restoring; fi
rm -f restoring/postmaster.pid
[ ! -d restoring ] || echo "resumable"
"""
# What the server wrote and never archived; its last file may be half full, or hold what was there before.
_KEEP_WAL = """
cd "$1"
from=$2
[ -d "$from/pg_wal" ] || from=$3
[ -d "$from/pg_wal" ] || exit 0
for file in "$from"/pg_wal/*; do
  name=$(basename "$file")
  case $name in
    *[!0-9A-F]* | '') ;;
    *) [ -e "$from/pg_wal/archive_status/$name.done" ] || cp -n "$file" restoring/pg_wal/ ;;
  esac
done
"""
# Links take no room: who restores in place may have none, and an archive that fails leaves much WAL.
_SPARE_WAL = """
cd "$1"
mkdir -p "$3"
[ ! -d "$2/pg_wal" ] || cp -al --no-clobber "$2/pg_wal" "$3/"
"""
_CLEAR = """
cd "$1"
rm -rf restoring restore-unfinished.txt
"""
# Each line may have been done by a run that was killed after it. Between the two moves nothing stands in the place; the
# instance's container was stopped by its own name, so the engine does not start it by itself.
_SWITCH = """
cd "$1"
if [ -d restoring ]; then
  pg_controldata restoring | grep -q 'cluster state: *shut down$'
  if [ -s "$2/PG_VERSION" ]; then mv "$2" "$3"; fi
  rm -rf "$2"
  mv restoring "$2"
fi
[ -s "$2/PG_VERSION" ]
sync
"""


@dataclass(frozen=True)
class Layout:
    """Where things are, as the container sees them.

    :ivar main: the data directory.
    """

    main: str

    @property
    def base(self) -> str:
        """Folder that holds it."""
        return str(PurePosixPath(self.main).parent)

    @property
    def restoring(self) -> str:
        """What comes back."""
        return f"{self.base}/restoring"

    @property
    def marker(self) -> str:
        """File that says that a restore is under way."""
        return f"{self.base}/restore-unfinished.txt"

    def replaced(self, identity: str) -> str:
        """Return where a restore sets aside what stood there."""
        return f"{self.base}/replaced-{identity}"


@dataclass(frozen=True)
class Standing:
    """What a look into the volume found.

    :ivar main: there is a data directory.
    :ivar restoring: bytes of what an earlier run was bringing back; ``None``: there is none.
    :ivar free: bytes.
    :ivar system: identifier of the cluster that stands there; empty: its control file cannot be read.
    :ivar timeline: of its last checkpoint, 0 where unknown.
    :ivar checkpoint: LSN of it.
    :ivar clean: it was shut down cleanly.
    :ivar segment_size: bytes of a WAL segment.
    :ivar waiting: files of WAL that the archive did not take yet; ``None``: its WAL cannot be looked at.
    :ivar replaced: folders that restores set aside, as the container sees them.
    """

    main: bool
    restoring: int | None
    free: int
    system: str
    timeline: int
    checkpoint: str
    clean: bool
    segment_size: int
    waiting: int | None = 0
    replaced: tuple[str, ...] = ()


@contextmanager
def bench(client: Any, instance: Instance, identity: str) -> Iterator[tuple[Sandbox, Layout]]:
    """Give a place to work on the instance's own volume; its containers go with the block, the volume stays.

    :param identity: of the restore.
    """
    sandbox.remove_left_over(client, instance, sandbox.RESTORE)
    plain = sandbox.prepared(client, instance, identity, sandbox.RESTORE)
    environment = dict(entry.split("=", 1) for entry in plain.model["Config"]["Env"] or ())
    layout = Layout(environment.get("PGDATA", _PGDATA))
    pushing = [*pgbackrest(instance), f"--pg1-path={layout.restoring}", "archive-push", "%p"]
    try:
        yield (
            replace(
                plain,
                volume=_volume(plain.model),
                genuine=True,
                pgdata=layout.restoring,
                settings={
                    # Nobody comes in before it is the instance; but its new timeline is archived from the start.
                    "listen_addresses": "127.0.0.1",
                    "archive_command": " ".join(pushing),
                    "synchronous_standby_names": "",
                    "autovacuum": "off",
                    "log_destination": "stderr",
                    "logging_collector": "off",
                },
            ),
            layout,
        )
    finally:
        sandbox.remove_left_over(client, instance, sandbox.RESTORE)


def _volume(model: dict[str, Any]) -> str:
    for mount in model["Mounts"]:
        if mount["Destination"] == sandbox.DATA:
            return str(mount["Name"] if mount["Type"] == "volume" else mount["Source"])
    raise HowdahError(
        f"The container {model['Name'].lstrip('/')} has no volume at {sandbox.DATA}.",
        "Provision the instance with playbooks/site.yml.",
    )


def _do(copy: Sandbox, script: str, step: str, *arguments: str) -> str:
    answer = copy.run(["bash", "-euo", "pipefail", "-c", script, step, *arguments], step)
    if answer.code != 0:
        raise RestoreFailed(f"The data volume cannot be worked on ({step}): {answer.last_line}.", "Is its disk sound?")
    return answer.out


def look(copy: Sandbox, layout: Layout) -> Standing:
    """Return what lies in the volume.

    :raises RestoreFailed: it cannot be read.
    """
    said = _do(copy, _LOOK, "look", layout.base, layout.main)
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in said.splitlines())}
    return Standing(
        main="main" in found,
        restoring=int(found["restoring"]) if "restoring" in found else None,
        free=int(found["free"]),
        system=found.get("Database system identifier", ""),
        timeline=int(found.get("Latest checkpoint's TimeLineID", "0")),
        checkpoint=found.get("Latest checkpoint location", ""),
        clean=found.get("Database cluster state") == "shut down",
        segment_size=int(found.get("Bytes per WAL segment", SEGMENT_SIZE)),
        waiting=int(found["waiting"]) if "waiting" in found else None,
        replaced=tuple(key for key, value in found.items() if value == "replaced"),
    )


def standing(live: pg.Connection) -> Standing:
    """Return what a server that answers says of its own data."""
    row = live.execute(
        """SELECT system_identifier::text, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int,
                  (SELECT setting::int FROM pg_settings WHERE name = 'wal_segment_size')
           FROM pg_control_system()"""
    ).fetchone()
    system, timeline, size = row or ("", 0, SEGMENT_SIZE)
    return Standing(
        main=True,
        restoring=None,
        free=0,
        system=system,
        timeline=timeline,
        checkpoint="",
        clean=False,
        segment_size=size,
    )


def ready(copy: Sandbox, layout: Layout, text: str, *, in_place: bool) -> bool:
    """Prepare the place of what comes back; return whether there are files already, so that only others are copied.

    :param text: for whoever looks into the volume meanwhile.
    :param in_place: the data directory becomes what comes back.
    """
    mode = "in-place" if in_place else "beside"
    return "resumable" in _do(copy, _READY, "ready", layout.base, layout.main, text, mode)


def keep_wal(copy: Sandbox, layout: Layout, aside: str) -> None:
    """Give what comes back the WAL that never reached the archive.

    :param aside: where it lies, when the data directory is not in its place any more.
    """
    _do(copy, _KEEP_WAL, "wal", layout.base, layout.main, aside)


def spare_wal(copy: Sandbox, layout: Layout, aside: str) -> None:
    """Set aside the WAL of a data directory that is about to become what comes back; done already is done."""
    _do(copy, _SPARE_WAL, "spare", layout.base, layout.main, aside)


def clear(copy: Sandbox, layout: Layout) -> None:
    """Remove what was coming back."""
    _do(copy, _CLEAR, "clear", layout.base)


def switch(copy: Sandbox, layout: Layout, aside: str) -> None:
    """Put what came back in the place of the data directory, which is set aside; done already is done.

    :param aside: where to; as the container sees it.
    """
    _do(copy, _SWITCH, "switch", layout.base, layout.main, aside)
