"""`howdah quarantine`: a person sees what waits, takes it out, corrects the source, and tries again."""

from __future__ import annotations

import csv
import json
import stat

import pytest

from howdah.pipeline import Request, migrate

SCRIPT = """
CREATE TABLE people (id INTEGER PRIMARY KEY, age INTEGER, photo BLOB, weight REAL);
CREATE TABLE pets (owner INTEGER REFERENCES people(id), name TEXT, PRIMARY KEY (owner, name)) WITHOUT ROWID;
"""


@pytest.fixture
def source(make_source):
    """Two people who do not fit, and the pets of one of them."""
    fit = [(n, 40, b"", 2.5) for n in (1, *range(10, 30))]
    bad = [(2, "thirty", b"\x00\xff", 0.1), (3, "old", b"", 1e300)]
    return make_source(SCRIPT, people=fit + bad, pets=[(1, "Rex"), (2, "=Tom"), (2, 'Mi"a\n')])


@pytest.fixture
def migrated(source, database):
    assert migrate(Request((source,), database.dsn)).exit_code == 3
    return source


def test_migrate_names_the_commands_that_look_and_try_again(howdah, source):
    result = howdah("migrate", source)
    assert result.exit_code == 3
    assert "next: howdah quarantine list\n" in result.stdout
    assert f"howdah quarantine retry {source}\n" in result.stdout
    assert "The text is no integer." in result.stdout


def test_reports_count_the_reasons_and_name_no_value(howdah, source, tmp_path):
    page, file = tmp_path / "report.html", tmp_path / "report.json"
    shown = howdah("migrate", source, "--html", page, "--report", file).stdout
    for text in (shown, page.read_text(), file.read_text()):
        assert "The text is no integer." in text
        assert "thirty" not in text
    assert "howdah quarantine list" in page.read_text()
    groups = json.loads(file.read_text())["quarantine"]
    assert [(group["table"], group["column"], group["code"], group["rows"]) for group in groups] == [
        ("people", "age", "not_integer", 2),
        ("pets", "owner", "orphan", 2),
    ]
    assert sum(group["rows"] for group in groups) == 4


def test_a_quiet_run_speaks_only_of_what_is_not_verified(howdah, source, change):
    assert "QUARANTINED" in howdah("migrate", source, "--quiet").stdout
    change(source, "DELETE FROM people WHERE id IN (2, 3); DELETE FROM pets WHERE owner = 2")
    assert howdah("migrate", source, "--quiet").output == ""


def test_names_that_look_like_markup_are_shown_as_they_are(howdah, make_source):
    odd = make_source(
        'CREATE TABLE "[red]<b>" (id INTEGER PRIMARY KEY, n INTEGER)',
        **{"[red]<b>": [(n, n) for n in range(9)] + [(10, "x")]},
    )
    assert "[red]<b>" in howdah("migrate", odd).stdout
    assert "[red]<b>" in howdah("quarantine", "list").stdout


def test_list_counts_first_and_then_shows_each_row(howdah, migrated):
    result = howdah("quarantine", "list")
    assert result.exit_code == 0
    counts, rows = result.stdout.split("\n\n")[:2]
    assert [line.split()[:4] for line in counts.splitlines()[1:3]] == [
        ["2", "shop.db", "people", "age"],
        ["2", "shop.db", "pets", "owner"],
    ]
    assert [line.split()[1:] for line in rows.splitlines()[1:]] == [
        ["people", "id=2", "age", "not_integer"],
        ["people", "id=3", "age", "not_integer"],
        ["pets", 'name="=Tom",', "owner=2", "owner", "orphan"],
        ["pets", 'name="Mi\\"a\\n",', "owner=2", "owner", "orphan"],
    ]
    assert "4 rows wait in the quarantine of" in result.stdout
    assert "next: howdah quarantine export FILE.jsonl\n" in result.stdout


def test_list_shows_values_only_when_asked(howdah, migrated):
    assert "thirty" not in howdah("quarantine", "list").stdout
    assert "thirty" in howdah("quarantine", "list", "--values").stdout


def test_list_can_be_narrowed(howdah, migrated):
    found = json.loads(howdah("quarantine", "list", "--table", "pets", "--json").stdout)
    assert {row["table"] for row in found["rows"]} == {"pets"}
    assert [(group["table"], group["rows"]) for group in found["groups"]] == [("pets", 2)]
    assert "… and 3 more" in howdah("quarantine", "list", "--limit", "1").stdout
    found = json.loads(howdah("quarantine", "list", "--application", "schema public", "--json").stdout)
    assert len(found["rows"]) == 4


