"""Decides which tables must be loaded, and which sources are read for it."""

from __future__ import annotations

from howdah import ledger, pg, quarantine
from howdah.ledger import Load
from howdah.plan import Plan, TablePlan
from howdah.progress import Event
from howdah.session import Session

# Arrow loads only where rows need it: see the function that imports howdah.vector.


def tables_due(session: Session, made: Plan) -> set[tuple[str, str]]:
    """Return (source, table) of the tables that must be loaded: those that are due, and with ``retry`` more."""
    waiting = waiting_reasons(session)
    session.progress(Event("compare"))
    with session.clock.stage("compare"):
        due = {p.identity for p in made.tables if must_load(session, p, waiting)}
    if session.request.retry:
        due |= {p.identity for p in made.tables if p.identity in waiting}
    return due


def sources_read(session: Session, made: Plan, due: set[tuple[str, str]]) -> set[str]:
    """Return the sources with rows that will be read: due ones, ones that may lose a parent, unverified ones."""
    targets = {p.target.name for p in made.tables if p.identity in due}
    children = targets
    while children:
        children = {p.target.name for p in made.tables if any(k.parent in children for k in p.target.foreign_keys)}
        children -= targets
        targets |= children
    return {p.source for p in made.tables if p.target.name in targets or not is_verified(session, p)}


def must_load(session: Session, plan: TablePlan, waiting: dict[tuple[str, str], frozenset[str]]) -> bool:
    """Return whether a table is due: new, planned differently, changed, damaged, or worth another try.

    :param waiting: what :func:`waiting_reasons` returned.
    """
    entry = entry_of(session, plan)
    if entry is None or entry.plan_digest != plan.digest or not entry.settled:
        return True
    if waiting.get(plan.identity, frozenset()) & quarantine.DEPENDS_ON_TARGET:
        return True
    path, digest = session.paths.get(plan.source, (None, ""))
    if path and entry.snapshot_sha256 != digest:
        from howdah.vector.stream import content_digest

        if content_digest(path, plan) != entry.content_digest:
            return True
    return _rows_gone(session, entry)


def _rows_gone(session: Session, entry: Load) -> bool:
    target = pg.qualified(entry.target_schema, entry.target_table)
    there = session.connection.execute("SELECT to_regclass(%s) IS NOT NULL", [target]).fetchone()
    if not there or not there[0]:
        return True
    counted = pg.execute(session.connection, f"SELECT count(*) FROM {target}").fetchone() or (0,)
    return int(counted[0]) < entry.target_rows


def waiting_reasons(session: Session) -> dict[tuple[str, str], frozenset[str]]:
    """Return (source, table) → the codes of its rows in quarantine; empty where there is no ledger yet."""
    return ledger.waiting_reasons(session.connection, session.target.name) if session.known.exists else {}


def entry_of(session: Session, plan: TablePlan) -> Load | None:
    """Return what the ledger says of the last load of a table, or ``None`` before the first."""
    return session.known.loads.get(plan.identity)


def is_verified(session: Session, plan: TablePlan) -> bool:
    """Return whether a table was loaded and verified, and no difference was found since."""
    entry = entry_of(session, plan)
    return entry is not None and entry.verified_at is not None
