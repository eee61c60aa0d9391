"""What a damaged page costs: the rows on it, counted and listed, and no other."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from howdah import snapshot
from howdah.catalog import sqlite as catalog
from howdah.discover import SourceFile, quoted
from howdah.errors import SourceError

PAGE = 4096


def salvaged(path: Path, folder: Path) -> snapshot.Snapshot:
    with pytest.raises(SourceError, match="--salvage"):
        snapshot.take(SourceFile("shop.db", path), folder)
    copy = snapshot.take(SourceFile("shop.db", path), folder, salvaging=True)
    with closing(sqlite3.connect(copy.path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = 1")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert [entry.name for entry in folder.iterdir()] == [copy.path.name]
    assert copy.salvaged
    return copy


def content(path: Path, table: str, order: str = "1") -> list[tuple]:
    """Return rows with their storage classes."""
    with closing(sqlite3.connect(path)) as connection:
        names = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({quoted(table)})")]
        columns = ", ".join(f"{quoted(name)}, typeof({quoted(name)})" for name in names)
        return connection.execute(f"SELECT {columns} FROM {quoted(table)} ORDER BY {order}").fetchall()


def query(path: Path, statement: str, *parameters: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement, parameters).fetchall()


def page_with(path: Path, text: bytes) -> int:
    """Return the number of the only page that holds a text."""
    raw = path.read_bytes()
    pages = {at // PAGE + 1 for at in range(len(raw)) if raw.startswith(text, at)}
    assert len(pages) == 1
    return pages.pop()


def overwrite(path: Path, page: int, content: bytes) -> None:
    assert len(content) == PAGE
    with path.open("r+b") as stream:
        stream.seek((page - 1) * PAGE)
        stream.write(content)


def read(path: Path, page: int) -> bytes:
    return path.read_bytes()[(page - 1) * PAGE : page * PAGE]


def losses(copy: snapshot.Snapshot) -> dict[str, int | None]:
    return {finding.table: finding.rows for finding in copy.findings if finding.code == "rows_lost"}


@pytest.fixture
def work(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def shop(make_source):
    return make_source(
        """CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT UNIQUE, body TEXT);
           CREATE TABLE log (at INTEGER, line TEXT);
           CREATE TABLE names (name TEXT COLLATE NOCASE, n INTEGER, v TEXT, w TEXT,
             PRIMARY KEY (n, name)) WITHOUT ROWID;
           CREATE INDEX names_v ON names (v);""",
        notes=[(n, f"code-{n:05}", f"note-{n:05}-" + "x" * (n % 250)) for n in range(1, 2001)],
        log=[(n, f"line-{n:05}-" + "y" * (n % 250)) for n in range(1, 2001)],
        names=[(f"Name-{n:05}", n, "z" * (n % 150), f"only-{n:05}") for n in range(1, 2001)],
    )


@pytest.mark.parametrize("garbage", [b"\xa5" * PAGE, bytes(PAGE), b"text over it, " * 292 + b"12345678", None])
def test_a_bad_page_costs_its_rows_counted_by_an_index(shop, work, garbage):
    before = {table: content(shop, table) for table in ("notes", "log", "names")}
    page = page_with(shop, b"note-00777-")
    # None stands for a write that went to the wrong place: a sound page that belongs elsewhere.
    overwrite(shop, page, garbage or read(shop, page_with(shop, b"note-01555-")))
    copy = salvaged(shop, work)
    kept = content(copy.path, "notes")
    gone = [row[0] for row in before["notes"] if row not in kept]
    assert 777 in gone
    assert gone == list(range(gone[0], gone[-1] + 1))
    assert len(gone) < 60
    assert set(kept) < set(before["notes"])
    assert losses(copy) == {"notes": len(gone)}
    (finding,) = (finding for finding in copy.findings if finding.code == "rows_lost")
    assert f"page {page}: {len(gone)} between rowids {gone[0]} and {gone[-1]}" in finding.message
    assert (copy.findings[0].code, copy.findings[0].rows) == ("salvaged", len(gone))
    assert content(copy.path, "log") == before["log"]
    assert content(copy.path, "names") == before["names"]


def test_without_an_index_the_range_is_told_and_the_number_is_not_guessed(shop, work):
    before = content(shop, "log")
    overwrite(shop, page_with(shop, b"line-00777-"), bytes(PAGE))
    copy = salvaged(shop, work)
    kept = content(copy.path, "log")
    gone = [row[0] for row in before if row not in kept]
    assert set(kept) < set(before)
    assert losses(copy) == {"log": None}
    (finding,) = (finding for finding in copy.findings if finding.code == "rows_lost")
    assert f"what has a rowid from {gone[0]} to {gone[-1]}" in finding.message


def test_a_bad_overflow_page_costs_one_row(make_source, work):
    rows = [(n, f"start-{n}-".encode() + bytes(20_000) + f"-end-{n}".encode()) for n in range(20)]
    path = make_source("CREATE TABLE big (id INTEGER PRIMARY KEY, v BLOB)", big=rows)
    overwrite(path, page_with(path, b"-end-7") - 2, b"\xff" * PAGE)
    copy = salvaged(path, work)
    assert losses(copy) == {"big": 1}
    assert [row[0] for row in content(copy.path, "big")] == [n for n in range(20) if n != 7]


def test_an_overflow_page_of_another_row_makes_up_no_value(make_source, work):
    rows = [(n, b"".join(b"%03d-%05d" % (n, part) for part in range(2000))) for n in range(20)]
    path = make_source("CREATE TABLE big (id INTEGER PRIMARY KEY, v BLOB)", big=rows)
    before = content(path, "big")
    overwrite(path, page_with(path, b"007-01000"), read(path, page_with(path, b"003-01000")))
    copy = salvaged(path, work)
    kept = content(copy.path, "big")
    assert set(kept) < set(before)
    assert {row[0] for row in before} - {row[0] for row in kept} == {3, 7}
    assert losses(copy) == {"big": 2}


def test_pages_that_two_tables_claim_are_given_to_neither(make_source, work):
    path = make_source(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE b (id INTEGER PRIMARY KEY, v TEXT);"
        "CREATE TABLE c (id INTEGER PRIMARY KEY, v TEXT)",
        **{name: [(n, f"{name}{n}-" + "x" * 300) for n in range(500)] for name in "abc"},
    )
    roots = dict(query(path, "SELECT name, rootpage FROM sqlite_master"))
    before = content(path, "c")
    overwrite(path, roots["b"], read(path, roots["a"]))
    copy = salvaged(path, work)
    assert content(copy.path, "a") == content(copy.path, "b") == []
    assert content(copy.path, "c") == before
    assert losses(copy) == {"a": None, "b": None}


def test_rows_that_no_page_misses_are_found_missing_by_an_index(shop, work):
    before = content(shop, "notes")
    ((root,),) = query(shop, "SELECT rootpage FROM sqlite_master WHERE name = 'notes'")
    page = bytearray(read(shop, root))
    assert page[0] == 5
    # As an older state of the page would be: one child fewer, and all that is there fits.
    page[3:5] = (int.from_bytes(page[3:5], "big") - 1).to_bytes(2, "big")
    overwrite(shop, root, bytes(page))
    copy = salvaged(shop, work)
    gone = len(before) - len(content(copy.path, "notes"))
    assert gone > 0
    assert losses(copy) == {"notes": gone}


def test_an_index_with_a_page_that_belongs_elsewhere_is_not_believed(make_source, work):
    path = make_source(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT, w TEXT); CREATE TABLE b (id INTEGER PRIMARY KEY, v TEXT);"
        "CREATE INDEX a_v ON a (v); CREATE INDEX b_v ON b (v)",
        a=[(n, f"value-a-{n:05}" + "x" * 50, f"row-{n:05}" + "y" * 50) for n in range(1000)],
        b=[(10**6 + n, f"value-b-{n:05}" + "x" * 50) for n in range(1000)],
    )
    pages = {
        name: query(path, "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' LIMIT 1 OFFSET 5", name)[0][0]
        for name in ("a_v", "b_v")
    }
    overwrite(path, pages["a_v"], read(path, pages["b_v"]))
    overwrite(path, page_with(path, b"row-00500"), bytes(PAGE))
    assert losses(salvaged(path, work)) == {"a": None}


def test_rows_without_a_rowid_are_found_by_an_index_between_bad_pages(shop, work):
    before = content(shop, "names", "n")
    for number in (500, 600):
        overwrite(shop, page_with(shop, b"only-%05d" % number), b"\xa5" * PAGE)
    copy = salvaged(shop, work)
    kept = content(copy.path, "names", "n")
    assert set(kept) < set(before)
    assert {550} <= {row[2] for row in kept}
    assert losses(copy) == {"names": len(before) - len(kept)}
    assert len(before) - len(kept) < 150


def test_a_truncated_file_keeps_the_rows_on_the_pages_that_are_there(shop, work, make_source):
    before = content(shop, "notes")
    size = shop.stat().st_size
    with shop.open("r+b") as stream:
        stream.truncate(size // 2 - 100)
    copy = salvaged(shop, work)
    assert "it is truncated" in copy.findings[0].message
    kept = content(copy.path, "notes")
    assert kept
    assert set(kept) <= set(before)


def test_everything_else_of_the_schema_is_kept(make_source, work):
    script = """
        CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT NOT NULL,
          up AS (upper(v)), low AS (lower(v)) STORED);
        CREATE VIEW loud AS SELECT up FROM t;
        CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM t WHERE id = 0; END;
        CREATE VIRTUAL TABLE words USING fts5(v);
        CREATE UNIQUE INDEX part ON t (v) WHERE id > 5;
        CREATE INDEX expression ON t (length(v));
        INSERT INTO words VALUES ('hello world');
        CREATE TABLE hurt (v TEXT);"""
    path = make_source(script)
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany("INSERT INTO t (v) VALUES (?)", [(f"V{n}",) for n in range(100)])
        connection.execute("DELETE FROM t WHERE id = 100")
        connection.executemany("INSERT INTO hurt VALUES (?)", [(f"hurt-{n:04}-" + "x" * 300,) for n in range(100)])
        connection.commit()
    before, rows = catalog.read(path), content(path, "t")
    overwrite(path, page_with(path, b"hurt-0050-"), bytes(PAGE))
    copy = salvaged(path, work)
    assert content(copy.path, "t") == rows
    after = catalog.read(copy.path)
    assert {table.name: table for table in after.tables} == {table.name: table for table in before.tables}
    assert set(after.objects) == set(before.objects)
    with closing(sqlite3.connect(copy.path)) as connection:
        assert connection.execute("SELECT count(*) FROM words('hello')").fetchone() == (1,)


def test_dirty_rows_are_kept_as_they_were_stored(make_source, work):
    path = make_source(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c TEXT UNIQUE, r REAL);
           INSERT INTO t VALUES (1, 'a', '12', 'one', 3), (2, NULL, 'x', 'two', 4.5), (3, 'neg', '007', 'three', 'odd');
           INSERT INTO t VALUES (4, CAST(x'ff00e4' AS TEXT), x'00ff', 'four', 9007199254740993);
           CREATE TABLE hurt (v TEXT);""",
        hurt=[(f"hurt-{n:04}-" + "x" * 300,) for n in range(100)],
    )
    with closing(sqlite3.connect(path)) as connection:
        # As another tool may leave it: declared otherwise than when the rows were written.
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute(
            """UPDATE sqlite_master SET sql = 'CREATE TABLE t (id INTEGER PRIMARY KEY,
               a TEXT NOT NULL CHECK (a <> ''neg''), b INTEGER, c TEXT UNIQUE, r REAL)' WHERE name = 't'"""
        )
        connection.commit()
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        select = "SELECT id, a, b, typeof(b), c, r, typeof(r) FROM t"
        rows = connection.execute(select).fetchall()
    assert (rows[0][3], rows[2][2]) == (b"text", b"007")
    overwrite(path, page_with(path, b"hurt-0050-"), bytes(PAGE))
    copy = snapshot.take(SourceFile("shop.db", path), work, salvaging=True)
    with closing(sqlite3.connect(copy.path)) as connection:
        connection.text_factory = bytes
        assert connection.execute(select).fetchall() == rows


