"""Writes the benchmark's SQLite files: seeded, any size, in the shape of a chat service and its metrics.

200,000 conversations with 2,000,000 messages and as many metrics are 1.3 GB. The values are what such services
store: UUIDs and timestamps of four spellings as text, JSON as text, truth as 0 and 1, text of several scripts.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random

SEED = 20240607
START = datetime(2023, 1, 1, tzinfo=UTC)

SCHEMA = """
CREATE TABLE conversations (id TEXT PRIMARY KEY, title TEXT, created_at TEXT NOT NULL, updated_at TEXT);
CREATE TABLE messages (id TEXT PRIMARY KEY, conversation_id TEXT NOT NULL REFERENCES conversations (id),
  role TEXT NOT NULL, content TEXT, created_at TEXT NOT NULL, attachments TEXT, is_read INTEGER NOT NULL DEFAULT 0);
CREATE TABLE metrics (id INTEGER PRIMARY KEY, name TEXT NOT NULL, value REAL, ts INTEGER NOT NULL, samples INTEGER,
  note TEXT);
"""
INDEX = "CREATE INDEX ix_messages_conv ON messages (conversation_id)"

# A list would be eighty lines.
WORDS = (  # noqa: SIM905
    "about after answer batch because before between cache column commit could data error every first found from"
    " great have index into just know later little long made make many model more most never number often only"
    " order other over part people prompt query request response retry right same search server should since slow"
    " some still table than that their then there these they thing think this time token under until used value"
    " very want week well were what when where which while will with without word work would write year your"
).split()
# What a text format has to escape, and what is longer in UTF-8 than in characters.
SPECIAL = (
    "\n",
    "\n\n",
    "\t",
    "\r\n",
    r"C:\temp\new",
    '```python\nprint("hi\\n")\n```',
    'it\'s "quoted", fine;',
    "naïve café — “smart”",
    "日本語のテキスト",
    "Привет, мир",
    "🙂🚀",
    "<b>bold</b>",
    '{"k": "v\\u00e9"}',
)
LENGTHS = (40, 140, 285, 420, 660)  # characters of a message, and how many in a hundred are about so long
LENGTH_WEIGHTS = (10, 30, 35, 15, 10)
ROLES = ("user", "assistant", "system", "tool")
MIME_TYPES = ("image/png", "application/pdf", "text/plain")
NAMES = tuple(f"svc.{word}.latency_ms" for word in WORDS[:60])


@dataclass(frozen=True)
class Size:
    """How many rows each table has."""

    conversations: int
    messages: int
    metrics: int

    @property
    def rows(self) -> int:
        """Return the rows of all tables."""
        return self.conversations + self.messages + self.metrics


NAMED = {"small": Size(20_000, 200_000, 200_000), "reference": Size(200_000, 2_000_000, 2_000_000)}


def size(text: str) -> Size:
    """Return a size by its name, or with as many messages and as many metrics as the number says.

    :raises ValueError: neither a name nor a positive number.
    """
    if text in NAMED:
        return NAMED[text]
    messages = int(text.replace("_", "").replace(",", ""))
    if messages < 1:
        raise ValueError(text)
    return Size(max(messages // 10, 1), messages, messages)


def write(path: Path, wanted: Size, seed: int = SEED, first_metric: int = 1) -> None:
    """Write a file; the same arguments give the same rows. A file that is there is replaced.

    :param first_metric: the smallest id of a metric: files that are merged into one table must not share ids.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    random = Random(seed)
    with closing(sqlite3.connect(partial, isolation_level=None)) as connection:
        # A file that is only half written is thrown away: no journal is needed.
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144;")
        connection.executescript(SCHEMA)
        connection.execute("BEGIN")
        keys = [_uuid(random) for _ in range(wanted.conversations)]
        connection.executemany("INSERT INTO conversations VALUES (?, ?, ?, ?)", _conversations(random, keys))
        connection.executemany(
            "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)", _messages(random, keys, wanted.messages)
        )
        connection.executemany(
            "INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", _metrics(random, first_metric, wanted.metrics)
        )
        connection.execute(INDEX)
        connection.execute("COMMIT")
    partial.replace(path)


def change(path: Path) -> int:
    """Change one row in a hundred, spread over all tables, and return how many that were."""
    with closing(sqlite3.connect(path)) as connection:
        changed = 0
        for statement in (
            "UPDATE conversations SET title = coalesce(title, '') || ' (renamed)' WHERE rowid % 100 = 7",
            "UPDATE messages SET content = coalesce(content, '') || ' (edited)', is_read = 1 - is_read"
            " WHERE rowid % 100 = 7",
            "UPDATE metrics SET value = coalesce(value, 0) + 1 WHERE (id + 1) / 2 % 100 = 7",
        ):
            changed += connection.execute(statement).rowcount
        connection.commit()
    return changed


