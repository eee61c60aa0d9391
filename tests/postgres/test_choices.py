"""What a person chooses for a derived schema: orphans and identifiers."""

from __future__ import annotations

import psycopg
import pytest

from howdah.errors import ConfigurationError
from howdah.pipeline import Request, migrate, plan, verify

FAMILY = """
CREATE TABLE child (id INTEGER PRIMARY KEY, a INT, b INT, FOREIGN KEY (a, b) REFERENCES parent (x, y));
CREATE TABLE parent (x INT, y INT, up INT REFERENCES leaf (id), PRIMARY KEY (x, y));
CREATE TABLE leaf (id INTEGER PRIMARY KEY, child INT REFERENCES child, self INT REFERENCES leaf);
INSERT INTO parent VALUES (1, 1, 1), (2, 2, NULL);
INSERT INTO child VALUES (1, 1, 1), (2, 9, 9), (3, NULL, 9);
INSERT INTO leaf VALUES (1, 1, 1), (2, 7, NULL), (3, NULL, 8);
"""


def keys(database):
    query = (
        "SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
    )
    return dict(database.query(query))


def unchanged(request):
    again = migrate(request)
    assert again.changed is False
    assert not plan(request).pending
    return again


def test_orphans_wait_in_quarantine_by_default(database, make_source):
    request = Request((make_source(FAMILY),), database.dsn)
    report = migrate(request)
    assert (report.verdict, report.quarantined_rows) == ("quarantined", 3)
    assert set(keys(database).values()) == {True}
    assert database.query("SELECT * FROM child ORDER BY 1") == [(1, 1, 1), (3, None, 9)]
    assert migrate(request).changed is False


def test_orphans_that_are_kept_move_and_leave_the_key_not_valid(database, make_source):
    source = make_source(FAMILY)
    report = migrate(Request((source,), database.dsn, orphans="keep"))
    assert (report.verdict, report.quarantined_rows) == ("verified", 0)
    assert keys(database) == {
        "child_a_b_fkey": False,
        "parent_up_fkey": True,
        "leaf_child_fkey": False,
        "leaf_self_fkey": False,
    }
    found = sorted(f.message.split()[3] for f in report.findings if f.code == "foreign_key_not_valid")
    assert found == ["child_a_b_fkey", "leaf_child_fkey", "leaf_self_fkey"]
    # Said once, it holds for later runs too.
    again = unchanged(Request((source,), database.dsn))
    assert sorted(f.message for f in again.findings) == sorted(f.message for f in report.findings)
    assert verify(Request((source,), database.dsn)).verdict == "verified"
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        database.query("INSERT INTO child VALUES (10, 5, 5)")


def test_new_orphans_and_lost_parents_move_too(database, make_source, change):
    source = make_source(FAMILY)
    migrate(Request((source,), database.dsn, orphans="keep"))
    change(
        source,
        "DELETE FROM parent WHERE x = 1; INSERT INTO leaf VALUES (4, 99, 4); UPDATE child SET a = 6 WHERE id = 3",
    )
    report = migrate(Request((source,), database.dsn))
    assert (report.verdict, report.changed) == ("verified", True)
    assert database.query("SELECT x FROM parent") == [(2,)]
    assert database.value("SELECT a FROM child WHERE id = 3") == 6
    unchanged(Request((source,), database.dsn))


def test_orphans_that_got_their_parents_make_the_key_valid(database, make_source, change):
    source = make_source(FAMILY)
    migrate(Request((source,), database.dsn, orphans="keep"))
    change(source, "INSERT INTO parent VALUES (9, 9, NULL)")
    migrate(Request((source,), database.dsn))
    assert keys(database)["child_a_b_fkey"] is True


def test_another_choice_later_sets_orphans_aside(database, make_source):
    source = make_source(FAMILY)
    migrate(Request((source,), database.dsn, orphans="keep"))
    report = migrate(Request((source,), database.dsn, orphans="quarantine"))
    assert (report.verdict, report.quarantined_rows) == ("quarantined", 3)
    assert set(keys(database).values()) == {True}
    assert migrate(Request((source,), database.dsn)).changed is False


