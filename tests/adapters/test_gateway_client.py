"""Asking a gateway as a Hive: signed, bounded, and by a certificate that somebody vouches for."""

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mosaic.adapters import gateway_client
from mosaic.adapters.gateway_client import (
    GatewayAddressUnusable,
    GatewayClient,
    GatewaySilent,
    GatewayUntrusted,
    checked_address,
    fingerprint_of,
    pinned_certificate,
    require_trusted,
)
from mosaic.core.errors import Conflict, Refused
from mosaic.core.ids import LinkId
from mosaic.crypto import ca, hive_requests, signing
from mosaic.crypto.hive_requests import HiveRequest
from mosaic.wire.links import DesiredLink
from support.dripping_server import dripping_server
from support.pushed_gateway import LinkGateway, link_gateway

SEED, LINK = b"h" * 32, LinkId("abcdefghij27")


@pytest.fixture
def gateway() -> Iterator[LinkGateway]:
    with link_gateway() as made:
        made.now = lambda: 1000.0
        made.allowed.add(signing.public_key(SEED))
        yield made


def sign(request: HiveRequest) -> dict[str, str]:
    return hive_requests.sign(SEED, request, now_seconds=1000)


def wanted(revision: int) -> DesiredLink:
    return DesiredLink(revision, "ada", ["a.example.com"], [])


def test_every_request_is_signed_and_answered(gateway: LinkGateway) -> None:
    with GatewayClient(gateway.url, sign) as client:
        assert client.about().domains == gateway.domains
        assert client.put(LINK, wanted(3)).revision == 3
        assert [one.id for one in client.links()] == [LINK]
        with pytest.raises(Conflict) as refused:
            client.put(LINK, wanted(2))
        assert refused.value.code == "link-revision-old"
        client.delete(LINK)
        client.delete(LINK)
        assert client.links() == []
    assert gateway.unsigned == []


def test_a_request_of_another_key_or_of_another_time_is_refused(gateway: LinkGateway) -> None:
    def forged(request: HiveRequest) -> dict[str, str]:
        return sign(HiveRequest(request.method, request.path, request.body + b" "))

    def late(request: HiveRequest) -> dict[str, str]:
        return hive_requests.sign(SEED, request, now_seconds=1)

    for wrong in (forged, late):
        with GatewayClient(gateway.url, wrong) as client, pytest.raises(Refused):
            client.put(LINK, wanted(1))
    assert gateway.put == [] and len(gateway.unsigned) == 2


def test_a_gateway_that_is_away_is_said_to_be(gateway: LinkGateway) -> None:
    gateway.stop()
    with GatewayClient(gateway.url, sign) as client, pytest.raises(GatewaySilent, match=gateway.url):
        client.about()


@pytest.fixture
def https(tmp_path: Path) -> Iterator[str]:
    """Something that answers nothing sensible, by a certificate that no authority signed."""
    now = datetime.now(UTC)
    issued = ca.issue(ca.make_ca("a test", now), ["127.0.0.1"], now)
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    files[0].write_text(issued.certificate_pem)
    files[1].write_text(issued.key_pem)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(20)
    server.server_close()


def test_a_certificate_that_nobody_vouches_for_is_believed_by_its_fingerprint_alone(https: str) -> None:
    with pytest.raises(GatewayUntrusted) as refused:
        require_trusted(https)
    found = refused.value.message.rpartition(" ")[2]
    assert f"mosaic link gateway add {https} --fingerprint {found}" in refused.value.hint
    with pytest.raises(GatewayUntrusted):
        pinned_certificate(https, "ab" * 32)
    certificate = pinned_certificate(https, found.upper())
    assert fingerprint_of(certificate) == found
    with GatewayClient(https, sign) as client, pytest.raises(GatewaySilent, match="verify failed"):
        client.about()
    # The connection is believed now; what comes over it is no gateway's word.
    with (
        GatewayClient(https, sign, certificate=certificate) as client,
        pytest.raises(GatewaySilent, match="no gateway's word"),
    ):
        client.about()


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://GW.example.com/", "https://gw.example.com"),
        ("https://gw.example.com:8443", "https://gw.example.com:8443"),
        ("https://[2001:db8::1]:443", "https://[2001:db8::1]:443"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80"),
    ],
)
def test_an_address_has_one_spelling(url: str, plain: str) -> None:
    assert checked_address(url) == plain


@pytest.mark.parametrize(
    "url",
    ["", "gw.example.com", "http://gw.example.com", "ftp://gw", "https://", "https://a:b@gw.example.com",
     "https://gw.example.com/path", "https://gw.example.com?x=1", "https://gw.example.com:99999", "https://gẃ.example"],
)  # fmt: skip
def test_what_is_no_gateways_address_is_refused(url: str) -> None:
    with pytest.raises(GatewayAddressUnusable):
        checked_address(url)


@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte_ends(begins: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_client, "REQUEST_SECONDS", 0.5)
    with dripping_server(begins) as url, GatewayClient(url, sign) as client, pytest.raises(GatewaySilent):
        client.about()
