"""Places of TCP mode as gateways give them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.tunnel_place import TunnelPlace, parse


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("tcp://gate.example.net:8444", TunnelPlace("gate.example.net", 8444, within_tls=False)),
        ("tls://gate.example.net:443", TunnelPlace("gate.example.net", 443, within_tls=True)),
        ("tcp://198.51.100.7:1", TunnelPlace("198.51.100.7", 1, within_tls=False)),
        ("tls://[2001:db8::1]:443", TunnelPlace("2001:db8::1", 443, within_tls=True)),
    ],
)
def test_a_place_is_a_host_a_port_and_whether_tls_is_around_it(text: str, place: TunnelPlace) -> None:
    assert parse(text) == place


@pytest.mark.parametrize(
    "text",
    ["", "gate:443", "http://gate:443", "tcp://gate", "tcp://:443", "tcp://gate:0", "tcp://gate:65536", "tcp://gate:x",
     "tcp://gate:443/path", "tcp://gate:443?a", "tcp://me:secret@gate:443", "tcp://[::1:443"],
)  # fmt: skip
def test_anything_else_is_none(text: str) -> None:
    assert parse(text) is None


@given(st.text(max_size=80))
def test_no_text_makes_it_raise(text: str) -> None:
    assert parse(text) is None or "://" in text