def test_rows_that_break_a_key_are_kept_and_the_key_is_told(make_source, work):
    path = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT UNIQUE); CREATE TABLE hurt (v TEXT)",
        t=[(1, "same"), (2, "sane")],
        hurt=[(f"hurt-{n:04}-" + "x" * 300,) for n in range(100)],
    )
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"sane", b"same"))
    overwrite(path, page_with(path, b"hurt-0050-"), bytes(PAGE))
    copy = salvaged(path, work)
    assert [(row[0], row[2]) for row in content(copy.path, "t")] == [(1, "same"), (2, "same")]
    assert [finding.table for finding in copy.findings if finding.code == "definition_simplified"] == ["t"]


def test_a_bad_page_of_the_schema_costs_the_tables_on_it_only(make_source, work):
    script = "".join(
        f"CREATE TABLE table_{n:03} (id INTEGER PRIMARY KEY, v TEXT /* {'x' * 60} */);" for n in range(100)
    )
    path = make_source(script, **{f"table_{n:03}": [(n, "v")] for n in range(100)})
    overwrite(path, page_with(path, b"CREATE TABLE table_050"), b"\xa5" * PAGE)
    copy = salvaged(path, work)
    names = {table.name for table in catalog.read(copy.path).tables}
    assert {"table_000", "table_099"} < names
    assert "table_050" not in names
    assert len(names) > 60
    assert all(content(copy.path, name) for name in names)
    assert "schema_damaged" in {finding.code for finding in copy.findings}


