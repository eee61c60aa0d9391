"""An application folder: ``application.yml`` and what stands beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from howdah.casts import NAMES as CASTS
from howdah.errors import ConfigurationError

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=63)]
DatabaseName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*$", max_length=63)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """One or more SQLite files: ``path`` is a glob relative to the folder given to ``migrate``."""

    name: Name
    path: Annotated[str, StringConstraints(min_length=1)]
    tables: tuple[str, ...] = ()
    optional: bool = False


class Tenancy(_Strict):
    """The value of the tenant column where the source has none."""

    column: str
    default: str


class Column(_Strict):
    """An exception for one source column; what is not said follows from the target.

    :ivar truncate: moments finer than the target can hold are cut to it; else their rows go to quarantine.
    """

    target: str | None = None
    cast: str | None = None
    keep: str | None = None
    truncate: bool = False
    drop: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Column:
        if self.cast is not None and self.cast not in CASTS:
            raise ValueError(f"unknown cast {self.cast!r}; known are {', '.join(sorted(CASTS))}")
        if self.keep is not None and self.cast != "uuid5":
            raise ValueError("keep needs cast: uuid5")
        if self.drop and (self.target or self.cast or self.keep or self.truncate):
            raise ValueError("drop stands alone")
        return self


class Table(_Strict):
    """An exception for one source table."""

    target: str | None = None
    skip: bool = False
    columns: dict[str, Column] = Field(default_factory=dict)


class Service(_Strict):
    """A service whose configuration is rendered by the Ansible roles."""

    name: Name
    role: DatabaseName
    workers: Annotated[int, Field(ge=1)] = 1
    pool_size: Annotated[int, Field(ge=1)] = 5
    max_overflow: Annotated[int, Field(ge=0)] = 10
    sources: tuple[str, ...] = ()


class Application(_Strict):
    """The contents of ``application.yml``.

    :ivar namespace: identifiers that are no UUIDs map to ``uuid5(namespace, text)``.
    """

    name: Name
    title: str
    database: DatabaseName
    # PostgreSQL reserves pg_ for itself, and the ledger has a schema of its own.
    schema_: Annotated[DatabaseName, Field(alias="schema")] = "public"
    namespace: UUID | None = None
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    tenancy: Tenancy | None = None
    tables: dict[str, Table] = Field(default_factory=dict)
    services: tuple[Service, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Application:
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError("two sources have the same name")
        for service in self.services:
            for used in service.sources:
                if used not in names:
                    raise ValueError(f"service {service.name!r} uses source {used!r}, which is not declared")
        if self.schema_ == "howdah" or self.schema_.startswith("pg_"):
            raise ValueError(f"schema {self.schema_!r} is reserved")
        uses_uuid5 = any(c.cast == "uuid5" for table in self.tables.values() for c in table.columns.values())
        if uses_uuid5 and self.namespace is None:
            raise ValueError("cast uuid5 needs namespace")
        return self


def load(folder: Path) -> Application:
    """Read and check ``folder/application.yml``.

    :raises ConfigurationError: naming the file and the key that is wrong.
    """
    path = folder / "application.yml"
    if not path.is_file():
        raise ConfigurationError(f"There is no application in {folder}: {path} is missing.", "Check --application.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} must hold keys and values.", "See applications/dadm/application.yml.")
    try:
        return Application.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{path}: {key}: {message}.", "Correct that key.") from error


def versions_folder(folder: Path) -> Path:
    """Return the folder with the Alembic revisions.

    :raises ConfigurationError: when it is missing or empty.
    """
    versions = folder / "versions"
    if not any(versions.glob("*.py")):
        raise ConfigurationError(f"{versions} holds no Alembic revision.", "An application's schema comes from there.")
    return versions
