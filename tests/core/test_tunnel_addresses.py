"""Numbers and addresses of tunnels stand for one another, and none is given out too early."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.tunnel_addresses import (
    DEFAULT_NETWORK,
    FIRST_NUMBER,
    QUARANTINE_NS,
    GatewayFull,
    NetworkUnusable,
    TcpNetworkUnusable,
    number_of,
    parse,
    take,
)  # fmt: skip

NETWORK = parse(DEFAULT_NETWORK)


@given(st.sampled_from(NETWORK.numbers))
def test_both_addresses_of_a_number_lead_back_to_it(number: int) -> None:
    assert number_of(NETWORK, NETWORK.address(number)) == number
    assert number_of(NETWORK, NETWORK.loopback_address(number)) == number


def test_gateways_and_registrations_begin_where_they_should() -> None:
    assert (NETWORK.address(1), NETWORK.address(FIRST_NUMBER)) == ("10.100.0.1", "10.100.1.0")
    assert (NETWORK.loopback_address(FIRST_NUMBER), NETWORK.loopback_address(NETWORK.numbers[-1])) == (
        "127.64.1.0",
        "127.64.255.254",
    )
    assert number_of(NETWORK, "192.0.2.1") is None
    assert number_of(NETWORK, "nonsense") is None


@pytest.mark.parametrize(
    "text", ["8.8.0.0/16", "10.0.0.0/8", "10.1.1.0/24", "10.100.0.1/16", "127.0.0.0/16", "x", "fd00::/48"]
)
def test_a_network_that_cannot_be_one_is_refused(text: str) -> None:
    with pytest.raises(NetworkUnusable):
        parse(text)


@given(st.integers(0, 2 * QUARANTINE_NS), st.sampled_from(NETWORK.numbers))
def test_a_freed_number_is_kept_back_for_its_time(age_ns: int, next_number: int) -> None:
    number = take(NETWORK, next_number, (7000, 10**18 - age_ns), now_ns=10**18)
    assert number == (7000 if age_ns >= QUARANTINE_NS else next_number)


def test_a_full_network_is_said_to_be_full() -> None:
    end = NETWORK.numbers[-1]
    assert take(NETWORK, end, None, now_ns=0) == end
    with pytest.raises(GatewayFull):
        take(NETWORK, end + 1, (7000, 0), now_ns=QUARANTINE_NS - 1)


def test_a_part_of_loopback_for_tcp_mode_is_large_enough_and_no_other_machines() -> None:
    assert parse("10.100.0.0/16", "127.80.0.0/16").loopback_address(FIRST_NUMBER) == "127.80.1.0"
    for text in ("127.80.0.0/17", "127.0.0.0/16", "10.1.0.0/16", "127.80.0.1/16", "nonsense"):
        with pytest.raises(TcpNetworkUnusable, match="network of TCP mode"):
            parse("10.100.0.0/16", text)
