"""Decides which tables must be loaded, and which sources are read for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from howdah import counting, ledger, quarantine
from howdah.ledger import Load
from howdah.order import as_done
from howdah.plan import Plan, TablePlan
from howdah.progress import Event
from howdah.room import Room
from howdah.session import Session

# Arrow loads only where rows need it: see the function that imports howdah.delta.
if TYPE_CHECKING:
    from howdah.delta import Delta


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done about a table.

    :ivar delta: what changed in it; ``None``: it must be loaded as a whole.
    """

    delta: Delta | None = None


# Bytes of what the ledger keeps of rows that is read once instead of twice.
_KEPT = 48 << 20
# One for all tables that must be loaded as a whole.
_WHOLE = Due()


def tables_due(session: Session, made: Plan) -> dict[tuple[str, str], Due]:
    """Return (source, table) of the tables that must be loaded: those that are due, and with ``retry`` more."""
    waiting = waiting_reasons(session)
    session.progress(Event("compare"))
    # Reading goes on without Python's lock, so two tables at a time.
    with session.clock.stage("compare"), ThreadPoolExecutor(2) as pool:
        room, shared = Room(_KEPT), shared_targets(made)
        looked = as_done(pool, lambda p: (p.identity, must_load(session, p, waiting, room, shared)), made.tables)
        found = {identity: due for identity, due in looked if due}
    due = {p.identity: found[p.identity] for p in made.tables if p.identity in found}
    if session.request.retry:
        due |= {p.identity: _WHOLE for p in made.tables if p.identity in waiting}
    return due


def sources_read(session: Session, made: Plan, due: Collection[tuple[str, str]]) -> set[str]:
    """Return the sources with rows that will be read: due ones, ones that may lose a parent, unverified ones."""
    targets = {p.target.name for p in made.tables if p.identity in due}
    children = targets
    while children:
        children = {p.target.name for p in made.tables if any(k.parent in children for k in p.target.foreign_keys)}
        children -= targets
        targets |= children
    return {p.source for p in made.tables if p.target.name in targets or not is_verified(session, p)}


def must_load(
    session: Session,
    plan: TablePlan,
    waiting: dict[tuple[str, str], frozenset[str]],
    room: Room | None = None,
    shared: Collection[str] = (),
) -> Due | None:
    """Return what is due: a table may be new, planned differently, changed, damaged, or worth another try.

    :param waiting: what :func:`waiting_reasons` returned.
    :param room: for what will be needed of the ledger once more, when it is loaded.
    :param shared: what :func:`shared_targets` returned.
    """
    entry = entry_of(session, plan)
    if entry is None or entry.plan_digest != plan.digest or not entry.settled:
        return _WHOLE
    if waiting.get(plan.identity, frozenset()) & quarantine.DEPENDS_ON_TARGET:
        return _WHOLE
    path, digest = session.paths.get(plan.source, (None, ""))
    changed = _changed(session, plan, entry, path, room) if path and entry.snapshot_blake3 != digest else None
    # Where others fill the same table, rows that it lacks are hidden by rows that they bring before this one is loaded.
    if changed and (changed.delta is None or plan.target.name not in shared):
        return changed
    held = counting.held(session.connection, entry)
    return _WHOLE if held is None or held < entry.target_rows else changed


def shared_targets(made: Plan) -> frozenset[str]:
    """Return the target tables that several tables of the sources fill."""
    filled = Counter(plan.target.name for plan in made.tables)
    return frozenset(name for name, fillers in filled.items() if fillers > 1)


def _changed(session: Session, plan: TablePlan, entry: Load, path: Path, room: Room | None) -> Due | None:
    """Return what is due because the source changed; rows that the target lacks are missed when it is loaded."""
    from howdah import delta
    from howdah.vector.stream import content_digest

    if is_verified(session, plan) and delta.is_kept(session.connection, session.target.name, plan, entry):
        found = delta.find(session.connection, session.target.name, path, plan, entry, room)
        return None if found and found.empty else Due(found)
    return _WHOLE if content_digest(path, plan) != entry.content_digest else None


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
