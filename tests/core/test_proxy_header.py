"""PROXY protocol 2, written and read."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.needs_more import NeedsMore
from mosaic.core.proxy_header import MOST_BYTES, SIGNATURE, Ends, Head, NoHead, encode, ends_of, read

V4 = Ends(IPv4Address("198.51.100.7"), 56324, IPv4Address("192.0.2.1"), 443)
V6 = Ends(IPv6Address("2001:db8::7"), 56324, IPv6Address("2001:db8::1"), 443)
BYTES_4 = bytes.fromhex("0d0a0d0a000d0a515549540a2111000cc6336407c0000201dc0401bb")
BYTES_6 = bytes.fromhex(
    "0d0a0d0a000d0a515549540a" "21210024" "20010db8000000000000000000000007" "20010db8000000000000000000000001"
    "dc04" "01bb"
)  # fmt: skip
BYTES_LOCAL = bytes.fromhex("0d0a0d0a000d0a515549540a20000000")

ports = st.integers(0, 65535)
any_ends = st.one_of(
    st.builds(Ends, st.ip_addresses(v=4), ports, st.ip_addresses(v=4), ports),
    st.builds(Ends, st.ip_addresses(v=6), ports, st.ip_addresses(v=6), ports),
)


@pytest.mark.parametrize(("ends", "written"), [(V4, BYTES_4), (V6, BYTES_6), (None, BYTES_LOCAL)])
def test_the_bytes_are_those_of_the_specification(ends: Ends | None, written: bytes) -> None:
    assert encode(ends) == written
    assert read(written) == Head(len(written), ends)


@given(any_ends, st.binary(max_size=40))
def test_ends_are_read_as_they_were_written_and_what_follows_is_no_matter(ends: Ends, after: bytes) -> None:
    written = encode(ends)
    assert read(written + after) == Head(len(written), ends)
    for size in range(len(written)):
        said = read(written[:size])
        assert isinstance(said, NeedsMore)
        assert size < said.at_least <= len(written)


def test_what_follows_the_addresses_is_passed_over() -> None:
    more = b"\x03\x00\x04abcd"
    with_more = BYTES_4[:14] + (12 + len(more)).to_bytes(2, "big") + BYTES_4[16:] + more
    assert read(with_more + b"hello") == Head(len(with_more), V4)


@pytest.mark.parametrize(
    "kind",
    [0x00, 0x12, 0x22, 0x31, 0x32],
    ids=["unknown", "UDP over IPv4", "UDP over IPv6", "UNIX stream", "UNIX datagram"],
)
def test_other_kinds_of_connections_tell_no_ends(kind: int) -> None:
    block = bytes(216)
    assert read(SIGNATURE + bytes([0x21, kind, 0, 216]) + block) == Head(232, None)


def test_the_addresses_of_a_head_of_the_routers_own_are_not_believed() -> None:
    assert read(BYTES_4[:12] + b"\x20" + BYTES_4[13:]) == Head(len(BYTES_4), None)


@pytest.mark.parametrize(
    "sent",
    [
        b"PROXY TCP4 198.51.100.7 192.0.2.1 56324 443\r\n",
        b"\x16\x03\x01",
        SIGNATURE + b"\x11",
        SIGNATURE + b"\x22",
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11" + (MOST_BYTES - 15).to_bytes(2, "big"),
    ],
)
def test_anything_else_is_no_head(sent: bytes) -> None:
    assert read(sent) == NoHead()


@given(st.binary(max_size=60))
def test_any_bytes_are_answered(sent: bytes) -> None:
    for bytes_sent in (sent, SIGNATURE + sent):
        said = read(bytes_sent)
        assert not isinstance(said, NeedsMore) or said.at_least > len(bytes_sent)


def test_ends_are_told_in_one_family_and_ipv4_as_ipv4() -> None:
    assert ends_of(("198.51.100.7", 56324), ("192.0.2.1", 443)) == V4
    assert ends_of(("::ffff:198.51.100.7", 56324), ("::ffff:192.0.2.1", 443)) == V4
    assert ends_of(("2001:db8::7", 56324), ("2001:db8::1", 443)) == V6
    mixed = ends_of(("198.51.100.7", 1), ("2001:db8::1", 2))
    assert mixed == Ends(IPv6Address("::ffff:198.51.100.7"), 1, IPv6Address("2001:db8::1"), 2)
    assert ends_of(("fe80::1%eth0", 1), ("fe80::2", 2)).source == IPv6Address("fe80::1")
