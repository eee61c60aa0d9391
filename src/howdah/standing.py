"""What a run does whether or not rows move: it plans, sees that it may, and keeps what proves sources unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

from howdah import heads, ledger, pg, profile, stages, trust
from howdah.errors import ConfigurationError, TargetRefused
from howdah.findings import errors
from howdah.order import batched
from howdah.packed import Packed
from howdah.plain import json_parts
from howdah.plan import Inspected, Plan, SkippedTable, TablePlan
from howdah.reporting import last_run
from howdah.session import Session, make_plan

# What derives a schema loads only where there is no application.
if TYPE_CHECKING:
    from howdah.ddl import Derived

# Sources that are recorded by one statement: it holds all that is kept of them.
_SOURCES = 50


@dataclass
class Work:
    """What is to be made: planned once more when the schema is there, and what was planned before is let go of.

    :ivar made: the plan.
    :ivar derived: what is to be made of the schema, where there is no application.
    :ivar measured: source → its profile as JSON text, when it was planned for the last time.
    """

    made: Plan
    derived: Derived | None
    measured: dict[str, Packed] = field(default_factory=dict)

    def plan_again(self, session: Session) -> None:
        """Plan with the target as it is now, and with what the ledger now says is ours."""
        sources, before = self.made.sources, None if self.derived else self.made
        del self.made, self.derived
        made, self.derived = make_plan(session, sources, before)
        # A profile decides nothing from here on: it waits to be recorded.
        self.measured = {source.name: Packed(_profile(source)) for source in sources}
        self.made = replace(made, sources=tuple(replace(source, profile={}) for source in sources))


def refuse(session: Session, made: Plan) -> None:
    """Stop before anything is changed when the plan has errors or the role lacks rights.

    :raises ConfigurationError: with the first error and how many there are.
    :raises TargetRefused: a right is missing.
    """
    found = errors(made.findings)
    if found:
        first = found[0]
        where = ".".join(part for part in (first.source, first.table, first.column) if part)
        more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
        raise ConfigurationError(f"{where}: {first.message}{more}", "See all of it with: howdah plan")
    row = session.connection.execute(
        """SELECT has_database_privilege(current_database(), 'TEMP'),
                  has_database_privilege(current_database(), 'CREATE'),
                  to_regnamespace(%s) IS NOT NULL, current_user""",
        [pg.quoted(session.target.schema)],
    ).fetchone()
    temporary, may_create, there, role = row or (False, False, False, "")
    if not temporary:
        raise TargetRefused(f"Role {role} may not make temporary tables.", "Grant TEMP on the database.")
    if not may_create and not (there and session.known.exists):
        raise TargetRefused(
            f"Role {role} may not create schemas in {session.target.info.database}; the ledger needs one.",
            f'GRANT CREATE ON DATABASE "{session.target.info.database}" TO "{role}"',
        )


def confirm(session: Session, made: Plan) -> None:
    """Leave the ledger as a run does that has nothing to move.

    What proves that sources are as they were loaded, and the schema at its head, is kept anew where what is kept proves
    it no more, and stages of loads that were ended are dropped.
    """
    stamps = {s.source.name: s.stamp for s in session.snapshots if s.stamp.settled and not s.salvaged}
    names = stamps.keys() - trust.proven(session.known, stamps)
    run_id = last_run(session, made)
    if run_id and session.target.folder is not None:
        heads.record(session.connection, session.known, UUID(run_id), session.target.schema, session.target.folder)
    if run_id:
        record_sources(session, made, [source for source in made.sources if source.name in names], UUID(run_id))
    stages.sweep(session.connection, session.target.name)


def record_sources(
    session: Session,
    made: Plan,
    sources: Sequence[Inspected],
    run_id: UUID,
    measured: Mapping[str, Iterable[str]] | None = None,
) -> None:
    """Keep what was seen of sources, and what proves that they are as they were.

    :param measured: source → its profile as JSON text, where the source has its profile no more.
    """
    if not sources:
        return
    from howdah import definition

    taken = {item.source.name: item for item in session.snapshots}
    plans: dict[str, list[TablePlan]] = {}
    skipped: dict[str, list[SkippedTable]] = {}
    for plan in made.tables:
        plans.setdefault(plan.source, []).append(plan)
    for left in made.skipped:
        skipped.setdefault(left.source, []).append(left)
    for some in batched(sources, _SOURCES):
        found = [
            ledger.Source(
                source.name,
                source.path,
                source.size,
                source.blake3,
                measured[source.name] if measured else _profile(source),
                definition.to_json(source, plans.get(source.name, ()), skipped.get(source.name, ())),
                trust.stamp_to_json(taken[source.name]),
                trust.catalog_to_json(source.catalog),
            )
            for source in some
        ]
        ledger.record_sources(session.connection, session.target.name, run_id, found)


def _profile(source: Inspected) -> Iterator[str]:
    return json_parts(profile.to_json(source.profile))