LONG = "a" * 70
NAMES = f"""
CREATE TABLE "OrderLine" ("Order ID" INTEGER PRIMARY KEY, orderID INT, "order_id" INT, {LONG}x INT, {LONG}y INT,
  "größeInMM" INT CHECK ("größeInMM" > 0));
CREATE TABLE "order_line" (id INTEGER PRIMARY KEY, "OrderLine" INT REFERENCES "OrderLine");
CREATE INDEX "ByOrder" ON "OrderLine" (orderID); CREATE INDEX "by_order" ON "order_line" (id);
CREATE VIEW "AllLines" AS SELECT "Order ID", orderID AS "TheID" FROM orderline;
INSERT INTO OrderLine VALUES (1, 2, 3, 4, 5, 6); INSERT INTO order_line VALUES (1, 1);
"""


@pytest.mark.parametrize(
    ("style", "tables", "columns", "others"),
    [
        (
            "lower",
            ["alllines", "order_line", "orderline"],
            ["order id", "orderid", "order_id", "größeinmm"],
            {"byorder", "by_order", "orderline_pkey", "orderline_größeinmm_check"},
        ),
        (
            "keep",
            ["AllLines", "OrderLine", "order_line"],
            ["Order ID", "orderID", "order_id", "größeInMM"],
            {"ByOrder", "by_order", "OrderLine_pkey", "OrderLine_größeInMM_check"},
        ),
        (
            "snake",
            ["all_lines", "order_line", "order_line_d48489"],
            ["order_id_d89d84", "order_id_9d253d", "order_id", "größe_in_mm"],
            {"by_order", "by_order_f1763f", "order_line_pkey", "order_line_d48489_pkey"},
        ),
    ],
)
def test_names_are_written_as_chosen(database, make_source, style, tables, columns, others):
    source = make_source(NAMES)
    report = migrate(Request((source,), database.dsn, identifiers=style))
    assert report.verdict == "verified"
    namespace = "'public'::regnamespace"
    found = database.query(f"SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = {namespace}")
    assert sorted(name for (name,) in found) == tables
    wanted = next(table.target for table in report.tables if table.table == "OrderLine").removeprefix("public.")
    listed = (
        "SELECT attname FROM pg_attribute WHERE attrelid = quote_ident(%s)::regclass AND attnum > 0 ORDER BY attnum"
    )
    names = [name for (name,) in database.query(listed, wanted)]
    assert [*names[:3], names[5]] == columns
    assert all(len(name.encode()) <= 63 and name.startswith("aaaaaa") for name in names[3:5])
    made = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' UNION SELECT conname FROM pg_constraint"
    assert others <= {name for (name,) in database.query(made)}
    renamed = {f.column for f in report.findings if f.code == "renamed"}
    assert {f"{LONG}x", f"{LONG}y"} <= renamed
    # The style is kept in the ledger: nobody has to say it again, and nothing else may follow.
    assert unchanged(Request((source,), database.dsn)).verdict == "verified"
    other = "keep" if style != "keep" else "snake"
    with pytest.raises(ConfigurationError, match=f"made with --identifiers {style}; .* {other} cannot follow"):
        migrate(Request((source,), database.dsn, identifiers=other))


def test_collisions_are_resolved_and_reported(database, make_source):
    report = migrate(Request((make_source(NAMES),), database.dsn, identifiers="snake"))
    messages = {f.message for f in report.findings if f.code == "renamed"}
    assert "Table OrderLine becomes order_line_d48489." in messages
    assert "OrderLine.orderID becomes order_id_9d253d." in messages
    assert "The index by_order of order_line becomes by_order_f1763f." in messages


def test_a_table_that_comes_later_takes_no_name_away(database, make_source, change):
    source = make_source('CREATE TABLE "OrderLine" (id INTEGER PRIMARY KEY); INSERT INTO OrderLine VALUES (7)')
    migrate(Request((source,), database.dsn, identifiers="snake"))
    change(source, "CREATE TABLE order_line (id INTEGER PRIMARY KEY)")
    report = migrate(Request((source,), database.dsn))
    assert report.verdict == "verified"
    assert database.query("SELECT id FROM order_line") == [(7,)]


def test_choices_are_refused_beside_an_application_folder(database, make_source, tmp_path):
    folder = tmp_path / "shop"
    (folder / "versions").mkdir(parents=True)
    (folder / "application.yml").write_text(
        "name: shop\ntitle: Shop\ndatabase: shop\nschema: public\nsources: [{name: shop, path: shop.db}]\n"
    )
    source = make_source("CREATE TABLE t (a INT)")
    with pytest.raises(ConfigurationError, match="an application folder has its own"):
        migrate(Request((source.parent,), database.dsn, application=folder, orphans="keep"))
