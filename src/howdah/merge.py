"""Makes the final table hold what is staged: delete, update, insert, and nothing that is not ours."""

from __future__ import annotations

from collections.abc import Callable

from howdah import ownership, rebuild
from howdah.conditions import different, image_digest, same
from howdah.context import Merged
from howdah.images import Images, Keys
from howdah.pg import Connection, NotUnique, execute, qualified, quoted
from howdah.plan import TablePlan
from howdah.staging import CHUNK, LOCATOR, SHARED, Stage

# Chunks whose keys are looked at together: about half a million rows.
_CHUNKS = 32


def delete_vanished(connection: Connection, stage: Stage) -> int:
    """Delete rows that we loaded earlier and that are no longer staged; return how many.

    A row that others still refer to stays for now: a cascade would reach rows that are not ours.
    """
    if not stage.plan.key:
        return _delete_surplus(connection, stage)
    gone = f"NOT EXISTS (SELECT 1 FROM {stage.name} s WHERE {same(stage.plan.key, 's', 't')})"
    return _delete(connection, stage.plan, stage.owned, gone)


def delete_retained(connection: Connection, plan: TablePlan, retained: str) -> int:
    """Delete rows that had to wait because others referred to them; return how many."""
    return _delete(connection, plan, retained, "true")


def _delete(connection: Connection, plan: TablePlan, keys: str, condition: str) -> int:
    target = qualified(plan.target.schema, plan.target.name)
    conditions = [same(plan.key, "t", "o"), condition]
    for reference in plan.target.referenced_by:
        pairs = zip(reference.columns, reference.parent_columns, strict=True)
        match = " AND ".join(f"r.{quoted(own)} = t.{quoted(parent)}" for own, parent in pairs)
        child = qualified(reference.schema, reference.table)
        itself = " AND r.ctid <> t.ctid" if child == target else ""
        conditions.append(f"NOT EXISTS (SELECT 1 FROM {child} r WHERE {match}{itself})")
    statement = f"DELETE FROM {target} t USING {keys} o WHERE {' AND '.join(conditions)}"
    total = 0
    # Again, as long as it frees parents in the same table (a reference of the table to itself).
    while deleted := execute(connection, statement).rowcount:
        total += deleted
    return total


def _delete_surplus(connection: Connection, stage: Stage) -> int:
    target = qualified(stage.plan.target.schema, stage.plan.target.name)
    statement = f"""
        WITH owned AS (SELECT h, count(*) AS n FROM {stage.owned} GROUP BY h),
             need AS (SELECT {image_digest(stage.written)} AS h, count(*) AS n FROM {stage.name} GROUP BY 1),
             surplus AS (SELECT h, owned.n - coalesce(need.n, 0) AS n FROM owned LEFT JOIN need USING (h)
                         WHERE owned.n > coalesce(need.n, 0)),
             have AS (SELECT t.tableoid AS o, t.ctid AS c, {image_digest(stage.written, "t")} AS h,
                             row_number() OVER (PARTITION BY {image_digest(stage.written, "t")}) AS i FROM {target} t)
        DELETE FROM {target} t USING have JOIN surplus USING (h)
        WHERE t.tableoid = have.o AND t.ctid = have.c AND have.i <= surplus.n"""
    deleted = execute(connection, statement).rowcount
    # What was deleted is no longer owned, or a second pass would delete another's equal row.
    execute(
        connection,
        f"""DELETE FROM {stage.owned} WHERE ctid IN (
              SELECT c FROM (SELECT ctid AS c, h, row_number() OVER (PARTITION BY h) AS i
                             FROM {stage.owned}) x
              LEFT JOIN (SELECT {image_digest(stage.written)} AS h, count(*) AS n
                         FROM {stage.name} GROUP BY 1) need USING (h)
              WHERE x.i > coalesce(need.n, 0))""",
    )
    return int(deleted)


def write(connection: Connection, stage: Stage, before_ddl: Callable[[], object] = lambda: None) -> Merged:
    """Update our rows that differ and insert those that are missing.

    :param before_ddl: is called before the table is changed in its structure.
    """
    try:
        with connection.transaction():
            return _write(connection, stage)
    except NotUnique:
        # Rows that exchange their values clash on the way, as each index looks at row by row.
        target = qualified(stage.plan.target.schema, stage.plan.target.name)
        others = {unique.name for unique in stage.plan.target.uniques if unique.columns != stage.plan.key}
        before_ddl()
        taken = rebuild.take_down(connection, target, others)
        written = _write(connection, stage)
        rebuild.put_up(connection, taken)
        return written


