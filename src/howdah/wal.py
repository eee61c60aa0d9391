"""WAL segments by name: their order, and which of them an archive lacks."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

_ARCHIVED = re.compile(r"(?P<id>[^/]+)/[0-9A-F]{16}/(?P<name>[0-9A-F]{24})-[0-9a-f]{40}(\.\w+)?$")
# A line of a timeline's history: timeline, where it ended, why.
_ENDED = re.compile(r"\s*(?P<timeline>\d+)\s+(?P<high>[0-9A-Fa-f]+)/(?P<low>[0-9A-Fa-f]+)\s")
_HISTORY = re.compile(r"(?P<id>[^/]+)/(?P<name>(?P<timeline>[0-9A-F]{8})\.history)$")
_WORD = 1 << 32


def number(segment: str, size: int) -> int:
    """Return a segment's place in the WAL, whatever its timeline.

    :param segment: 24 hexadecimal digits: timeline, high word, segment within it.
    :param size: bytes of a segment.

    >>> number("000000010000000200000003", 16 * 2**20)
    515
    """
    return int(segment[8:16], 16) * (_WORD // size) + int(segment[16:24], 16)


def name(place: int, timeline: str, size: int) -> str:
    """Return a segment's name: the reverse of :func:`number`.

    >>> name(515, "00000001", 16 * 2**20)
    '000000010000000200000003'
    """
    high, low = divmod(place, _WORD // size)
    return f"{timeline}{high:08X}{low:08X}"


def archived(listing: str, first: str) -> set[str]:
    """Return the segments of an archive that a backup can be replayed from.

    :param listing: what ``pgbackrest repo-ls --recurse --output=json archive/STANZA`` says.
    :param first: segment that the backup begins with: a stanza may also hold the archive of an earlier cluster.
    """
    return _of_cluster(listing, first)[1]


def _of_cluster(listing: str, first: str) -> tuple[str, set[str]]:
    """Return pgBackRest's number of the cluster whose backup begins with a segment, and its archived segments."""
    by_id: dict[str, set[str]] = {}
    for path in json.loads(listing):
        if found := _ARCHIVED.search(path):
            by_id.setdefault(found["id"], set()).add(found["name"])
    holding = {number: names for number, names in by_id.items() if first in names}
    return max((holding or by_id).items(), key=lambda entry: max(entry[1]), default=("", set()))


def begins(history: str, timeline: str, size: int) -> list[tuple[int, str]]:
    """Return where each timeline on the way to one begins, the oldest first, as (place, timeline).

    :param history: the timeline's history file; empty for the first one, which has none.
    :param timeline: eight hexadecimal digits.

    >>> begins("1\\t0/5000060\\tbefore a mistake\\n", "00000002", 16 * 2**20)
    [(0, '00000001'), (5, '00000002')]
    """
    found, place = [], 0
    for line in history.splitlines():
        if not (ended := _ENDED.match(line)):
            continue
        found.append((place, f"{int(ended['timeline']):08X}"))
        place = ((int(ended["high"], 16) << 32) + int(ended["low"], 16)) // size
    return [*found, (place, timeline)]


def expected(place: int, way: Collection[tuple[int, str]], size: int) -> str:
    """Return the name of the segment that a replay reads at a place: that of the newest timeline that holds it.

    :param way: what :func:`begins` returned.

    >>> way = [(0, "00000001"), (5, "00000002")]
    >>> [expected(place, way, 16 * 2**20)[:8] for place in (4, 5)]
    ['00000001', '00000002']
    """
    return name(place, max(entry for entry in way if entry[0] <= place)[1], size)


def histories(listing: str) -> set[str]:
    """Return the files of an archive that say where a timeline began.

    :param listing: as for :func:`archived`.

    >>> histories('{"15-1/00000002.history": {}, "15-1/0000000100000000": {}}')
    {'00000002.history'}
    """
    return {found["name"] for path in json.loads(listing) if (found := _HISTORY.search(path))}


def timelines(listing: str, first: str) -> dict[str, str]:
    """Return where a cluster's archive has the histories of timelines, as timeline → path below the stanza's folder.

    :param listing: as for :func:`archived`.
    :param first: segment that a backup of the cluster begins with.

    >>> there = '{"15-1/0000000100000000/000000010000000000000002-%s": {}, "15-1/00000002.history": {}}' % ("a" * 40)
    >>> timelines(there, "000000010000000000000002")
    {'00000002': '15-1/00000002.history'}
    """
    ours = _of_cluster(listing, first)[0]
    return {
        found["timeline"]: found[0]
        for path in json.loads(listing)
        if (found := _HISTORY.search(path)) and found["id"] == ours
    }


def missing(
    there: Collection[str], first: str, last: str, size: int, way: Collection[tuple[int, str]] = ()
) -> list[str]:
    """Return the segments that are not there, from the first to the last one, both included.

    :param way: what :func:`begins` returned of the timeline that is followed; empty: not known, and a place may be
        filled on any timeline.

    >>> there = {"000000010000000000000002", "000000010000000000000003", "000000020000000000000004"}
    >>> ends = "000000010000000000000002", "000000020000000000000005", 16 * 2**20
    >>> missing(there, *ends)
    ['000000020000000000000005']
    >>> missing(there, *ends, way=[(0, "00000001"), (3, "00000002")])
    ['000000020000000000000003', '000000020000000000000005']
    """
    wanted = range(number(first, size), number(last, size) + 1)
    if way:
        return [segment for place in wanted if (segment := expected(place, way, size)) not in there]
    places = {number(segment, size) for segment in there}
    return [first if place == wanted[0] else name(place, last[:8], size) for place in wanted if place not in places]