def test_a_source_without_a_readable_schema_is_refused(shop, work):
    raw = bytearray(shop.read_bytes())
    raw[100:PAGE] = b"\xa5" * (PAGE - 100)
    shop.write_bytes(raw)
    with pytest.raises(SourceError, match="Nothing can be salvaged"):
        snapshot.take(SourceFile("shop.db", shop), work, salvaging=True)


def test_a_sound_source_is_copied_as_it_is(shop, work):
    plain = snapshot.take(SourceFile("shop.db", shop), work)
    asked = snapshot.take(SourceFile("shop.db", shop), work, salvaging=True)
    assert (asked.blake3, asked.findings, asked.salvaged) == (plain.blake3, (), False)


def test_the_same_damage_gives_the_same_bytes(shop, work):
    overwrite(shop, page_with(shop, b"note-00777-"), bytes(PAGE))
    assert salvaged(shop, work).blake3 == salvaged(shop, work).blake3


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_other_encodings_and_page_sizes(tmp_path, work, encoding):
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("PRAGMA page_size = 512")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT UNIQUE)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"größe-{n:05}") for n in range(1000)])
        connection.commit()
    before = content(path, "t")
    raw = bytearray(path.read_bytes())
    at = raw.find("größe-00500".encode(encoding)) // 512 * 512
    raw[at : at + 512] = bytes(512)
    path.write_bytes(raw)
    copy = salvaged(path, work)
    kept = content(copy.path, "t")
    assert set(kept) < set(before)
    assert len(kept) > 900


