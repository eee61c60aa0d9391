"""The ledger keeps what is needed to make a source again."""

from __future__ import annotations

from howdah import definition
from howdah.pipeline import Request, migrate, plan

SHOP = """
PRAGMA user_version = 7;
CREATE TABLE Item (Id INTEGER PRIMARY KEY AUTOINCREMENT, Name TEXT NOT NULL, Sold BOOLEAN, Seen DATETIME);
CREATE INDEX by_name ON Item (Name);
CREATE VIEW sold AS SELECT * FROM Item WHERE Sold;
INSERT INTO Item VALUES (1, 'a', 1, '2024-01-01T00:00:00Z');
"""


def kept(database):
    (value,) = [row[0] for row in database.query("SELECT definition FROM howdah.source")]
    found = definition.from_json(value)
    assert found is not None
    return found


def test_statements_and_casts_are_kept(database, make_source):
    migrate(Request((make_source(SHOP),), database.dsn))
    found = kept(database)
    (item,) = found.tables
    assert (found.user_version, item.schema, item.target, item.autoincrement) == (7, "public", "item", True)
    assert item.sql.startswith("CREATE TABLE Item (Id INTEGER PRIMARY KEY")
    assert dict(item.indexes)["by_name"] == "CREATE INDEX by_name ON Item (Name)"
    assert [view.sql for view in found.objects] == ["CREATE VIEW sold AS SELECT * FROM Item WHERE Sold"]
    assert [(c.name, c.target, c.storage, bool(c.loss)) for c in item.columns] == [
        ("Id", "id", "integer", False),
        ("Name", "name", "text", False),
        ("Sold", "sold", "integer", False),
        ("Seen", "seen", "text", True),
    ]


def test_plan_and_report_say_which_columns_come_back_exactly(database, make_source):
    request = Request((make_source(SHOP),), database.dsn)
    (planned,) = plan(request).to_dict()["tables"]
    (moved,) = migrate(request).to_dict()["tables"]
    for table in (planned, moved):
        assert [c["lossless"] for c in table["columns"]] == [True, True, True, False]
