"""Which sources are as they were at their last load, by what the file system says: nothing of them has to be read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from howdah import ledger, profile, snapshot
from howdah.catalog import kept
from howdah.catalog.model import SourceCatalog
from howdah.discover import SourceFile
from howdah.fingerprint import fingerprint
from howdah.header import shown
from howdah.ledger import Ledger
from howdah.pg import Connection
from howdah.plain import json_parts, plain
from howdah.plan import Inspected
from howdah.snapshot import Snapshot, Stamp


def stamp_to_json(taken: Snapshot) -> str | None:
    """Return what is to be kept of a snapshot's stamp: nothing where the source is damaged and was salvaged."""
    return None if taken.salvaged else json.dumps(vars(taken.stamp) | {"engine": _engine()})


def catalog_to_json(catalog: SourceCatalog) -> Iterator[str]:
    """Yield a catalog as it is kept beside the stamp."""
    return json_parts(plain(catalog) | {"tables": iter(catalog.tables)})


def proven(known: Ledger, stamps: Mapping[str, Stamp]) -> set[str]:
    """Return the sources that are as they were when all their tables were last loaded or found unchanged.

    What another engine has read and measured is not trusted: this one may see more in it.

    :param stamps: source → its stamp of now.
    """
    other = {
        name
        for (name, _), load in known.loads.items()
        if name in known.sources and load.snapshot_blake3 != known.sources[name].blake3
    }
    found = set()
    for name, now in stamps.items():
        source = known.sources.get(name)
        if source is None or name in other or not source.described or not source.stamp:
            continue
        if source.stamp["engine"] == _engine() and _stamp(source.stamp).proves_unchanged(now):
            found.add(name)
    return found


def unchanged(connection: Connection, known: Ledger, files: tuple[SourceFile, ...]) -> dict[str, Inspected]:
    """Return catalog and profile, as the ledger has them, of the sources that did not change since.

    :raises SourceError: a source is missing, unreadable, or no SQLite database.
    """
    names = proven(known, {file.name: snapshot.stamp(file.path) for file in files if file.name in known.sources})
    same = [file for file in files if file.name in names]
    catalogs = ledger.catalogs(connection, known.application, [file.name for file in same])
    found = {}
    for file in same:
        source = known.sources[file.name]
        measured = profile.from_json(source.profile)
        if measured is not None:
            found[file.name] = Inspected(
                name=file.name,
                path=shown(file.path),
                size=source.size,
                blake3=source.blake3,
                expected=file.expected,
                catalog=kept.from_json(catalogs[file.name]),
                profile=measured,
            )
    return found


def _stamp(value: dict[str, Any]) -> Stamp:
    files = tuple((size, modified, changed, inode) for size, modified, changed, inode in value["files"])
    return Stamp(files, value["change_counter"], value["taken"])


@cache
def _engine() -> str:
    return fingerprint()
