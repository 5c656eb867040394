"""What the program `wg` is told and prints; no word of it is a private key."""

import base64
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.adapters.wireguard import wg_text
from mosaic.adapters.wireguard.wg_text import WgNotUnderstood
from mosaic.core.peers import SeenPeer, WantedPeer
from mosaic.core.public_key import of_bytes
from mosaic.crypto.secret import Secret

LINK, OTHER = of_bytes(b"\x01" * 32), of_bytes(b"\x02" * 32)
PRIVATE = Secret(b"\x0a" * 32)
SPELT = base64.b64encode(b"\x0a" * 32).decode()


def test_the_private_key_is_in_what_is_read_and_never_in_the_words() -> None:
    text = wg_text.configuration(private_key=PRIVATE, listen_port=51820, put=[]).decode()
    assert text == f"[Interface]\nPrivateKey = {SPELT}\nListenPort = 51820\n"
    for argv in (wg_text.dump("mosaic0"), wg_text.add_configuration("mosaic0"), *wg_text.remove("mosaic0", [LINK])):
        assert SPELT not in argv


def test_a_peer_is_put_with_all_that_it_shall_have() -> None:
    peer = WantedPeer(LINK, frozenset({ip_network("10.100.1.0/32")}), "[2001:db8::1]:4711", 25)
    text = wg_text.configuration(private_key=None, listen_port=None, put=[peer, WantedPeer(OTHER, frozenset())])
    assert text.decode() == (
        f"[Interface]\n[Peer]\nPublicKey = {LINK}\nAllowedIPs = 10.100.1.0/32\n"
        f"Endpoint = [2001:db8::1]:4711\nPersistentKeepalive = 25\n"
        f"[Peer]\nPublicKey = {OTHER}\nAllowedIPs = \nPersistentKeepalive = 0\n"
    )


def test_many_peers_are_removed_by_few_programs() -> None:
    every = [of_bytes(number.to_bytes(32, "big")) for number in range(1200)]
    commands = list(wg_text.remove("mosaic0", every))
    assert [len(argv) for argv in commands] == [3 + 3 * 500, 3 + 3 * 500, 3 + 3 * 200]


def test_a_dump_is_read() -> None:
    printed = (
        f"{SPELT}\t{OTHER}\t51820\toff\n"
        f"{LINK}\t(none)\t198.18.0.3:4711\t10.100.1.0/32,fd00::1/128\t1700000000\t180\t92\t25\n"
        f"{OTHER}\t(none)\t(none)\t(none)\t0\t0\t0\toff\n"
    )
    seen = wg_text.read(printed)
    networks = frozenset({ip_network("10.100.1.0/32"), ip_network("fd00::1/128")})
    assert (seen.listen_port, seen.has_key) == (51820, True)
    assert seen.peers == {
        LINK: SeenPeer(LINK, networks, "198.18.0.3:4711", 25, 1700000000.0, 180, 92),
        OTHER: SeenPeer(OTHER, frozenset()),
    }


@pytest.mark.parametrize("printed", ["", "wg", f"{SPELT}\tx", f"{SPELT}\tx\t1\toff\n{LINK}", f"{SPELT}\tx\ty\toff"])
def test_what_is_no_dump_is_refused_without_being_repeated(printed: str) -> None:
    with pytest.raises(WgNotUnderstood) as refused:
        wg_text.read(printed)
    assert SPELT not in refused.value.with_hint
    assert refused.value.__cause__ is None


@given(st.text(max_size=80))
def test_whatever_it_prints_it_is_a_dump_or_one_clear_refusal(printed: str) -> None:
    try:
        wg_text.read(printed)
    except WgNotUnderstood as refused:
        assert refused.hint
