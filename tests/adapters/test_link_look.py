"""Looking at public ports as a visitor does: a real router, and behind it a link's real Caddy, or a fault."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mosaic.adapters import caddy_link, link_look
from mosaic.adapters.caddy_link import Certificates, Place, Serving
from mosaic.adapters.splice_router.router import SpliceRouter
from mosaic.core.expose import parse
from mosaic.core.ids import LinkId
from mosaic.core.link_routes import CHALLENGE_PORT, TLS_PORT, Route
from mosaic.core.link_sights import Shown
from mosaic.crypto import ca, shown_certificate
from support.link_ends import answering_link, mute_link, serving_context
from support.link_sites import asked_app, running_site
from support.tunnel_ends import unused_address
from support.unshared import free_port
from support.waiting import eventually

pytestmark = pytest.mark.long
HERE = "127.0.0.1"
NAME, OTHER = "notes.example.org", "photos.example.org"
SOON = 2.0


@pytest.fixture
def router() -> Iterator[SpliceRouter]:
    with SpliceRouter(tls=[(HERE, 0)], plain=[(HERE, 0)]) as made:
        yield made


def routed(router: SpliceRouter, *names: str) -> str:
    """Lead names to a tunnel address where nobody is yet."""
    address = unused_address()
    router.put({name: Route(LinkId("abcdefghijkl"), address) for name in names})
    return address


def shown(router: SpliceRouter, name: str = NAME, *, trusts: ssl.SSLContext | None = None) -> object:
    return link_look.certificate(HERE, router.tls_addresses[0][1], name, trusts=trusts, seconds=60)


def status(router: SpliceRouter, name: str = NAME) -> int | None:
    return link_look.status(HERE, router.tls_addresses[0][1], name, seconds=60)


def test_a_links_own_caddy_is_told_from_one_that_has_no_certificate_for_the_name(
    router: SpliceRouter, tmp_path: Path
) -> None:
    place = Place((routed(router, NAME, OTHER),), (f"{HERE}/32",), TLS_PORT, CHALLENGE_PORT)
    certificates = Certificates(tmp_path / "data", tls="internal")
    with asked_app() as app:
        serving = Serving(parse(f"{HERE}:{app.port}"))
        configured = caddy_link.link(tmp_path / "admin.sock", place, (NAME,), serving, certificates, session="5e55" * 8)
        with running_site(tmp_path, place, configured):
            eventually(lambda: isinstance(shown(router), Shown), seen=(tmp_path / "caddy.log").read_text)
            found = shown(router)
            assert isinstance(found, Shown)
            assert found.names == (NAME,) and "Caddy" in found.issuer and found.refusal
            assert found.since < datetime.now(UTC).timestamp() < found.until
            assert shown(router, OTHER) == "no-certificate"
            assert status(router) == 200
            plain = link_look.plain_door(*router.plain_addresses[0], NAME, seconds=60)
            assert (plain.refusal, plain.status) == ("", 308)


def test_an_app_that_is_away_is_a_status_of_the_links_own(router: SpliceRouter, tmp_path: Path) -> None:
    place = Place((routed(router, NAME),), (f"{HERE}/32",), TLS_PORT, CHALLENGE_PORT)
    serving = Serving(parse(f"{HERE}:{free_port()}"))
    certificates = Certificates(tmp_path / "data", tls="internal")
    configured = caddy_link.link(tmp_path / "admin.sock", place, (NAME,), serving, certificates, session="5e55" * 8)
    with running_site(tmp_path, place, configured):
        eventually(lambda: isinstance(shown(router), Shown), seen=(tmp_path / "caddy.log").read_text)
        assert status(router) in (502, 503, 504)


def test_a_certificate_is_trusted_refused_or_of_another_and_read_all_the_same(
    router: SpliceRouter, tmp_path: Path
) -> None:
    authority = ca.make_ca("Authority of the tests", datetime.now(UTC))
    trusts = ssl.create_default_context(cadata=authority.certificate_pem)
    with answering_link(routed(router, NAME, OTHER), serving_context(tmp_path, authority, NAME), status=404):
        found = shown(router, trusts=trusts)
        assert isinstance(found, Shown)
        assert (found.names, found.issuer, found.refusal) == ((NAME,), "Authority of the tests", "")
        unknown, other = shown(router), shown(router, OTHER, trusts=trusts)
        assert isinstance(unknown, Shown) and unknown.refusal != ""
        assert isinstance(other, Shown) and OTHER in other.refusal
        assert replace(unknown, refusal="") == replace(other, refusal="") == found
        assert status(router) == 404


def test_silences_are_told_apart(router: SpliceRouter) -> None:
    assert shown(router) == "closed", "nobody has the name"
    address = routed(router, NAME)
    assert shown(router) == "closed", "nobody is there"
    with mute_link(address):
        port = router.tls_addresses[0][1]
        assert link_look.certificate(HERE, port, NAME, seconds=SOON) == "unanswered"
        assert link_look.status(HERE, port, NAME, seconds=SOON) is None


def test_what_speaks_something_else_is_no_tls_and_no_http() -> None:
    with socket.create_server((HERE, 0)) as server:

        def greet() -> None:
            for _ in range(2):
                line, _ = server.accept()
                with line:
                    line.sendall(b"SSH-2.0-example\r\n")
                    line.recv(4096)

        greeting = threading.Thread(target=greet, daemon=True)
        greeting.start()
        port = server.getsockname()[1]
        assert link_look.certificate(HERE, port, NAME, seconds=60) == "no-tls"
        assert (plain := link_look.plain_door(HERE, port, NAME, seconds=60)).refusal == "" and plain.status is None
        greeting.join(60)


@pytest.mark.parametrize("has_tls", [False, True])
def test_who_sends_a_byte_now_and_then_holds_up_no_look(tmp_path: Path, has_tls: bool) -> None:
    authority, over, ended = ca.make_ca("Authority", datetime.now(UTC)), threading.Event(), threading.Event()
    context = serving_context(tmp_path, authority, NAME)
    with socket.create_server((HERE, 0)) as server:

        def drip() -> None:
            plain, _ = server.accept()
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(plain, server_side=True) if has_tls else plain as line,
            ):
                for _ in range(600):
                    line.sendall(b"x")
                    if over.wait(0.1):
                        return
            ended.set()

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        port = server.getsockname()[1]
        if has_tls:
            assert link_look.status(HERE, port, NAME, seconds=SOON) is None
        else:
            assert link_look.plain_door(HERE, port, NAME, seconds=SOON).status is None
        assert not ended.is_set()
        over.set()
        dripping.join(60)


def test_a_port_that_is_shut_says_why() -> None:
    assert link_look.tcp_door(HERE, free_port(), seconds=60).refusal == "connection refused"
    assert link_look.plain_door(HERE, free_port(), NAME, seconds=60).refusal == "connection refused"


def test_what_is_no_certificate_is_none_and_names_of_strangers_are_printable() -> None:
    assert shown_certificate.read(b"") is None and shown_certificate.read(b"\x30\x03\x02\x01\x01") is None
    authority = ca.make_ca("Bad\x1b[2J", datetime.now(UTC))
    made = ca.issue(authority, ["A.example.org", "192.0.2.1"], datetime.now(UTC))
    read = shown_certificate.read(ssl.PEM_cert_to_DER_cert(made.certificate_pem))
    assert read is not None
    assert (read.names, read.issuer) == (("a.example.org",), "Bad?[2J")
