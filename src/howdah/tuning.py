"""Server settings derived from the size of an instance: pure, and property-tested.

The formulas follow the PostgreSQL 15 documentation (chapters 20.4 and 20.5) and the advice of the PostgreSQL wiki's
"Tuning Your PostgreSQL Server": a quarter of the memory for shared buffers, three quarters as the planner's idea of
what the operating system caches, and a share per connection for sorts.
"""

from __future__ import annotations

from dataclasses import dataclass

from howdah.errors import ConfigurationError

MINIMUM_MEMORY_MB = 256


@dataclass(frozen=True)
class Size:
    """What an instance may use.

    :param memory_mb: memory in MiB; the smaller of the host's and the container's limit.
    :param cpus: processors the container may use.
    :param connections: ``max_connections`` of the server.
    """

    memory_mb: int
    cpus: int
    connections: int


def effective_memory_mb(host_mb: int, limit_mb: int | None) -> int:
    """Return the memory in MiB that an instance really has.

    >>> effective_memory_mb(24_000, 1024), effective_memory_mb(2000, None), effective_memory_mb(2000, 4096)
    (1024, 2000, 2000)
    """
    return min(host_mb, limit_mb) if limit_mb else host_mb


def shm_size_mb(size: Size) -> int:
    """Return the size of ``/dev/shm`` in MiB.

    Parallel workers of a query and of VACUUM keep their shared state there: too little makes VACUUM fail.
    """
    return max(64, maintenance_work_mem_mb(size) * 2)


def maintenance_work_mem_mb(size: Size) -> int:
    """Return ``maintenance_work_mem`` in MiB: a sixteenth of the memory, 16 MiB to 1 GiB."""
    return min(1024, max(16, size.memory_mb // 16))


def tune(size: Size) -> dict[str, str]:
    """Return settings by name, with their units.

    :raises ConfigurationError: the instance is too small for a server with that many connections.
    """
    if size.memory_mb < MINIMUM_MEMORY_MB:
        raise ConfigurationError(
            f"{size.memory_mb} MiB is too little memory for a PostgreSQL server.",
            f"Give the instance at least {MINIMUM_MEMORY_MB} MiB (postgres_server_memory_mb).",
        )
    if size.cpus < 1 or size.connections < 1:
        raise ConfigurationError(
            f"An instance with {size.cpus} processors and {size.connections} connections cannot work.",
            "Set postgres_server_cpus and postgres_server_max_connections to 1 or more.",
        )
    shared_buffers = size.memory_mb // 4
    if size.connections > size.memory_mb - shared_buffers:
        raise ConfigurationError(
            f"{size.connections} connections of 1 MiB do not fit into {size.memory_mb} MiB beside shared_buffers.",
            "Give the instance more memory (postgres_server_memory_mb) or lower postgres_server_max_connections.",
        )
    # A quarter of the memory for sorts of all connections at once; a plan node may take several such shares.
    work_mem_kb = max(1024, size.memory_mb * 1024 // 4 // size.connections)
    # A thirty-second of the shared buffers, as the server's own default does, but never more than one WAL segment.
    wal_buffers_kb = min(16 * 1024, max(64, shared_buffers * 1024 // 32))
    workers = max(2, size.cpus)
    return {
        "autovacuum_max_workers": str(min(6, max(2, size.cpus))),
        "effective_cache_size": f"{size.memory_mb * 3 // 4}MB",
        "maintenance_work_mem": f"{maintenance_work_mem_mb(size)}MB",
        "max_connections": str(size.connections),
        "max_parallel_maintenance_workers": str(max(1, min(4, size.cpus))),
        "max_parallel_workers": str(workers),
        "max_parallel_workers_per_gather": str(max(1, min(4, size.cpus // 2))),
        "max_wal_size": f"{max(512, min(8192, size.memory_mb))}MB",
        "max_worker_processes": str(workers + 4),
        "min_wal_size": "128MB",
        "shared_buffers": f"{shared_buffers}MB",
        "wal_buffers": f"{wal_buffers_kb}kB",
        "work_mem": f"{work_mem_kb}kB",
    }