def test_an_empty_quarantine_is_said_to_be_empty(howdah, migrated, change):
    change(migrated, "DELETE FROM people WHERE id IN (2, 3); DELETE FROM pets WHERE owner > 1")
    assert howdah("migrate", migrated).exit_code == 0
    assert "EMPTY  No row waits" in howdah("quarantine", "list").stdout
    result = howdah("quarantine", "retry", migrated)
    assert (result.exit_code, "EMPTY" in result.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--table", "perple"], "knows no source table perple"),
        (["list", "--application", "shop"], "knows no application shop"),
        (["list", "--to", "host=x password=secret"], "holds a password"),
        (["export", "rows.txt"], "no known format"),
        (["export", "nowhere/rows.csv"], "cannot be written"),
    ],
)
def test_a_wrong_question_is_refused_and_not_answered_with_nothing(
    howdah, migrated, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    result = howdah("quarantine", *arguments)
    assert (result.exit_code, words in result.stderr) == (2, True), result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.db"]


def test_a_database_without_a_ledger_is_refused(howdah, source):
    for arguments in (["list"], ["export", "rows.csv"], ["retry", source]):
        result = howdah("quarantine", *arguments)
        assert (result.exit_code, "holds no ledger" in result.stderr) == (2, True), result.output


EXPECTED = [
    ({"id": 2}, {"id": 2, "age": "thirty", "photo": {"blob": "00ff"}, "weight": {"real": "0.1"}}),
    ({"id": 3}, {"id": 3, "age": "old", "photo": {"blob": ""}, "weight": {"real": "1e+300"}}),
    ({"owner": 2, "name": "=Tom"}, {"owner": 2, "name": "=Tom"}),
    ({"owner": 2, "name": 'Mi"a\n'}, {"owner": 2, "name": 'Mi"a\n'}),
]


def test_the_export_has_whole_rows_with_their_storage_classes(howdah, migrated, tmp_path):
    lines, table = tmp_path / "rows.jsonl", tmp_path / "rows.csv"
    assert "4 rows" in howdah("quarantine", "export", lines).stdout
    assert howdah("quarantine", "export", table).exit_code == 0
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [(row["key"], row["row"]) for row in found] == EXPECTED
    with table.open(newline="") as stream:
        cells = list(csv.DictReader(stream))
    assert [(json.loads(row["key"]), json.loads(row["row"])) for row in cells] == EXPECTED
    assert [row["reason"] for row in cells] == [row["reason"] for row in found]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (lines, table)} == {0o600}


def test_an_export_that_fails_leaves_the_file_of_before(howdah, migrated, tmp_path, monkeypatch):
    file = tmp_path / "rows.jsonl"
    file.write_text("of before")

    def fails(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("howdah.files.os.fsync", fails)
    result = howdah("quarantine", "export", file)
    assert (result.exit_code, "No space left" in result.stderr) == (2, True)
    assert file.read_text() == "of before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl", "shop.db"]


def test_retry_says_what_left_and_what_stays(howdah, migrated, database, change):
    change(migrated, "UPDATE people SET age = 30 WHERE id = 2")
    result = howdah("quarantine", "retry", migrated, "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert found["tables"] == [
        {"source": "shop.db", "table": "people", "left": 1, "stays": 1, "new": 0},
        {"source": "shop.db", "table": "pets", "left": 2, "stays": 0, "new": 0},
    ]
    assert found["report"]["verdict"] == "quarantined"
    assert database.query('SELECT owner, name FROM pets ORDER BY name COLLATE "C"') == [
        (2, "=Tom"),
        (2, 'Mi"a\n'),
        (1, "Rex"),
    ]


def test_retry_tells_rows_that_are_new_in_quarantine(howdah, migrated, change):
    change(migrated, "UPDATE people SET age = 30 WHERE id IN (2, 3); UPDATE people SET age = 'x' WHERE id = 1")
    result = howdah("quarantine", "retry", migrated)
    assert result.exit_code == 3
    rows = [line.split()[1:] for line in result.stdout.splitlines() if line.startswith("shop.db")]
    assert rows == [["people", "2", "0", "1"], ["pets", "2", "0", "1"]]
    assert f"howdah quarantine retry {migrated}" in result.stdout


def test_retry_takes_another_choice_for_orphans(howdah, make_source, database):
    pets = make_source(SCRIPT, "pets.db", people=[(1, 30, b"", 1.5)], pets=[(1, "Rex"), (9, "Tom")])
    assert howdah("migrate", pets).exit_code == 3
    result = howdah("quarantine", "retry", pets, "--orphans", "keep")
    assert (result.exit_code, database.value("SELECT count(*) FROM pets")) == (0, 2), result.output


def test_the_next_command_is_one_that_can_be_typed(howdah, make_source):
    pets = make_source(SCRIPT, "pets.db", people=[(1, 30, b"", 1.5)], pets=[(1, "Rex")])
    told = howdah("migrate", pets, "--identifiers", "keep", "--orphans", "quarantine").stdout
    command = next(line for line in told.splitlines() if line.startswith("next: howdah ")).split()[2:]
    assert (command[0], howdah(*command).exit_code) == ("verify", 0)


def test_retry_ends_with_0_when_nothing_waits_any_more(howdah, migrated, change):
    change(migrated, "UPDATE people SET age = 30 WHERE id IN (2, 3)")
    result = howdah("quarantine", "retry", migrated)
    assert (result.exit_code, "VERIFIED" in result.stdout) == (0, True)
    assert "EMPTY" in howdah("quarantine", "list").stdout


def test_retry_loads_again_although_nothing_changed(howdah, migrated, database):
    # As after a newer howdah learnt a cast: neither source nor plan changed.
    run = database.value("SELECT DISTINCT run_id FROM howdah.quarantine WHERE table_name = 'people'")
    database.query("UPDATE howdah.quarantine SET reason = 'of an older version' WHERE table_name = 'people'")
    database.query("DELETE FROM howdah.quarantine WHERE table_name = 'people' AND locator = 3")
    result = howdah("quarantine", "retry", migrated, "--json")
    people = json.loads(result.stdout)["tables"][0]
    assert (people["stays"], people["new"]) == (1, 1)
    assert run != database.value("SELECT DISTINCT run_id FROM howdah.quarantine WHERE table_name = 'people'")
    assert database.value("SELECT count(*) FROM howdah.quarantine WHERE reason = 'of an older version'") == 0
