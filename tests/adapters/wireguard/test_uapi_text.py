"""What is said on the UAPI socket, and what is heard."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.adapters.wireguard import uapi_text
from mosaic.adapters.wireguard.uapi_text import UapiNotUnderstood
from mosaic.core.peers import SeenPeer, WantedPeer
from mosaic.core.public_key import of_bytes
from mosaic.crypto.secret import Secret

LINK, OTHER = of_bytes(b"\x01" * 32), of_bytes(b"\x02" * 32)
PRIVATE = Secret(b"\x0a" * 32)

ANSWER = f"""private_key={"0a" * 32}
listen_port=51820
public_key={"01" * 32}
preshared_key={"00" * 32}
protocol_version=1
endpoint=198.18.0.3:4711
last_handshake_time_sec=1700000000
last_handshake_time_nsec=500000000
tx_bytes=92
rx_bytes=180
persistent_keepalive_interval=25
allowed_ip=10.100.1.0/32
allowed_ip=fd00::1/128
public_key={"02" * 32}
last_handshake_time_sec=0
last_handshake_time_nsec=0
a_key_of_some_later_version=1
errno=0

""".encode()


def test_a_peer_is_put_with_its_keepalive_last_for_that_begins_a_handshake() -> None:
    peer = WantedPeer(LINK, frozenset({ip_network("10.100.1.0/32")}), "198.18.0.3:4711", 25)
    assert uapi_text.words(private_key=PRIVATE, listen_port=51820, put=[peer], removed=[OTHER]).decode() == (
        f"set=1\nprivate_key={'0a' * 32}\nlisten_port=51820\n"
        f"public_key={'02' * 32}\nremove=true\n"
        f"public_key={'01' * 32}\nendpoint=198.18.0.3:4711\nreplace_allowed_ips=true\nallowed_ip=10.100.1.0/32\n"
        "persistent_keepalive_interval=25\n\n"
    )


def test_a_peer_without_an_endpoint_keeps_the_one_that_it_has() -> None:
    assert b"endpoint" not in uapi_text.words(put=[WantedPeer(LINK, frozenset())])


def test_an_answer_is_read_and_words_of_later_versions_are_passed_over() -> None:
    seen = uapi_text.read(ANSWER)
    assert (seen.listen_port, seen.has_key) == (51820, True)
    networks = frozenset({ip_network("10.100.1.0/32"), ip_network("fd00::1/128")})
    assert seen.peers == {
        LINK: SeenPeer(LINK, networks, "198.18.0.3:4711", 25, 1700000000.5, 180, 92),
        OTHER: SeenPeer(OTHER, frozenset()),
    }


def test_a_new_interface_has_neither_key_nor_port() -> None:
    seen = uapi_text.read(f"private_key={'00' * 32}\nerrno=0\n\n".encode())
    assert (seen.listen_port, seen.has_key, seen.peers) == (0, False, {})


def test_an_error_number_is_found_whichever_sign_it_has() -> None:
    assert uapi_text.failure(ANSWER) == 0
    assert uapi_text.failure(b"errno=-98\n\n") == uapi_text.failure(b"errno=98\n\n") == 98
    assert uapi_text.reason(98) == "Address already in use"


@pytest.mark.parametrize(
    "line", [f"public_key={'0a' * 31}", "allowed_ip=10.100.1.0/33", "listen_port=x", "public_key=secret"]
)
def test_what_is_not_understood_is_refused_without_its_value(line: str) -> None:
    with pytest.raises(UapiNotUnderstood) as refused:
        uapi_text.read(f"{line}\nerrno=0\n\n".encode())
    assert line.partition("=")[2] not in refused.value.with_hint


@given(st.binary(max_size=60))
def test_whatever_comes_it_is_an_answer_or_one_clear_refusal(said: bytes) -> None:
    try:
        uapi_text.read(said)
        assert uapi_text.failure(said) >= 0
    except UapiNotUnderstood as refused:
        assert refused.hint
