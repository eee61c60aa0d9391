"""What the ledger keeps of a source's catalog, and makes of it again."""

import json
from dataclasses import asdict

from howdah.catalog import kept, sqlite

EVERYTHING = """
CREATE TABLE parent (a INTEGER, b TEXT COLLATE NOCASE DEFAULT ('x' || 'y'), PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE child (id INTEGER PRIMARY KEY AUTOINCREMENT, a INT, b TEXT, c INT CHECK (c > 0), d AS (c * 2),
  FOREIGN KEY (a, b) REFERENCES parent (a, b) ON DELETE CASCADE, UNIQUE (c, b));
CREATE UNIQUE INDEX part ON child (lower(b), c DESC) WHERE c > 1;
CREATE VIEW seen AS SELECT a, count(*) AS n FROM child GROUP BY a;
CREATE VIEW broken AS SELECT * FROM gone;
CREATE TRIGGER t AFTER INSERT ON child BEGIN SELECT 1; END;
CREATE VIRTUAL TABLE docs USING fts5(title, body, tokenize = porter);
INSERT INTO child (c) VALUES (5);
PRAGMA user_version = 7;
"""


def test_a_kept_catalog_is_the_one_that_was_read(make_source):
    catalog = sqlite.read(make_source(EVERYTHING))
    assert catalog.views
    assert catalog.virtuals
    assert kept.from_json(json.loads(json.dumps(asdict(catalog)))) == catalog
