"""The capacity contract: how many connections services may open, and how many the server gives the pooler.

Two sums must hold, or nothing is changed:

* Σ services (workers × (pool_size + max_overflow)) ≤ ``max_client_conn`` of the pooler;
* Σ (pool + its reserve) + replication + monitoring + migration + superuser-reserved ≤ ``max_connections``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from howdah.errors import ConfigurationError

MINIMUM_POOL = 2


@dataclass(frozen=True)
class Demand:
    """What one service may open at its busiest.

    :param database: database it connects to.
    :param user: login role it connects as.
    :param workers: processes, each with a client-side pool of its own.
    :param pool_size: connections a worker keeps.
    :param max_overflow: connections a worker may add for a while.
    """

    service: str
    database: str
    user: str
    workers: int = 1
    pool_size: int = 5
    max_overflow: int = 10

    @property
    def clients(self) -> int:
        """Connections to the pooler at most."""
        return self.workers * (self.pool_size + self.max_overflow)


@dataclass(frozen=True)
class Reserves:
    """Connections of the server that no pool may use all the time.

    :param pool_reserve: what each pool may take beyond its size for a while: PgBouncer's ``reserve_pool_size`` is
        per pool.
    """

    pool_reserve: int = 3
    replication: int = 3
    monitoring: int = 3
    migration: int = 8
    superuser: int = 3

    def total(self, pools: int = 1) -> int:
        """Return their sum for a number of pools."""
        return self.pool_reserve * pools + self.replication + self.monitoring + self.migration + self.superuser


@dataclass(frozen=True)
class Pool:
    """One pool of the pooler: a database and a user."""

    database: str
    user: str
    size: int
    clients: int


@dataclass(frozen=True)
class Capacity:
    """A budget that holds."""

    max_connections: int
    max_client_conn: int
    client_demand: int
    reserved: int
    reserve_pool_size: int
    pools: tuple[Pool, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for templates and reports."""
        return {
            "max_connections": self.max_connections,
            "max_client_conn": self.max_client_conn,
            "client_demand": self.client_demand,
            "reserved": self.reserved,
            "reserve_pool_size": self.reserve_pool_size,
            "pools": [vars(pool) for pool in self.pools],
        }


def default_max_connections(memory_mb: int) -> int:
    """Return a ``max_connections`` for a server of that memory in MiB: one per 10 MiB, 50 to 500."""
    return max(50, min(500, memory_mb // 10))


def plan_capacity(
    demands: Iterable[Demand],
    *,
    max_connections: int,
    max_client_conn: int | None = None,
    reserves: Reserves | None = None,
) -> Capacity:
    """Share the server's connections among pools, in proportion to what their services may ask for.

    :param max_connections: of the server.
    :param max_client_conn: of the pooler; derived (demand and a fifth, in steps of 50, at least 100) when ``None``.
    :returns: a budget for which both sums hold; no pool is larger than its demand.
    :raises ConfigurationError: one of the sums cannot hold.
    """
    reserves = reserves or Reserves()
    clients: dict[tuple[str, str], int] = {}
    for demand in demands:
        if min(demand.workers, demand.pool_size) < 1 or demand.max_overflow < 0:
            raise ConfigurationError(
                f"Service {demand.service}: workers and pool_size are at least 1, max_overflow at least 0.",
                "Correct the service in application.yml or in the inventory.",
            )
        key = (demand.database, demand.user)
        clients[key] = clients.get(key, 0) + demand.clients
    total = sum(clients.values())
    ceiling = max_client_conn or max(100, -(-total * 6 // 5 // 50) * 50)
    if total > ceiling:
        raise ConfigurationError(
            f"The services may open {total} connections, but the pooler accepts {ceiling} (max_client_conn).",
            "Lower workers, pool_size or max_overflow of a service, or raise pgbouncer_max_client_conn.",
        )
    reserved = reserves.total(len(clients))
    available = max_connections - reserved
    if available < MINIMUM_POOL * len(clients):
        raise ConfigurationError(
            f"{len(clients)} pools need at least {MINIMUM_POOL * len(clients)} connections, but max_connections"
            f" {max_connections} leaves {available} after {reserved} reserved ones.",
            "Raise postgres_server_max_connections (and its memory), or serve fewer databases.",
        )
    sizes = _share(clients, available)
    return Capacity(
        max_connections=max_connections,
        max_client_conn=ceiling,
        client_demand=total,
        reserved=reserved,
        reserve_pool_size=reserves.pool_reserve,
        pools=tuple(
            Pool(database, user, sizes[database, user], count) for (database, user), count in sorted(clients.items())
        ),
    )


def _share(clients: Mapping[tuple[str, str], int], available: int) -> dict[tuple[str, str], int]:
    """Give every pool the minimum, then its proportion of the rest, never more than its demand."""
    total = sum(clients.values())
    spare = available - MINIMUM_POOL * len(clients)
    return {key: min(count, MINIMUM_POOL + spare * count // total) for key, count in clients.items()}