def write_tables(path: Path, tables: int) -> None:
    """Write a file with many tables of ten rows each."""
    path.unlink(missing_ok=True)
    random = Random(SEED)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        connection.execute("BEGIN")
        for number in range(tables):
            connection.execute(f"CREATE TABLE t{number:05d} (id INTEGER PRIMARY KEY, name TEXT NOT NULL, value REAL)")
            rows = [(row, random.choice(NAMES), random.random()) for row in range(10)]
            connection.executemany(f"INSERT INTO t{number:05d} VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")


def _conversations(random: Random, keys: list[str]) -> Iterator[tuple[object, ...]]:
    text = _text(special=False)
    for number, key in enumerate(keys):
        start = START + timedelta(minutes=5 * number, microseconds=int(random.random() * 1e6))
        title = None if random.random() < 0.03 else _piece(random, text, 30 + int(random.random() * 40))
        later = start + timedelta(seconds=random.random() * 1e6)
        updated = None if random.random() < 0.1 else _timestamp(later, _spelling(random, 0.5))
        yield key, title, _timestamp(start, _spelling(random, 0.5)), updated


def _messages(random: Random, keys: list[str], count: int) -> Iterator[tuple[object, ...]]:
    plain, special = _text(special=False), _text(special=True)
    lengths = random.choices(LENGTHS, LENGTH_WEIGHTS, k=997)
    roles = random.choices(ROLES, (45, 45, 5, 5), k=991)
    for number in range(count):
        chance = random.random()
        if chance < 0.01:
            content = None if chance < 0.005 else ""
        else:
            length = lengths[number % 997]
            content = _piece(random, special if chance < 0.35 else plain, length + int(random.random() * 60))
        created = START + timedelta(seconds=30 * number, microseconds=int(random.random() * 1e6))
        yield (
            _uuid(random),
            keys[int(random.random() ** 2 * len(keys))],  # few conversations have most of the messages
            roles[number % 991],
            content,
            _timestamp(created, _spelling(random, 0.8)),
            _attachments(random),
            1 if random.random() < 0.7 else 0,
        )


def _metrics(random: Random, first: int, count: int) -> Iterator[tuple[object, ...]]:
    text = _text(special=False)
    begin = int(START.timestamp())
    for number in range(count):
        chance = random.random()
        if chance < 0.05:
            value = None
        else:
            value = random.lognormvariate(3, 1) if chance < 0.9 else round(random.random() * 100, 2)
        samples = None if random.random() < 0.3 else int(random.random() * 1000)
        note = None if random.random() < 0.9 else _piece(random, text, 30)
        # Every other id: deleted rows leave gaps.
        yield first + 2 * number, NAMES[int(random.random() * 60)], value, begin + 15 * number, samples, note


def _uuid(random: Random) -> str:
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def _spelling(random: Random, usual: float) -> int:
    return 0 if random.random() < usual else int(random.random() * 4)


def _timestamp(moment: datetime, spelling: int) -> str:
    text = moment.isoformat("T", "microseconds")[:26]
    if spelling == 0:
        return text + "Z"
    if spelling == 1:
        return text + "+00:00"
    if spelling == 2:
        return f"{text[:10]} {text[11:19]}"
    return text[:23] + "Z"


def _attachments(random: Random) -> str | None:
    chance = random.random()
    if chance < 0.15:
        return None
    if chance < 0.7:
        return "[]"
    files = [
        {
            "name": f"file_{int(random.random() * 1e5)}.png",
            "size": int(random.random() * 1e7),
            "mime": MIME_TYPES[int(random.random() * 3)],
            "ok": random.random() < 0.5,
        }
        for _ in range(1 if chance < 0.85 else 2)
    ]
    return json.dumps(files)


def _piece(random: Random, text: str, length: int) -> str:
    start = int(random.random() * (len(text) - length))
    return text[start : start + length]


@cache
def _text(*, special: bool) -> str:
    """Return two million characters of words: pieces of it are texts that cost little to make, and all differ."""
    random = Random(SEED)
    parts: list[str] = []
    for word in random.choices(WORDS, k=360_000):
        parts.append(word)
        if special and random.random() < 0.02:
            parts.append(random.choice(SPECIAL))
    return " ".join(parts)
