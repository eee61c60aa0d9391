"""Builds a sound copy of a damaged database: what can be read is kept, what is lost is counted, nothing is guessed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from howdah import header
from howdah.btree import FIRST, LAST, Gap, Pages, Run, Survey, fill
from howdah.catalog.model import SourceTable
from howdah.discover import quoted
from howdah.errors import SourceError
from howdah.findings import Finding
from howdah.replica import Entry, Replica, transaction

# Places that a finding spells out.
_LISTED = 10


@dataclass(frozen=True)
class Lost:
    """What one table lost.

    :ivar rows: how many rows, ``None`` when nothing tells.
    :ivar places: readable: pages and rowids.
    :ivar witness: the index that the count comes from, or empty.
    """

    rows: int | None
    places: tuple[str, ...]
    witness: str = ""


def rebuild(damaged: Path, target: Path, source: str, problem: str) -> tuple[Finding, ...]:
    """Write a sound database with every row of a damaged one that can be read.

    :param damaged: a private copy that nobody writes, with no WAL and no journal beside it.
    :param target: where the sound database goes; there is none yet.
    :param source: what the findings call the source.
    :param problem: what SQLite says about the damage.
    :returns: one finding ``salvaged``, one ``rows_lost`` for each table that lost some, and what of the schema
        could not be kept.
    :raises SourceError: when nothing can be read, not even the schema.
    """
    schema, entries = _schema(damaged)
    if not entries:
        raise SourceError(f"Nothing can be salvaged of {source}: {problem}.", "Restore it from a backup.")
    surveys = _surveys(damaged, entries)
    replica = Replica(target, damaged, header.parse(header.read(damaged)))
    tables = replica.create(entries)
    roots = {entry.name: entry.root for entry in entries if entry.holds_rows}
    losses: dict[str, Lost] = {}
    kept = 0
    with replica.connected(original=True) as connection:
        for table in tables:
            if not _is_there(connection, table):
                losses[table.name] = Lost(None, ("its entry in the schema",))
                continue
            lost = _copy(connection, table, surveys[roots[table.name]])
            kept += _count(connection, f"SELECT count(*) FROM main.{quoted(table.name)}")
            if lost:
                losses[table.name] = lost
        marks = _copy_marks(connection, entries)
    replica.finish(entries)
    findings = [_loss(source, name, lost) for name, lost in losses.items()]
    findings += [Finding("warning", note.code, note.text, source, note.table, sql=note.sql) for note in replica.notes]
    if schema.gaps or schema.broken:
        text = "Part of the schema is unreadable: tables that only it names are lost, and their rows are not counted."
        findings.append(Finding("warning", "schema_damaged", text, source))
    if not marks:
        text = "The high-water marks of AUTOINCREMENT are lost: new rows continue after the largest that was read."
        findings.append(Finding("warning", "high_water_mark_lost", text, source))
    return (_total(source, problem, kept, losses), *findings)


def _is_there(connection: sqlite3.Connection, table: SourceTable) -> bool:
    """Return whether SQLite could read the schema as far as this table."""
    return bool(_count(connection, "SELECT count(*) FROM pragma_table_info(?, 'damaged')", table.name))


def _schema(damaged: Path) -> tuple[Survey, tuple[Entry, ...]]:
    """Return what is wrong in ``sqlite_master``, and the rows of it that can be read."""
    with Pages(damaged) as pages:
        survey = pages.survey(1)
    for gap in survey.gaps:
        if gap.page > 1:
            fill(damaged, gap)
    found: list[Entry] = []
    with closing(sqlite3.connect(f"{damaged.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        for run in survey.runs:
            try:
                rows = connection.execute(
                    """SELECT type, name, tbl_name, coalesce(rootpage, 0), coalesce(sql, '') FROM sqlite_master
                       WHERE rowid BETWEEN ? AND ? ORDER BY rowid LIMIT ?""",
                    [run.first, run.last, run.rows],
                )
                found += (Entry(*row) for row in rows)
            except sqlite3.Error:
                # Text that is no text, or a page that looked sound: the rest of the schema may still be read.
                survey.add_gap(Gap(run.first, run.last, 1))
    return survey, tuple(found)


def _surveys(damaged: Path, entries: tuple[Entry, ...]) -> dict[int, Survey]:
    """Return what is wrong in every table, by root page."""
    roots = sorted({entry.root for entry in entries if entry.holds_rows})
    distrusted: frozenset[int] = frozenset()
    while True:
        with Pages(damaged, distrusted) as pages:
            pages.survey(1)
            surveys = {root: pages.survey(root) for root in roots}
            shared = pages.shared
        if shared <= distrusted:
            return surveys
        # A page that two places refer to belongs to one of them, and nothing says to which.
        distrusted |= shared


def _copy(connection: sqlite3.Connection, table: SourceTable, survey: Survey) -> Lost | None:
    """Copy the rows of one table that can be read; return what is lost."""
    if not table.rowid:
        return _copy_by_order(connection, table)
    columns = ", ".join(quoted(column.name) for column in table.columns)
    # As SQLite stores it: the alias of the rowid is kept as NULL.
    values = ", ".join("NULL" if c.name == table.rowid_alias else quoted(c.name) for c in table.columns)
    name, rowid = quoted(table.name), table.rowid
    # The limit keeps SQLite from stepping on to the next page, which may be a damaged one.
    statement = (
        f"INSERT INTO main.{name} ({rowid}, {columns}) SELECT {rowid}, {values} FROM damaged.{name} NOT INDEXED"
        f" WHERE {rowid} BETWEEN ? AND ? ORDER BY {rowid} LIMIT ?"
    )
    for run in survey.runs:
        try:
            with transaction(connection):
                connection.execute(statement, [run.first, run.last, run.rows])
        except sqlite3.DatabaseError:
            _copy_each(connection, table, statement, run, survey)
    return _compare(connection, table, survey)


def _copy_each(connection: sqlite3.Connection, table: SourceTable, statement: str, run: Run, survey: Survey) -> None:
    """Copy rows one by one, where SQLite finds more damage than the pages show; note those that it refuses."""
    listed = connection.execute(
        f"SELECT {table.rowid} FROM damaged.{quoted(table.name)} NOT INDEXED"
        f" WHERE {table.rowid} BETWEEN ? AND ? ORDER BY {table.rowid} LIMIT ?",
        [run.first, run.last, run.rows],
    ).fetchall()
    for (rowid,) in listed:
        try:
            connection.execute(statement, [rowid, rowid, 1])
        except sqlite3.DatabaseError:
            survey.add_broken(rowid)


def _compare(connection: sqlite3.Connection, table: SourceTable, survey: Survey) -> Lost | None:
    """Return what is lost of a rowid table, counted by an index where one survives."""
    hurt = bool(survey.gaps or survey.broken)
    witness = _witness(connection, table) if hurt or _more_indexed(connection, table) else ""
    if not witness:
        places = [_place(gap) for gap in survey.gaps] + [f"rowid {rowid}" for rowid in survey.broken]
        return Lost(None if survey.gaps else len(survey.broken), tuple(places)) if hurt else None
    missing = (
        f"FROM temp.expected AS e WHERE NOT EXISTS (SELECT 1 FROM main.{quoted(table.name)} AS t"
        f" WHERE t.{table.rowid} = e.id)"
    )
    total = _count(connection, f"SELECT count(*) {missing}")
    places = []
    for gap in survey.gaps:
        count, low, high = connection.execute(
            f"SELECT count(*), min(id), max(id) {missing} AND id BETWEEN ? AND ?", [gap.first, gap.last]
        ).fetchone()
        if count:
            places.append(f"page {gap.page}: {count:,} between rowids {low} and {high}")
    places += [f"rowid {rowid}" for rowid in survey.broken]
    if total and not places:
        low, high = connection.execute(f"SELECT min(id), max(id) {missing}").fetchone()
        places.append(f"between rowids {low} and {high}")
    return Lost(total, tuple(places), witness) if total else None


def _place(gap: Gap) -> str:
    where = f"page {gap.page}: "
    if gap.first == FIRST and gap.last == LAST:
        return where + "every row"
    if gap.first == FIRST:
        return where + f"what has a rowid up to {gap.last}"
    if gap.last == LAST:
        return where + f"what has a rowid from {gap.first} on"
    return where + f"what has a rowid from {gap.first} to {gap.last}"


def _more_indexed(connection: sqlite3.Connection, table: SourceTable) -> bool:
    """Return whether an index knows more rows than could be read, though every page looked sound."""
    name = quoted(table.name)
    kept = _count(connection, f"SELECT count(*) FROM main.{name}")
    for index in _whole_indexes(connection, table):
        try:
            # Counted by sum: for count(*) SQLite takes the table itself, whatever index is named.
            identity = table.rowid or quoted(table.primary_key[0])
            query = f"SELECT coalesce(sum({identity} IS NOT NULL), 0) FROM damaged.{name} INDEXED BY {quoted(index)}"
            return _count(connection, query) > kept
        except sqlite3.DatabaseError:
            continue
    return False


def _witness(connection: sqlite3.Connection, table: SourceTable) -> str:
    """Put the rowids that an index knows into ``temp.expected``; return its name, empty when none is whole."""
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS expected (id INTEGER PRIMARY KEY)")
    for index in _whole_indexes(connection, table):
        query = f"SELECT {table.rowid} FROM damaged.{quoted(table.name)} INDEXED BY {quoted(index)}"
        try:
            with transaction(connection):
                connection.execute("DELETE FROM temp.expected")
                # Fails where a rowid comes twice, as it does when a page is there twice.
                connection.execute(f"INSERT INTO temp.expected {query}")
            if _is_whole(connection, table, index):
                return index
        except sqlite3.DatabaseError:
            continue
    return ""


def _is_whole(connection: sqlite3.Connection, table: SourceTable, index: str) -> bool:
    """Return whether an index finds each of its entries by its own key; else a page of it belongs elsewhere."""
    columns = [row[2] for row in connection.execute(f"PRAGMA damaged.index_xinfo({quoted(index)})") if row[5]]
    if None in columns:
        return False
    source = f"damaged.{quoted(table.name)} AS {{}} INDEXED BY {quoted(index)}"
    identity = [table.rowid] if table.rowid else [quoted(column) for column in table.primary_key]
    same = " AND ".join(f"o.{column} IS t.{column}" for column in [*map(quoted, columns), *identity])
    lookup = f"SELECT 1 FROM {source.format('o')} WHERE {same}"
    return not _count(connection, f"SELECT EXISTS (SELECT 1 FROM {source.format('t')} WHERE NOT EXISTS ({lookup}))")


def _whole_indexes(connection: sqlite3.Connection, table: SourceTable) -> list[str]:
    found = connection.execute(f"PRAGMA damaged.index_list({quoted(table.name)})").fetchall()
    return [
        name for _, name, _, origin, partial in found if not partial and not (table.without_rowid and origin == "pk")
    ]


def _copy_by_order(connection: sqlite3.Connection, table: SourceTable) -> Lost | None:
    """Copy a table whose rows have no number: from both ends up to what cannot be read, then key by key."""
    name = quoted(table.name)
    columns = ", ".join(quoted(column.name) for column in table.columns)
    key = [quoted(column) for column in table.primary_key] if table.without_rowid else []
    # A row that SQLite does not find by its own key lies on a page that belongs elsewhere.
    found = " AND ".join(f"o.{column} = t.{column}" for column in key)
    where = f"WHERE EXISTS (SELECT 1 FROM damaged.{name} AS o WHERE {found})" if key else ""
    for direction in ("", " DESC") if key else ("",):
        order = "ORDER BY " + ", ".join(column + direction for column in key) if key else ""
        query = f"SELECT {columns} FROM damaged.{name} AS t {where} {order}"
        count, complete = _readable(connection, query)
        with transaction(connection):
            connection.execute(f"INSERT OR IGNORE INTO main.{name} ({columns}) {query} LIMIT ?", [count])
        if complete:
            break
    kept = _count(connection, f"SELECT count(*) FROM main.{name}")
    in_place = complete and kept == _count(connection, f"SELECT count(*) FROM damaged.{name}")
    if in_place and not (key and _more_indexed(connection, table)):
        return None
    for index in _whole_indexes(connection, table) if key else ():
        try:
            lost = _copy_by_key(connection, table, index)
            if _is_whole(connection, table, index):
                return Lost(lost, ("on damaged pages",), index) if lost else None
        except sqlite3.DatabaseError:
            continue
    return Lost(None, ("on damaged pages",))


def _copy_by_key(connection: sqlite3.Connection, table: SourceTable, index: str) -> int:
    """Look for every row that an index knows and that is not copied yet; return how many cannot be read."""
    name = quoted(table.name)
    columns = ", ".join(f"t.{quoted(column.name)}" for column in table.columns)
    key = ", ".join(map(quoted, table.primary_key))
    same = " AND ".join(f"t.{column} = k.{column}" for column in map(quoted, table.primary_key))
    connection.execute("DROP TABLE IF EXISTS temp.keys")
    connection.execute(f"CREATE TEMP TABLE keys AS SELECT {key} FROM damaged.{name} AS t INDEXED BY {quoted(index)}")
    # Fails where a key comes twice, as it does when a page is there twice.
    connection.execute(f"CREATE UNIQUE INDEX temp.keys_once ON keys ({key})")
    connection.execute(f"DELETE FROM temp.keys AS k WHERE EXISTS (SELECT 1 FROM main.{name} AS t WHERE {same})")
    lost = 0
    for (number,) in connection.execute("SELECT rowid FROM temp.keys").fetchall():
        try:
            copied = connection.execute(
                f"INSERT OR IGNORE INTO main.{name} SELECT {columns} FROM temp.keys AS k"
                f" CROSS JOIN damaged.{name} AS t ON {same} WHERE k.rowid = ?",
                [number],
            )
            lost += not copied.rowcount
        except sqlite3.DatabaseError:
            lost += 1
    return lost


def _readable(connection: sqlite3.Connection, query: str) -> tuple[int, bool]:
    """Return how many rows a query gives before it fails, and whether it gives all."""
    count = 0
    keep, connection.text_factory = connection.text_factory, bytes
    try:
        for _ in connection.execute(query):
            count += 1
    except sqlite3.DatabaseError:
        return count, False
    finally:
        connection.text_factory = keep
    return count, True


def _copy_marks(connection: sqlite3.Connection, entries: tuple[Entry, ...]) -> bool:
    """Copy the high-water marks of AUTOINCREMENT; return whether they could be read."""
    if not any(entry.name == "sqlite_sequence" for entry in entries):
        return True
    try:
        connection.execute("INSERT INTO main.sqlite_sequence SELECT name, seq FROM damaged.sqlite_sequence")
    except sqlite3.DatabaseError:
        return False
    return True


def _count(connection: sqlite3.Connection, query: str, *parameters: str) -> int:
    return int(connection.execute(query, parameters).fetchone()[0])


def _loss(source: str, table: str, lost: Lost) -> Finding:
    listed = "; ".join(lost.places[:_LISTED]) + ("; …" if len(lost.places) > _LISTED else "")
    if lost.rows is None:
        text = f"Rows are lost, and no index is left that tells how many: {listed}."
    else:
        noun = "row is" if lost.rows == 1 else "rows are"
        text = f"{lost.rows:,} {noun} lost" + (f", counted by index {lost.witness}" if lost.witness else "")
        text += f": {listed}."
    return Finding("warning", "rows_lost", text, source, table, rows=lost.rows)


def _total(source: str, problem: str, kept: int, losses: dict[str, Lost]) -> Finding:
    known = sum(lost.rows or 0 for lost in losses.values())
    unknown = [name for name, lost in losses.items() if lost.rows is None]
    counted = len(losses) - len(unknown)
    tables = "1 table" if counted == 1 else f"{counted} tables"
    parts = [f"{known:,} {'is' if known == 1 else 'are'} lost in {tables}"] if known else []
    parts += [f"an unknown number is lost in {', '.join(unknown)}"] if unknown else []
    text = f"{source} is damaged ({problem}): {kept:,} rows were read, " + (
        " and ".join(parts) or "and none is known to be lost"
    )
    return Finding("warning", "salvaged", text + ".", source, rows=known)
