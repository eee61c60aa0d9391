"""Filters that derive what an inventory leaves unsaid. The logic is the engine's; here it meets Jinja."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

CHECKOUT = Path(__file__).resolve().parents[2]

try:
    from howdah import capacity, estate, fingerprint, tuning
    from howdah.errors import HowdahError
except ImportError:
    # A controller without the project's environment (another ansible) still has the checkout.
    sys.path.insert(0, str(CHECKOUT / "src"))
    from howdah import capacity, estate, fingerprint, tuning
    from howdah.errors import HowdahError


def checkout_path(relative: str) -> str:
    """Return a path inside the checkout."""
    return str(CHECKOUT / relative)


def content_hash(folder: str) -> str:
    """Return a hash of a folder's files."""
    return fingerprint.content_hash([("", Path(folder))])


def engine_fingerprint(_: Any = None) -> str:
    """Return the fingerprint of the checkout's engine."""
    return fingerprint.fingerprint(CHECKOUT / "src" / "howdah")


def describe_estate(applications: list[Mapping[str, Any]], databases: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return databases, roles, services and demands that follow from a declaration."""
    try:
        return estate.describe(applications, databases, CHECKOUT / "applications")
    except HowdahError as error:
        raise AnsibleFilterError(str(error)) from error


def plan_capacity(
    declared: Mapping[str, Any], max_connections: int, max_client_conn: int = 0, reserves: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Return the pools of an estate, or refuse an over-commitment."""
    try:
        return capacity.plan_capacity(
            estate.demands(declared),
            max_connections=int(max_connections),
            max_client_conn=int(max_client_conn) or None,
            reserves=capacity.Reserves(**(reserves or {})),
        ).to_dict()
    except HowdahError as error:
        raise AnsibleFilterError(str(error)) from error


def tune(size: Mapping[str, Any]) -> dict[str, str]:
    """Return server settings for a size (memory_mb, cpus, connections)."""
    try:
        return tuning.tune(_size(size))
    except HowdahError as error:
        raise AnsibleFilterError(str(error)) from error


def shm_size_mb(size: Mapping[str, Any]) -> int:
    """Return the size of /dev/shm in MiB that fits a size."""
    return tuning.shm_size_mb(_size(size))


def only(value: Mapping[str, Any], keys: list[str]) -> dict[str, Any]:
    """Return a mapping with some of its keys."""
    return {key: value[key] for key in keys}


def _size(size: Mapping[str, Any]) -> tuning.Size:
    return tuning.Size(int(size["memory_mb"]), int(size["cpus"]), int(size["connections"]))


class FilterModule:
    """The filters."""

    def filters(self) -> dict[str, Any]:
        """Return them by name."""
        return {
            "howdah_path": checkout_path,
            "howdah_content_hash": content_hash,
            "howdah_engine_fingerprint": engine_fingerprint,
            "howdah_estate": describe_estate,
            "howdah_capacity": plan_capacity,
            "howdah_default_max_connections": capacity.default_max_connections,
            "howdah_only": only,
            "howdah_tuning": tune,
            "howdah_shm_size_mb": shm_size_mb,
        }