@pytest.mark.parametrize("seed", range(25))
def test_whatever_pages_are_hit_no_row_is_made_up_and_every_loss_is_counted(make_source, work, seed):
    draw = random.Random(seed)
    # Rowids that no two tables share: a page of the one cannot pass for a page of the other.
    path = make_source(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE b (id INTEGER PRIMARY KEY, v TEXT);"
        "CREATE INDEX a_v ON a (v); CREATE INDEX b_v ON b (v);"
        "CREATE TABLE c (id INTEGER PRIMARY KEY, v TEXT) WITHOUT ROWID; CREATE INDEX c_v ON c (v)",
        a=[(n * 7 + draw.randint(0, 6), f"a{n}-" + "x" * draw.randint(0, 300)) for n in range(1, 3000)],
        b=[(10**6 + n, f"b{n}-" + "x" * draw.randint(0, 300)) for n in range(3000)],
        c=[(2 * 10**6 + n, f"c{n}-" + "x" * draw.randint(0, 300)) for n in range(3000)],
    )
    before = {table: set(content(path, table)) for table in ("a", "b", "c")}
    raw = bytearray(path.read_bytes())
    count = len(raw) // PAGE
    for page in draw.sample(range(2, count + 1), draw.randint(1, 12)):
        other = (draw.randint(2, count) - 1) * PAGE
        raw[(page - 1) * PAGE : page * PAGE] = draw.choice(
            [bytes(PAGE), draw.randbytes(PAGE), raw[other : other + PAGE], b"\xff" * PAGE]
        )
    path.write_bytes(raw)
    copy = snapshot.take(SourceFile("shop.db", path), work, salvaging=True)
    counted = losses(copy)
    for table, rows in before.items():
        kept = set(content(copy.path, table))
        assert kept <= rows
        assert table in counted or kept == rows
        if counted.get(table) is not None:
            assert counted[table] == len(rows) - len(kept)
