"""``howdah plan`` as a person decides by it."""

from __future__ import annotations

import json

import pytest

from howdah.pipeline import Request, migrate, plan

ROWS = [(n, f"{n}", 1_700_000_000 + n, "true") for n in range(1, 101)]
BAD = [(200, "1,234", 1_700_000_000, "maybe"), (201, "x", None, "no"), (202, "7", 1_700_000_000, 3)]


@pytest.fixture
def source(make_source):
    script = "CREATE TABLE sales (id INTEGER PRIMARY KEY, amount INTEGER, sold_at INTEGER, paid BOOLEAN)"
    return make_source(script, sales=[(n, int(a), t, w) for n, a, t, w in ROWS] + BAD)


def test_what_the_plan_foresees_is_what_migrate_quarantines(database, source):
    request = Request((source,), database.dsn)
    foreseen = plan(request)
    assert foreseen.doomed == 3
    report = migrate(request)
    assert (report.verdict, report.quarantined_rows) == ("quarantined", 3)
    again = plan(request)
    assert (again.pending, again.doomed) == (False, 0)


def test_rows_that_refer_to_one_that_waits_come_on_top(database, make_source):
    parents = [(n, "x" if n % 10 == 0 else n) for n in range(1, 51)]
    children = [(n, n % 50 + 1) for n in range(300)]
    source = make_source(
        """CREATE TABLE parent (id INTEGER PRIMARY KEY, n INTEGER);
           CREATE TABLE child (id INTEGER PRIMARY KEY, parent INT REFERENCES parent(id));""",
        parent=parents,
        child=children,
    )
    request = Request((source,), database.dsn)
    foreseen = plan(request)
    assert (foreseen.doomed, "at least 5 would go to quarantine" in foreseen.sentence) == (5, True)
    orphans = sum(parent % 10 == 0 for _, parent in children)
    assert migrate(request).quarantined_rows == 5 + orphans
    reasons = dict(database.query("SELECT code, count(*) FROM howdah.quarantine GROUP BY code"))
    assert reasons == {"not_integer": 5, "orphan": orphans}


def test_a_stranger_can_decide_by_what_is_printed(howdah, source):
    result = howdah("plan", source)
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    for part in (
        "sold_at INTEGER integer 102 · null 1 sold_at timestamp with time zone seconds since 1970",
        "paid BOOLEAN text 102 · integer 1 paid boolean 0 and 1, words",
        "sales.amount",
        "rowid 200",
        "The text is a number with thousands separators.",
        "Take the separators out in the source.",
        "PENDING 103 rows in 1 of 1 tables would move; at least 3 would go to quarantine",
        "next: correct those rows in the source, or let them go to quarantine, and then: howdah migrate",
    ):
        assert part in words


def test_the_plan_as_json_has_every_column_and_risk(howdah, source):
    found = json.loads(howdah("plan", source, "--json").stdout)
    assert (found["sampled"], found["quarantined_rows"]) == (None, 3)
    amount, sold = found["tables"][0]["columns"][1:3]
    assert (amount["declared"], amount["values"]) == ("INTEGER", {"integer": 101, "text": 2})
    assert [(risk["code"], risk["rows"], risk["rowids"]) for risk in amount["risks"]] == [
        ("thousands_separator", 1, [200]),
        ("not_integer", 1, [201]),
    ]
    assert (sold["cast"], sold["options"]) == ("moment", {"unit": "epoch_s"})


def test_the_plan_as_a_page_needs_nothing_else(howdah, source, tmp_path):
    page = tmp_path / "plan.html"
    assert howdah("plan", source, "--report", page).exit_code == 0
    text = page.read_text()
    for part in ("What would not fit", "thousands_separator", "rowid 200", "howdah migrate", "seconds since 1970"):
        assert part in text
    assert "<script" not in text
    assert "http" not in text
    as_json = tmp_path / "plan.json"
    howdah("plan", source, "--report", as_json)
    assert json.loads(as_json.read_text())["quarantined_rows"] == 3


def test_names_of_the_source_are_no_markup(howdah, make_source, tmp_path):
    source = make_source('CREATE TABLE "<b>[red]" ("[/]<i>" INTEGER)', **{"<b>[red]": [("x",), (1,), (2,)]})
    page = tmp_path / "plan.html"
    result = howdah("plan", source, "--report", page)
    assert result.exit_code == 0
    assert "<b>[red].[/]<i>" in result.stdout
    assert "&lt;b&gt;[red]" in page.read_text()
    assert "<i>" not in page.read_text()


def test_a_sample_is_taken_only_when_asked_and_told(howdah, source, tmp_path):
    assert "ampled" not in howdah("plan", source).stdout
    result = howdah("plan", source, "--sample", 10)
    assert "Sampled: migrate reads every row and may decide on other types and casts." in result.stdout
    assert "of at most 10 rows of each table" in result.stdout
    assert "103 rows in 1 of 1 tables would move" in result.stdout
    assert json.loads(howdah("plan", source, "--sample", 10, "--json").stdout)["sampled"] == 10
    page = tmp_path / "plan.html"
    howdah("plan", source, "--sample", 10, "--report", page)
    assert "Sampled: at most 10 rows" in page.read_text()
    assert howdah("plan", source, "--sample", 0).exit_code == 2


def test_a_migration_never_samples(database, source):
    report = migrate(Request((source,), database.dsn, sample=2))
    assert (report.tables[0].source_rows, report.quarantined_rows) == (103, 3)
