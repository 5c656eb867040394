"""The gateway's own name at the port of all others: its API by HTTPS, and links that can say nothing but TLS."""

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mosaic.adapters.child_log import MOST_BYTES
from mosaic.crypto import ca
from support.acme_authority import acme_authority
from support.gateway_process import GatewayProcess, gateway_process
from support.gateway_world import DOMAIN, make_link, start
from support.tcp_link import reaches, tcp_link
from support.unshared import free_port
from support.waiting import eventually

pytestmark = [pytest.mark.acme, pytest.mark.long]

NAME = f"notes.{DOMAIN}"
OWN = "one.gateways.example.net"


@pytest.mark.parametrize("router", ["splice", "haproxy"])
def test_a_link_that_is_let_out_by_tls_alone_is_reached(tmp_path: Path, router: str) -> None:
    with _with_certificate(tmp_path, "--router", router) as (gateway, authority):
        eventually(lambda: _asked(gateway.tls, "localhost", authority) == 401, seen=gateway.said)
        hive, link = gateway.allow(), make_link(NAME)
        hive.push(gateway, link)
        given = start(link, mode="tcp").register(gateway)
        assert given.peers[0].tunnel[1] == f"tls://localhost:{gateway.tls}"
        with tcp_link(given, authority=authority):
            eventually(lambda: reaches(gateway.tls, NAME))
            hive.remove(gateway, link)
            assert not reaches(gateway.tls, NAME)
        # Its own name is no link's: nothing takes it away.
        assert _asked(gateway.tls, "localhost", authority) == 401


def test_an_authority_certifies_the_own_name_once(tmp_path: Path) -> None:
    tls, plain = free_port(), free_port()
    with acme_authority(tmp_path, https_port=tls, http_port=plain) as authority:
        acme = ("--acme", "ada@example.org", "--acme-directory", authority.directory)
        doors = ("--listen-tls", f"127.0.0.1:{tls}", "--listen-plain", f"127.0.0.1:{plain}")
        options = ("--public-host", OWN, *doors, "--acme-root", str(authority.root), *acme)
        with gateway_process(tmp_path, *options) as gateway:
            roots = authority.issued_by()
            eventually(lambda: _asked(tls, OWN, roots) == 401, seen=gateway.said)
            gateway.kill()
            gateway.start()
            eventually(lambda: _asked(tls, OWN, roots) == 401, seen=gateway.said)
        assert authority.orders() == 1


def test_who_asks_is_told_to_the_api_by_his_own_address(tmp_path: Path) -> None:
    with _with_certificate(tmp_path) as (gateway, authority):
        eventually(lambda: _asked(gateway.tls, "localhost", authority) == 401, seen=gateway.said)
        for _ in range(40):
            _asked(gateway.tls, "localhost", authority, source="127.0.0.7")
        assert _asked(gateway.tls, "localhost", authority, source="127.0.0.7") == 429
        assert _asked(gateway.tls, "localhost", authority, source="127.0.0.8") == 401


def test_logs_of_what_a_gateway_runs_are_kept_small(tmp_path: Path) -> None:
    with _with_certificate(tmp_path, "--router", "haproxy") as (gateway, authority):
        eventually(lambda: _asked(gateway.tls, "localhost", authority) == 401, seen=gateway.said)
        logs = [gateway.state / "https" / "caddy.log", gateway.state / "haproxy" / "haproxy.log"]
        for log in logs:
            with log.open("ab") as said:
                said.write(b"x" * MOST_BYTES + b"\n")
        eventually(lambda: all(log.stat().st_size < MOST_BYTES for log in logs))


@contextlib.contextmanager
def _with_certificate(folder: Path, *words: str) -> Iterator[tuple[GatewayProcess, str]]:
    """A gateway called `localhost` that was given a certificate, and the authority (PEM) that vouches for it."""
    now = datetime.now(UTC)
    authority = ca.make_ca("the gateway's", now)
    issued = ca.issue(authority, ["localhost", "127.0.0.1"], now)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_text(issued.certificate_pem)
    key.write_text(issued.key_pem)
    options = ("--public-host", "localhost", "--cert", str(chain), "--key", str(key), *words)
    with gateway_process(folder, *options) as gateway:
        yield gateway, authority.certificate_pem


class _Connection(http.client.HTTPSConnection):
    """Asks for a name at a port of this machine, from an address of loopback."""

    def __init__(self, port: int, name: str, trust: ssl.SSLContext, source: str) -> None:
        super().__init__(name, port, timeout=60, context=trust)
        self._trust, self._source = trust, source

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), 60, source_address=(self._source, 0))
        self.sock = self._trust.wrap_socket(plain, server_hostname=self.host)


def _asked(port: int, name: str, authority: str, *, source: str = "127.0.0.1") -> int | None:
    """Return the status of a request that nobody signed; None while there is no HTTPS, or no API."""
    with contextlib.closing(_Connection(port, name, ssl.create_default_context(cadata=authority), source)) as asked:
        try:
            asked.request("GET", "/v1/gateway")
            answer = asked.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            return None
    return answer.status if "code" in json.loads(content or b"{}") else None
