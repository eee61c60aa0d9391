"""Translated queries against both engines: the same rows, in the same order where one is asked for."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest

from howdah.translate import Column, Kind, Relation, UntranslatableError, emit, view

COLUMNS = {
    "p": {
        "id": ("INTEGER PRIMARY KEY", "bigint", Column("id", Kind.INTEGER)),
        "name": ("TEXT", "text", Column("name", Kind.TEXT)),
        "nick": ("TEXT COLLATE NOCASE", "text", Column("nick", Kind.TEXT, "NOCASE")),
        "boss": ("INTEGER", "bigint", Column("boss", Kind.INTEGER)),
        "pay": ("REAL", "double precision", Column("pay", Kind.FLOAT, real=True)),
        "active": ("BOOLEAN", "boolean", Column("active", Kind.FLAG)),
        "born": ("DATETIME", "timestamp", Column("born", Kind.MOMENT)),
    },
    "o": {
        "id": ("INTEGER PRIMARY KEY", "bigint", Column("oid", Kind.INTEGER)),
        "p": ("INTEGER", "bigint", Column("p", Kind.INTEGER)),
        "qty": ("INTEGER", "bigint", Column("qty", Kind.INTEGER)),
    },
}
ROWS = {
    "p": [
        (1, "Ann", "a", None, 2.5, 1, "2020-01-01 10:00:00"),
        (2, "bob", "A", 1, 0.5, 0, None),
        (3, "Éva", "é", 1, None, None, "2021-06-07 08:09:10"),
        (4, None, None, 2, -1.0, 1, "2020-12-31 23:59:59"),
        (5, "Zed", "É", 9, 0.25, 1, None),
    ],
    "o": [(10, 1, 3), (11, 1, 0), (12, 2, -4), (13, None, 7), (14, 8, None)],
}


@pytest.fixture(scope="module")
def engines(server_dsn):
    lite = sqlite3.connect(":memory:")
    with psycopg.connect(server_dsn, dbname="postgres", autocommit=True) as server:
        for table, columns in COLUMNS.items():
            lite.execute(f"CREATE TABLE {table} ({', '.join(f'{n} {c[0]}' for n, c in columns.items())})")
            lite.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", ROWS[table])
            kinds = ", ".join(f"{c[2].name} {c[1]}" for c in columns.values())
            server.execute(f"CREATE TEMP TABLE {table} ({kinds})")
            with server.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                flags = [c[1] == "boolean" for c in columns.values()]
                for row in ROWS[table]:
                    copy.write_row([bool(v) if f and v is not None else v for v, f in zip(row, flags, strict=True)])
        yield lite, server
    lite.close()


RELATIONS = {
    table: Relation("pg_temp", table, {name: column for name, (*_, column) in columns.items()})
    for table, columns in COLUMNS.items()
}


def translated(lite, query):
    lite.execute("DROP VIEW IF EXISTS v")
    lite.execute(f"CREATE VIEW v AS {query}")
    names = tuple(f"c{n}" for n, _ in enumerate(lite.execute("PRAGMA table_info(v)").fetchall()))
    return emit.sql(view(RELATIONS, f"CREATE VIEW v AS {query}", names).node)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM p ORDER BY name, id",
        "SELECT * FROM p ORDER BY nick DESC, 1 DESC",
        "SELECT id, pay FROM p ORDER BY pay LIMIT 3 OFFSET 1",
        "SELECT id AS x, id + 1 AS y FROM p WHERE y > 3 ORDER BY x DESC",
        "SELECT p.id, o.* FROM p, o WHERE o.p = p.id ORDER BY p.id, o.id",
        "SELECT p.id, o.id FROM p LEFT JOIN o ON o.p = p.id AND qty > 0 ORDER BY 1, 2",
        "SELECT p.id, o.id FROM p JOIN o ORDER BY p.id DESC, 2",
        "SELECT * FROM p AS a LEFT JOIN p AS b USING (id) ORDER BY a.id",
        "SELECT a.id FROM p a, o LEFT JOIN p b ON a.id = b.boss AND o.id > b.id ORDER BY a.id, o.id, b.id",
        "SELECT boss, count(*), count(pay), sum(id), avg(id), min(pay), max(name), total(pay) FROM p"
        " GROUP BY boss ORDER BY 1",
        "SELECT boss, sum(active) AS n FROM p GROUP BY 1 HAVING n > 0 ORDER BY n, boss",
        "SELECT boss > 1 AS big, count(*) FROM p GROUP BY big ORDER BY big",
        "SELECT count(DISTINCT name), sum(id) FILTER (WHERE active), group_concat(id, '') FROM p WHERE id = 1",
        "SELECT DISTINCT boss FROM p ORDER BY boss",
        "SELECT id FROM p UNION SELECT p FROM o ORDER BY 1 DESC",
        "SELECT id, 'a' AS s FROM p UNION ALL SELECT p, 'b' FROM o ORDER BY id, 1 LIMIT 20",
        "SELECT id FROM p EXCEPT SELECT p FROM o ORDER BY id",
        "SELECT id, (SELECT sum(qty) FROM o WHERE o.p = p.id) FROM p ORDER BY id",
        "SELECT id FROM p WHERE EXISTS (SELECT 1 FROM o WHERE o.p = p.id)"
        " AND id NOT IN (SELECT boss FROM p WHERE boss > 1)",
        "SELECT n, m FROM (SELECT id AS n, pay * 2 AS m FROM p) s WHERE s.m > 0 ORDER BY n",
        "WITH a AS (SELECT id, name FROM p WHERE active), b(k) AS (SELECT id FROM a)"
        " SELECT k, name FROM a, b WHERE k = id ORDER BY k",
        "SELECT name || '-' || id, \"nothing\", NULL, 0.5, pay > 1, NOT active FROM p ORDER BY id",
        "SELECT strftime('%Y', born) AS y, count(*) FROM p GROUP BY y ORDER BY y",
        "SELECT CASE WHEN nick = 'A' THEN 'yes' ELSE name END FROM p ORDER BY id",
        "SELECT id FROM main.p ORDER BY nick COLLATE BINARY, id",
    ],
)
def test_a_query_gives_the_same_rows(engines, query):
    lite, server = engines
    rows = server.execute(translated(lite, query)).fetchall()
    wanted = lite.execute(query).fetchall()
    shown = [tuple(v.isoformat(" ") if hasattr(v, "isoformat") else v for v in row) for row in rows]
    if "ORDER BY" not in query:
        shown, wanted = sorted(shown), sorted(wanted)
    assert shown == wanted


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT * FROM p NATURAL JOIN o", "part"),
        ("SELECT * FROM p RIGHT JOIN o ON 1", "RIGHT JOIN"),
        ("SELECT value FROM json_each('[1]')", "neither a table nor a view"),
        ("SELECT max(born) FROM p", "timestamp"),
        ("SELECT born FROM p GROUP BY born", "timestamp"),
        ("SELECT DISTINCT nick FROM p", "NOCASE"),
        ("SELECT name FROM p UNION SELECT name FROM p ORDER BY 1", "ordered by text"),
        ("SELECT (SELECT name FROM p) FROM o", "several rows"),
        ("SELECT id FROM p WHERE name IN (SELECT nick FROM p)", "looks for"),
        ("SELECT id FROM p UNION ALL SELECT pay FROM p", "integer and real"),
        ("SELECT row_number() OVER (ORDER BY id) FROM p", "Window"),
        ("SELECT id FROM p LIMIT -1", "LIMIT"),
        ('SELECT "count(*)" FROM (SELECT count(*) FROM p)', "without a name"),
        ("VALUES (1)", "parsed"),
        ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r", "r, which"),
    ],
)
def test_a_query_in_doubt_is_not_translated(engines, query, why):
    with pytest.raises(UntranslatableError, match=why):
        translated(engines[0], query)
