"""Filters that derive what an inventory leaves unsaid. The logic is the engine's; here it meets Jinja."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from math import inf
from pathlib import Path, PurePosixPath
from typing import Any

from ansible.errors import AnsibleFilterError

CHECKOUT = Path(__file__).resolve().parents[2]


def engine(name: str) -> Any:
    """Import a module of the engine when it is needed: Ansible loads this file anew for every task."""
    try:
        return import_module(f"howdah.{name}")
    except ImportError:
        # A controller without the project's environment (another ansible) still has the checkout.
        sys.path.insert(0, str(CHECKOUT / "src"))
        return import_module(f"howdah.{name}")


def refusing(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call the engine; turn its refusal into Ansible's."""
    try:
        return function(*arguments, **options)
    except engine("errors").HowdahError as error:
        raise AnsibleFilterError(str(error)) from error


def checkout_path(relative: str) -> str:
    """Return a path inside the checkout."""
    return str(CHECKOUT / relative)


def environment_name(name: str) -> str:
    """Return an environment's name, or refuse one that cron or a container's name could not carry."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", str(name)):
        raise AnsibleFilterError(
            f"howdah_environment {name!r} must be a letter and up to 30 letters, digits or hyphens, in lower case:"
            " cron ignores a file with another name. Correct it in the inventory."
        )
    return str(name)


def content_hash(folder: str) -> str:
    """Return a hash of a folder's files."""
    return str(engine("fingerprint").content_hash([("", Path(folder))]))


def engine_fingerprint(_: Any = None) -> str:
    """Return the fingerprint of the checkout's engine."""
    return str(engine("fingerprint").fingerprint(CHECKOUT / "src" / "howdah"))


def describe_estate(applications: list[Mapping[str, Any]], databases: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return databases, roles, services and demands that follow from a declaration."""
    return dict(refusing(engine("estate").describe, applications, databases, CHECKOUT / "applications"))


def plan_capacity(
    declared: Mapping[str, Any],
    max_connections: int,
    max_client_conn: int = 0,
    reserves: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Return the pools of an estate, or refuse an over-commitment."""
    capacity = engine("capacity")
    demands = [capacity.Demand(**item) for item in declared["demands"]]
    planned = refusing(
        capacity.plan_capacity,
        demands,
        max_connections=int(max_connections),
        max_client_conn=int(max_client_conn) or None,
        reserves=capacity.Reserves(**(reserves or {})),
    )
    return dict(planned.to_dict())


def default_max_connections(memory_mb: int) -> int:
    """Return a max_connections that fits a memory in MiB."""
    return int(engine("capacity").default_max_connections(int(memory_mb)))


def tune(size: Mapping[str, Any]) -> dict[str, str]:
    """Return server settings for a size (memory_mb, cpus, connections)."""
    return dict(refusing(engine("tuning").tune, _size(size)))


def shm_size_mb(size: Mapping[str, Any]) -> int:
    """Return the size of /dev/shm in MiB that fits a size."""
    return int(engine("tuning").shm_size_mb(_size(size)))


def oldest_proof(history: str, repository: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many hours ago a backup was last proven, and words for where, in the repository where that is longest.

    :param repository: what the instance's file says of its repositories; empty: any proof counts. Hours are endless
        where none was ever proven.
    """
    # As the engine reads the file: a path is one, and what may be an address is text.
    first = str(PurePosixPath(repository["path"])) if repository.get("path") else ""
    second = str(repository.get("second") or "")
    # Drills of an earlier version do not say of which repository they are: there was one.
    asked = [("", () if not first else ("", first))]
    if second:
        asked = [(f" in {first}", ("", first)), (f" in {second}", (second,))]
    found = []
    for words, places in asked:
        age = refusing(engine("drill.history").proof_age, history, datetime.now(UTC), places)
        found.append({"hours": age.total_seconds() / 3600 if age is not None else inf, "place": words})
    return max(found, key=lambda proof: proof["hours"])


def only(value: Mapping[str, Any], keys: list[str]) -> dict[str, Any]:
    """Return a mapping with some of its keys."""
    return {key: value[key] for key in keys}


def key_fingerprint(key: str) -> str:
    """Return the fingerprint of a repository's key."""
    return str(engine("escrow").fingerprint(str(key)))


def _size(size: Mapping[str, Any]) -> Any:
    return engine("tuning").Size(int(size["memory_mb"]), int(size["cpus"]), int(size["connections"]))


class FilterModule:
    """The filters."""

    def filters(self) -> dict[str, Any]:
        """Return them by name."""
        return {
            "howdah_environment_name": environment_name,
            "howdah_path": checkout_path,
            "howdah_content_hash": content_hash,
            "howdah_engine_fingerprint": engine_fingerprint,
            "howdah_estate": describe_estate,
            "howdah_capacity": plan_capacity,
            "howdah_default_max_connections": default_max_connections,
            "howdah_only": only,
            "howdah_key_fingerprint": key_fingerprint,
            "howdah_oldest_proof": oldest_proof,
            "howdah_tuning": tune,
            "howdah_shm_size_mb": shm_size_mb,
        }