def _write(connection: Connection, stage: Stage) -> Merged:
    target = qualified(stage.plan.target.schema, stage.plan.target.name)
    columns = [quoted(name) for name in stage.written]
    listed = ", ".join(columns)
    if not stage.plan.key:
        statement = f"""
            WITH owned AS (SELECT h, count(*) AS n FROM {stage.owned} GROUP BY h),
                 have AS (SELECT {image_digest(stage.written)} AS h, count(*) AS n FROM {target} GROUP BY 1),
                 kept AS (SELECT h AS _howdah_k, least(owned.n, have.n) AS _howdah_n
                          FROM owned JOIN have USING (h)),
                 need AS (SELECT *, {image_digest(stage.written)} AS _howdah_h, row_number() OVER (
                            PARTITION BY {image_digest(stage.written)}
                            ORDER BY {LOCATOR}) AS _howdah_i FROM {stage.name})
            INSERT INTO {target} ({listed}) OVERRIDING SYSTEM VALUE
            SELECT {listed} FROM need LEFT JOIN kept ON _howdah_k = _howdah_h
            WHERE _howdah_i > coalesce(_howdah_n, 0) ORDER BY {LOCATOR}"""
        return Merged(inserted=execute(connection, statement).rowcount)
    always = {column.name for column in stage.plan.target.columns if column.identity == "a"}
    settable = [quoted(name) for name in stage.written if name not in always]
    updated = 0
    if settable:
        statement = f"""
            UPDATE {target} t SET {", ".join(f"{c} = s.{c}" for c in settable)} FROM {stage.name} s
            WHERE {same(stage.plan.key, "t", "s")} AND NOT s.{SHARED}
              AND {different(settable, "t", "s")}"""
        updated = execute(connection, statement).rowcount
        if updated == stage.rows:
            return Merged(updated=updated)
    statement = f"""
        INSERT INTO {target} ({listed}) OVERRIDING SYSTEM VALUE SELECT {listed} FROM {stage.name} s
        WHERE NOT EXISTS (SELECT 1 FROM {target} t WHERE {same(stage.plan.key, "t", "s")})
        ORDER BY {LOCATOR}"""
    inserted = execute(connection, statement).rowcount
    return Merged(inserted=inserted, updated=updated)


def record_chunks(connection: Connection, application: str, run_id: object, stage: Stage) -> int:
    """Write chunks and the keys of our rows into the ledger; return how many of them wait to be deleted."""
    plan = stage.plan
    parts = ", ".join(f"({quoted(name)})" for name in plan.key) or image_digest(stage.written)
    with ownership.Writer(connection, application, run_id, plan) as ledger:
        for start in range(0, len(stage.chunks), _CHUNKS):
            query = f"""
                SELECT {CHUNK}, {LOCATOR}, {parts} FROM {stage.name}
                WHERE NOT {SHARED} AND {CHUNK} >= {start} AND {CHUNK} < {start + _CHUNKS} ORDER BY {LOCATOR}"""
            found = ownership.keys_of(connection, query)
            for chunk in stage.chunks[start : start + _CHUNKS]:
                keys = found.get(chunk.ordinal, Keys.none())
                ledger.add(chunk, keys.to_bytes(), _imaged(stage, chunk.ordinal, keys))
    if not plan.key:
        return 0
    gone = f"""SELECT {", ".join(f"o.{quoted(name)}" for name in plan.key)} FROM {stage.owned} o
               WHERE NOT EXISTS (SELECT 1 FROM {stage.name} s WHERE {same(plan.key, "s", "o")})
                 AND EXISTS (SELECT 1 FROM {qualified(plan.target.schema, plan.target.name)} t
                             WHERE {same(plan.key, "t", "o")})"""
    return ownership.record_retained(connection, application, run_id, plan, gone)


def _imaged(stage: Stage, ordinal: int, keys: Keys) -> bytes | None:
    """Return what the ledger keeps of each row of a chunk, now that it is known which are ours."""
    if ordinal not in stage.images:
        return None
    read = Images.from_bytes(stage.images[ordinal])
    return keys.images(read.locators, read.digests).to_bytes()


def record_retained(connection: Connection, application: str, run_id: object, plan: TablePlan, retained: str) -> int:
    """Write anew which rows of ours still wait to be deleted; return how many."""
    gone = f"""SELECT {", ".join(f"o.{quoted(name)}" for name in plan.key)} FROM {retained} o
               WHERE EXISTS (SELECT 1 FROM {qualified(plan.target.schema, plan.target.name)} t
                             WHERE {same(plan.key, "t", "o")})"""
    return ownership.record_retained(connection, application, run_id, plan, gone)
