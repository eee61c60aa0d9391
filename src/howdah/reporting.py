"""Builds the report of a run from what its stages did and what the ledger says."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from howdah import ledger, quarantine
from howdah.context import Loaded
from howdah.due import entry_of
from howdah.findings import Finding
from howdah.ledger import Tally
from howdah.plan import Plan, TablePlan
from howdah.report import Difference, Report, SourceReport, TableReport, Verdict
from howdah.session import Session
from howdah.shared import Shared

if TYPE_CHECKING:
    from howdah.verify import Outcome


def make_report(
    session: Session,
    made: Plan,
    verb: str,
    run_id: str,
    changed: bool,
    outcomes: tuple[Outcome, ...] = (),
    loaded: dict[tuple[str, str], Loaded] | None = None,
    notes: tuple[Finding, ...] = (),
    created: tuple[str, ...] = (),
) -> Report:
    """Return the report of a run, with rows and quarantine as the ledger has them now.

    :param verb: ``migrate`` or ``verify``.
    :param run_id: the run that the target is as it is by.
    :param outcomes: of the tables that were verified in this run.
    :param loaded: (source, table) → what loading it did, of the tables that were loaded in this run.
    :param notes: findings of the load, beside those of the sources and of the plan.
    :param created: what was made in the target.
    """
    loads = ledger.tallies(session.connection, session.target.name)
    waiting = quarantine.groups(session.connection, quarantine.Selection(session.target.name))
    identities = {p.identity for p in made.tables}
    shared = Shared()
    tables = [_table_report(p, loads.get(p.identity), (loaded or {}).get(p.identity), shared) for p in made.tables]
    tables += [TableReport(s.source, s.table, "", s.rows, skipped=True) for s in made.skipped]
    differences: list[Difference] = [d for outcome in outcomes for d in outcome.differences]
    count = sum(outcome.count for outcome in outcomes)
    verdict: Verdict = "verified"
    if count:
        verdict = "different"
    elif any(item.salvaged for item in session.snapshots):
        verdict = "salvaged"
    elif any(table.quarantined_rows for table in tables):
        verdict = "quarantined"
    findings = session.findings + made.findings + notes + _run_findings(made, loads, loaded or {}, outcomes)
    return Report(
        verb=verb,
        verdict=verdict,
        run_id=run_id,
        changed=changed,
        seconds=session.clock.total,
        stages=dict(session.clock.stages),
        quarantine=tuple(group for group in waiting if (group.source, group.table) in identities),
        application=session.target.name,
        target=session.target.info,
        sources=tuple(SourceReport(s.name, s.path, s.size, s.blake3) for s in made.sources),
        tables=tuple(tables),
        findings=findings,
        differences=tuple(differences),
        difference_count=count,
        created=created,
    )


def last_run(session: Session, made: Plan) -> str:
    """Return the id of the run that the target is as it is by; empty when there is none."""
    runs = {str(entry.run_id) for p in made.tables if (entry := entry_of(session, p))}
    row = session.connection.execute(
        "SELECT run_id FROM howdah.run WHERE run_id = ANY (%s) ORDER BY started_at DESC LIMIT 1", [list(runs)]
    ).fetchone()
    return str(row[0]) if row else ""


def _table_report(plan: TablePlan, entry: Tally | None, item: Loaded | None, shared: Shared) -> TableReport:
    return TableReport(
        source=plan.source,
        table=plan.table.name,
        target=f"{plan.target.schema}.{plan.target.name}",
        source_rows=plan.rows,
        loaded_rows=entry.loaded_rows if entry else 0,
        quarantined_rows=entry.quarantined_rows if entry else 0,
        inserted=item.merged.inserted if item else 0,
        updated=item.merged.updated if item else 0,
        deleted=item.merged.deleted if item else 0,
        changed=item.effective if item else False,
        seconds=item.seconds if item else 0.0,
        columns=shared(tuple((c.source, c.target, c.type.sql, c.lossless) for c in plan.columns)),
    )


def _run_findings(
    made: Plan,
    loads: dict[tuple[str, str], Tally],
    loaded: dict[tuple[str, str], Loaded],
    outcomes: tuple[Outcome, ...],
) -> tuple[Finding, ...]:
    found = []
    for plan in made.tables:
        entry, item = loads.get(plan.identity), loaded.get(plan.identity)
        resumed = "rows had been staged by a run that was ended before it was done; only the others were sent."
        for code, count, what in (
            ("identifiers_mapped", entry.mapped if entry else 0, "identifiers mapped to UUIDs."),
            ("already_there", item.shared if item else 0, "rows were there already, equal, and are not howdah's."),
            ("resumed", item.resumed if item else 0, resumed),
        ):
            if count:
                found.append(Finding("info", code, f"{count:,} {what}", *plan.identity, rows=count))
    ours = Counter[tuple[str, str]]()
    for load in loads.values():
        ours[load.target_schema, load.target_table] += load.loaded_rows
    for plan, foreign in _foreign(outcomes, ours):
        found.append(
            Finding(
                "info",
                "foreign_rows",
                f"{foreign:,} rows of {plan.target.name} are not howdah's; they were left alone.",
                *plan.identity,
                rows=foreign,
            )
        )
    return tuple(found)


def _foreign(outcomes: tuple[Outcome, ...], ours: Counter[tuple[str, str]]) -> list[tuple[TablePlan, int]]:
    """Return one of the tables that fill a target table, and how many rows of that are nobody's, where there are any.

    :param ours: (schema, table) of the target → rows that were loaded into it.
    """
    found: dict[tuple[str, str], tuple[TablePlan, int]] = {}
    for outcome in outcomes:
        place = (outcome.plan.target.schema, outcome.plan.target.name)
        # To one source, the rows of the others are foreign, too.
        foreign = outcome.foreign + outcome.expected - ours[place]
        if foreign > 0:
            found.setdefault(place, (outcome.plan, foreign))
    return list(found.values())
