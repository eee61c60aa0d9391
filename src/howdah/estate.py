"""The estate of an environment: which databases, roles, services and pools follow from one declaration.

An inventory names applications and further databases; everything that roles need is derived here, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from howdah import application
from howdah.errors import ConfigurationError

Model = TypeVar("Model", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ApplicationUse(_Strict):
    """An application in an environment.

    :ivar sources: folder that its SQLite files lie under, on the database host.
    :ivar live: which side its services use now.
    :ivar workers: workers per service where this environment differs from ``application.yml``.
    """

    name: str
    sources: str
    live: Literal["sqlite", "postgresql"] = "sqlite"
    workers: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)


class DatabaseUse(_Strict):
    """A database that no application folder describes."""

    name: application.DatabaseName
    user: application.DatabaseName
    services: tuple[application.Service, ...] = ()


def describe(
    applications: Iterable[Mapping[str, Any]], databases: Iterable[Mapping[str, Any]], folder: Path
) -> dict[str, Any]:
    """Return the estate as plain values.

    :param applications: as :class:`ApplicationUse`.
    :param databases: as :class:`DatabaseUse`, with services without ``role`` meaning the database's user.
    :param folder: where application folders are.
    :returns: ``databases`` (name, owner, users, schema), ``users``, ``owners``, ``services`` (for configuration
        files), ``demands`` (for the capacity contract), ``applications`` (for migration).
    :raises ConfigurationError: an unknown application, a wrong value, or two declarations of one database.
    """
    found: dict[str, dict[str, Any]] = {}
    services: list[dict[str, Any]] = []
    uses: list[dict[str, Any]] = []
    for raw in applications:
        use = _valid(ApplicationUse, raw, "howdah_applications")
        known = sorted(path.parent.name for path in folder.glob("*/application.yml"))
        if use.name not in known:
            raise ConfigurationError(
                f"howdah_applications names {use.name!r}, but {folder} knows only {', '.join(known) or 'none'}.",
                "Correct the name, or add the folder.",
            )
        described = application.load(folder / use.name)
        owner = _owner(described.database)
        users = sorted({service.role for service in described.services})
        _add(found, described.database, owner, users, described.schema_)
        paths = {source.name: source.path for source in described.sources}
        unknown = sorted(set(use.workers) - {service.name for service in described.services})
        if unknown:
            raise ConfigurationError(
                f"howdah_applications gives workers to {', '.join(unknown)}, which {use.name} does not have.",
                "Correct the service's name.",
            )
        for service in described.services:
            values = _service(service, described.database, service.role, use.live)
            values["workers"] = use.workers.get(service.name, service.workers)
            values["application"] = use.name
            values["sqlite"] = {name: f"{use.sources}/{paths[name]}" for name in service.sources}
            services.append(values)
        uses.append(
            {"name": use.name, "database": described.database, "owner": owner, "sources": use.sources}
            | {"schema": described.schema_, "live": use.live}
        )
    for raw in databases:
        other = _valid(DatabaseUse, _with_roles(raw), "howdah_databases")
        _add(found, other.name, _owner(other.name), [other.user], "public")
        services += [_service(service, other.name, service.role, "postgresql") for service in other.services]
    _no_conflict(services)
    return {
        "databases": list(found.values()),
        "owners": sorted({item["owner"] for item in found.values()}),
        "users": sorted({user for item in found.values() for user in item["users"]}),
        "services": services,
        "demands": [
            {key: item[key] for key in ("service", "database", "user", "workers", "pool_size", "max_overflow")}
            for item in services
        ],
        "applications": uses,
    }


def _with_roles(raw: Any) -> Any:
    """Give services that name no role the database's user; leave what has another shape to validation."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get("services", []), list):
        return raw
    roles = {"role": raw.get("user")}
    services = [{**roles, **item} if isinstance(item, Mapping) else item for item in raw.get("services", [])]
    return {**raw, "services": services}


def _valid(model: type[Model], raw: Any, where: str) -> Model:
    values = dict(raw) if isinstance(raw, Mapping) else raw
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "(entry)"
        raise ConfigurationError(
            f"{where}: {values.get('name', '?') if isinstance(values, dict) else '?'}: {key}: {first['msg']}.",
            "Correct it.",
        ) from error


def _owner(database: str) -> str:
    return f"{database.removesuffix('_db')}_owner"


def _add(found: dict[str, dict[str, Any]], name: str, owner: str, users: list[str], schema: str) -> None:
    if name in found:
        raise ConfigurationError(
            f"Database {name} is declared twice.",
            "One application or one entry of howdah_databases may have it.",
        )
    found[name] = {"name": name, "owner": owner, "users": users, "schema": schema}


def _no_conflict(services: Iterable[Mapping[str, Any]]) -> None:
    """Refuse two services with one configuration file, and two pools with one limit: PgBouncer's is per role."""
    names: set[str] = set()
    databases: dict[str, str] = {}
    for item in services:
        if item["service"] in names:
            raise ConfigurationError(
                f"Service {item['service']} is declared twice.", "Its configuration file has its name: rename one."
            )
        names.add(item["service"])
        if databases.setdefault(item["user"], item["database"]) != item["database"]:
            raise ConfigurationError(
                f"Role {item['user']} is declared for {databases[item['user']]} and for {item['database']}.",
                "Give each database a role of its own.",
            )


def _service(service: application.Service, database: str, user: str, live: str) -> dict[str, Any]:
    return {
        "service": service.name,
        "application": "",
        "database": database,
        "user": user,
        "workers": service.workers,
        "pool_size": service.pool_size,
        "max_overflow": service.max_overflow,
        "live": live,
        "sqlite": {},
    }
