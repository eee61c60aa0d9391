"""Settings that follow from a size fit into it, at every memory from 256 MiB to 1 TiB."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from howdah.capacity import default_max_connections
from howdah.errors import ConfigurationError
from howdah.tuning import MINIMUM_MEMORY_MB, Size, effective_memory_mb, maintenance_work_mem_mb, shm_size_mb, tune

TIB = 1024 * 1024
memories = st.integers(MINIMUM_MEMORY_MB, TIB)
sizes = st.builds(Size, memory_mb=memories, cpus=st.integers(1, 256), connections=st.integers(1, 2000))


def kib(value: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(kB|MB)", value).groups()
    return int(number) * {"kB": 1, "MB": 1024}[unit]


def tuned(size: Size) -> dict[str, str]:
    try:
        return tune(size)
    except ConfigurationError:
        assume(False)


@given(sizes)
def test_shared_buffers_leave_half_of_the_memory(size):
    shared = kib(tuned(size)["shared_buffers"])
    assert 128 // 2 * 1024 <= shared <= size.memory_mb * 1024 // 2


@given(sizes)
def test_wal_buffers_are_at_most_a_segment_and_not_the_shared_buffers(size):
    settings = tuned(size)
    assert 64 <= kib(settings["wal_buffers"]) <= 16 * 1024
    assert kib(settings["wal_buffers"]) < kib(settings["shared_buffers"])


@given(sizes)
@example(Size(256, 1, 192))
@example(Size(256, 1, 193))
@example(Size(256, 1, 2000))
def test_sorts_of_all_connections_and_shared_buffers_fit_the_memory(size):
    settings = tuned(size)
    assert kib(settings["work_mem"]) >= 64, "the server refuses less"
    everyone = kib(settings["work_mem"]) * size.connections
    assert everyone + kib(settings["shared_buffers"]) <= size.memory_mb * 1024


@given(sizes)
def test_maintenance_fits_the_memory_and_shared_memory_fits_maintenance(size):
    settings = tuned(size)
    maintenance = kib(settings["maintenance_work_mem"])
    assert maintenance == maintenance_work_mem_mb(size) * 1024
    assert maintenance <= shm_size_mb(size) * 1024 <= size.memory_mb * 1024
    assert maintenance * int(settings["autovacuum_max_workers"]) <= size.memory_mb * 1024 // 2


@given(sizes)
def test_workers_are_ordered_as_the_server_takes_them_from_one_another(size):
    settings = {name: int(value) for name, value in tuned(size).items() if value.isdigit()}
    assert 1 <= settings["max_parallel_workers_per_gather"] <= settings["max_parallel_workers"]
    assert 1 <= settings["max_parallel_maintenance_workers"] <= settings["max_parallel_workers"]
    assert settings["max_parallel_workers"] < settings["max_worker_processes"]
    assert settings["max_connections"] == size.connections


@given(sizes)
def test_the_rest_is_in_proportion(size):
    settings = tuned(size)
    assert kib(settings["shared_buffers"]) < kib(settings["effective_cache_size"]) <= size.memory_mb * 1024
    assert kib(settings["min_wal_size"]) < kib(settings["max_wal_size"]) <= max(512, size.memory_mb) * 1024


@given(memories, st.integers(1, 256))
@example(MINIMUM_MEMORY_MB, 1)
@example(TIB, 256)
def test_the_derived_number_of_connections_is_never_refused(memory_mb, cpus):
    assert tune(Size(memory_mb, cpus, default_max_connections(memory_mb)))


@given(st.integers(-1, MINIMUM_MEMORY_MB - 1))
def test_too_little_memory_is_refused_with_both_numbers(memory_mb):
    with pytest.raises(ConfigurationError, match=rf"^{memory_mb} MiB is too little.*at least 256 MiB"):
        tune(Size(memory_mb, 1, 10))


def test_more_connections_than_the_memory_serves_are_refused_with_both_numbers():
    with pytest.raises(ConfigurationError, match=r"500 connections.* 256 MiB"):
        tune(Size(256, 1, 500))


@pytest.mark.parametrize(("cpus", "connections"), [(0, 10), (1, 0), (-1, -1)])
def test_no_processor_or_no_connection_is_refused(cpus, connections):
    with pytest.raises(ConfigurationError, match=f"{cpus} processors and {connections} connections"):
        tune(Size(1024, cpus, connections))


@given(st.integers(1, TIB), st.none() | st.integers(1, TIB))
def test_the_smaller_of_host_and_limit_counts(host, limit):
    assert effective_memory_mb(host, limit) == min(host, limit or host)
