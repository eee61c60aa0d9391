"""The capacity contract: what is accepted holds, what cannot hold is refused with its numbers."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from howdah.capacity import MINIMUM_POOL, Demand, Reserves, default_max_connections, plan_capacity
from howdah.errors import ConfigurationError

demands = st.lists(
    st.builds(
        Demand,
        service=st.sampled_from(["web", "worker", "report"]),
        database=st.sampled_from(["a_db", "b_db", "c_db", "d_db"]),
        user=st.sampled_from(["u", "v"]),
        workers=st.integers(1, 8),
        pool_size=st.integers(1, 20),
        max_overflow=st.integers(0, 20),
    ),
    max_size=8,
)
reserves = st.builds(
    Reserves, *[st.integers(0, 10) for _ in ("pool_reserve", "replication", "monitoring", "migration", "superuser")]
)


def clients(given_demands):
    return sum(demand.workers * (demand.pool_size + demand.max_overflow) for demand in given_demands)


def refusal(given_demands, **options):
    try:
        plan_capacity(given_demands, **options)
    except ConfigurationError as error:
        return error
    return None


def accepted(given_demands, **options):
    try:
        return plan_capacity(given_demands, **options)
    except ConfigurationError:
        assume(False)


@given(demands, st.integers(20, 600), st.none() | st.integers(1, 1000), reserves)
def test_clients_fit_the_pooler(given_demands, max_connections, max_client_conn, kept):
    planned = accepted(given_demands, max_connections=max_connections, max_client_conn=max_client_conn, reserves=kept)
    assert clients(given_demands) <= planned.max_client_conn
    assert planned.client_demand == clients(given_demands) == sum(pool.clients for pool in planned.pools)
    assert max_client_conn in (None, planned.max_client_conn)


@given(demands, st.integers(20, 600), reserves)
def test_pools_with_all_their_reserves_fit_the_server(given_demands, max_connections, kept):
    """Every pool may take reserve_pool_size connections beyond its size: PgBouncer counts it per pool."""
    planned = accepted(given_demands, max_connections=max_connections, reserves=kept)
    busiest = sum(pool.size + planned.reserve_pool_size for pool in planned.pools)
    assert busiest + kept.replication + kept.monitoring + kept.migration + kept.superuser <= max_connections


@given(demands, st.integers(20, 600), reserves)
def test_reserved_and_pools_are_the_whole_account(given_demands, max_connections, kept):
    planned = accepted(given_demands, max_connections=max_connections, reserves=kept)
    assert planned.reserved + sum(pool.size for pool in planned.pools) <= planned.max_connections == max_connections


@given(demands, st.integers(20, 600), reserves)
def test_no_pool_is_larger_than_its_demand_or_smaller_than_it_needs(given_demands, max_connections, kept):
    planned = accepted(given_demands, max_connections=max_connections, reserves=kept)
    for pool in planned.pools:
        own = [one for one in given_demands if (one.database, one.user) == (pool.database, pool.user)]
        assert pool.clients == clients(own)
        assert min(pool.clients, MINIMUM_POOL) <= pool.size <= pool.clients


@given(demands, st.integers(20, 600))
def test_who_asks_for_more_gets_no_less(given_demands, max_connections):
    planned = accepted(given_demands, max_connections=max_connections)
    by_demand = sorted(planned.pools, key=lambda pool: pool.clients)
    assert [pool.size for pool in by_demand] == sorted(pool.size for pool in planned.pools)


@given(demands, st.integers(20, 600))
def test_the_order_of_services_changes_nothing(given_demands, max_connections):
    planned = accepted(given_demands, max_connections=max_connections)
    assert plan_capacity(reversed(given_demands), max_connections=max_connections) == planned


@given(demands, st.integers(1, 600), st.none() | st.integers(1, 1000), reserves)
def test_only_what_cannot_hold_is_refused(given_demands, max_connections, max_client_conn, kept):
    limits = {"max_connections": max_connections, "max_client_conn": max_client_conn, "reserves": kept}
    refused = refusal(given_demands, **limits)
    if refused:
        pools = len({(one.database, one.user) for one in given_demands})
        reserved = kept.pool_reserve * pools + kept.replication + kept.monitoring + kept.migration + kept.superuser
        too_many = max_client_conn is not None and clients(given_demands) > max_client_conn
        too_few = max_connections - reserved < MINIMUM_POOL * pools
        assert too_many or too_few
        numbers = {int(number) for number in re.findall(r"-?\d+", refused.what)}
        assert numbers >= ({clients(given_demands), max_client_conn} if too_many else {max_connections, reserved})
        assert refused.next_step


def test_too_many_clients_names_both_numbers():
    with pytest.raises(ConfigurationError, match=r"may open 60 connections.*accepts 50 \(max_client_conn\)"):
        plan_capacity([Demand("web", "a", "u", 4, 5, 10)], max_connections=100, max_client_conn=50)


@pytest.mark.parametrize(("max_client_conn", "fits"), [(60, True), (59, False)])
def test_the_last_client_counts(max_client_conn, fits):
    refused = refusal([Demand("web", "a", "u", 4, 5, 10)], max_connections=100, max_client_conn=max_client_conn)
    assert (refused is None) == fits


def test_too_few_connections_names_what_is_left():
    with pytest.raises(ConfigurationError, match=r"max_connections 21 leaves 1 after 20 reserved ones"):
        plan_capacity([Demand("web", "a", "u")], max_connections=21)


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"pool_size": 0}, {"max_overflow": -1}, {"workers": -3, "pool_size": -3}]
)
def test_a_demand_that_makes_no_sense_names_its_service(wrong):
    with pytest.raises(ConfigurationError, match="Service web: workers and pool_size are at least 1"):
        plan_capacity([Demand("web", "a", "u", **wrong)], max_connections=100)


def test_services_of_one_database_and_user_share_a_pool():
    planned = plan_capacity(
        [Demand("web", "a", "u", 1, 1, 1), Demand("job", "a", "u", 1, 2, 1), Demand("job", "a", "v", 1, 1, 1)],
        max_connections=100,
    )
    assert [(pool.database, pool.user, pool.clients) for pool in planned.pools] == [("a", "u", 5), ("a", "v", 2)]


@given(st.integers(0, 2**20))
def test_default_max_connections_grow_with_memory_between_50_and_500(memory_mb):
    assert 50 <= default_max_connections(memory_mb) <= default_max_connections(memory_mb + 10) <= 500
    if 500 <= memory_mb <= 5000:
        assert default_max_connections(memory_mb) == memory_mb // 10


def test_plain_values_are_complete():
    planned = plan_capacity([Demand("web", "a", "u", 1, 1, 0)], max_connections=50, max_client_conn=70)
    assert planned.to_dict() == {
        "max_connections": 50,
        "max_client_conn": 70,
        "client_demand": 1,
        "reserved": 20,
        "reserve_pool_size": 3,
        "pools": [{"database": "a", "user": "u", "size": 1, "clients": 1}],
    }
