"""Carrying out the changes gives the peers that are wanted, and no endpoint that is known is lost on the way."""

from collections.abc import Mapping
from ipaddress import IPv4Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.peers import (
    EndpointChanges,
    PeerChanges,
    SeenPeer,
    WantedPeer,
    difference,
    remembered,
    to_note,
)
from mosaic.core.public_key import PublicKey, of_bytes

KEYS = [of_bytes(bytes([number]) * 32) for number in range(6)]
keys = st.sampled_from(KEYS)
endpoints = st.none() | st.sampled_from(["198.18.0.1:1", "198.18.0.1:2", "[2001:db8::1]:3"])
known = st.dictionaries(keys, st.sampled_from(["198.18.0.9:8", "198.18.0.9:9"]))
keepalives = st.sampled_from([0, 25])


def network(number: int) -> frozenset[IPv4Network]:
    return frozenset({IPv4Network((0x0A640100 + number, 32))})


@st.composite
def wanted(draw: st.DrawFn) -> list[WantedPeer]:
    """Return peers of which no two share a key or an address."""
    chosen = draw(st.lists(keys, unique=True))
    numbers = draw(st.permutations(range(8)))
    return [
        WantedPeer(key, network(number), draw(endpoints), draw(keepalives))
        for key, number in zip(chosen, numbers, strict=False)
    ]


@st.composite
def seen(draw: st.DrawFn) -> dict[PublicKey, SeenPeer]:
    peers = draw(wanted())
    return {peer.key: SeenPeer(peer.key, peer.networks, peer.endpoint, peer.keepalive_seconds) for peer in peers}


def carry_out(changes: PeerChanges, have: Mapping[PublicKey, SeenPeer]) -> dict[PublicKey, SeenPeer]:
    """Do what WireGuard does: an address that one peer is given is taken from whoever has it."""
    peers = {key: peer for key, peer in have.items() if key not in changes.removed}
    for put in changes.put:
        for key, peer in peers.items():
            peers[key] = SeenPeer(key, peer.networks - put.networks, peer.endpoint, peer.keepalive_seconds)
        before = peers.get(put.key)
        endpoint = put.endpoint or (before.endpoint if before else None)
        peers[put.key] = SeenPeer(put.key, put.networks, endpoint, put.keepalive_seconds)
    return peers


@given(seen(), wanted(), known)
def test_carrying_out_the_changes_gives_what_is_wanted_and_leaves_nothing_to_do(
    have: dict[PublicKey, SeenPeer], want: list[WantedPeer], notes: dict[PublicKey, str]
) -> None:
    after = carry_out(difference(have, want, notes), have)
    assert {(peer.key, peer.networks, peer.keepalive_seconds) for peer in after.values()} == {
        (peer.key, peer.networks, peer.keepalive_seconds) for peer in want
    }
    assert not difference(after, want, notes)


@given(seen(), wanted(), known)
def test_a_peer_stays_where_it_was_heard_from_and_one_that_is_nowhere_is_where_it_was_last(
    have: dict[PublicKey, SeenPeer], want: list[WantedPeer], notes: dict[PublicKey, str]
) -> None:
    after = carry_out(difference(have, want, notes), have)
    for peer in want:
        heard_from = have[peer.key].endpoint if peer.key in have else None
        assert after[peer.key].endpoint == (heard_from or peer.endpoint or notes.get(peer.key))


@given(wanted(), known)
def test_who_has_all_that_is_wanted_is_told_nothing(want: list[WantedPeer], notes: dict[PublicKey, str]) -> None:
    there = carry_out(difference({}, want, notes), {})
    assert difference(there, want, notes) == PeerChanges((), frozenset())


def test_one_peer_of_many_is_one_change() -> None:
    every = [WantedPeer(of_bytes(number.to_bytes(32, "big")), network(number)) for number in range(1000)]
    there = carry_out(PeerChanges(tuple(every), frozenset()), {})
    assert difference(there, every[1:], {}) == PeerChanges((), frozenset({every[0].key}))


def test_one_address_or_one_key_for_two_peers_is_refused() -> None:
    first, second = WantedPeer(KEYS[0], network(1)), WantedPeer(KEYS[1], network(1))
    with pytest.raises(ValueError, match="two peers"):
        difference({}, [first, second], {})
    with pytest.raises(ValueError, match="twice"):
        difference({}, [first, WantedPeer(KEYS[0], network(2))], {})


@given(known, seen(), st.sets(keys))
def test_endpoints_are_remembered_of_those_that_are_wanted_and_of_no_others(
    before: dict[PublicKey, str], have: dict[PublicKey, SeenPeer], want: set[PublicKey]
) -> None:
    after = remembered(before, have, want)
    assert after.keys() <= want
    for key in want:
        now = have[key].endpoint if key in have else None
        assert after.get(key) == (now or before.get(key))


@given(known, st.sets(keys))
def test_an_interface_that_was_just_made_again_makes_nothing_forgotten(
    before: dict[PublicKey, str], want: set[PublicKey]
) -> None:
    assert remembered(before, {}, want | before.keys()) == before


@given(known, known)
def test_what_is_noted_makes_what_is_written_what_is_remembered(
    before: dict[PublicKey, str], after: dict[PublicKey, str]
) -> None:
    changes = to_note(before, after)
    written = {key: endpoint for key, endpoint in before.items() if key not in changes.removed}
    assert {**written, **changes.put} == after
    assert to_note(after, after) == EndpointChanges({}, frozenset())


def test_networks_of_both_kinds_may_be_wanted() -> None:
    peer = WantedPeer(KEYS[0], frozenset({ip_network("10.100.1.0/32"), ip_network("fd00::1/128")}))
    assert difference({}, [peer], {}).put == (peer,)
