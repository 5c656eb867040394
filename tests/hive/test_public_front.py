"""HTTPS by a public authority: a real one (Pebble), a real Caddy, a Hive in a process of its own."""

import contextlib
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection

import pytest
from cryptography import x509

from mosaic.adapters.api_client import HiveClient, read_untrusted_identity
from mosaic.hive import public_front
from mosaic.hive.config import Acme, HiveConfig
from mosaic.hive.public_front import PublicNameNeeded
from mosaic.wire.api import LoggedIn, Setup
from support.acme_authority import Authority, acme_authority
from support.unshared import free_port
from support.waiting import eventually

PASSWORD = "correct horse"
PROGRAM = """
import sys
from pathlib import Path
from mosaic.hive.config import Acme, HiveConfig
from mosaic.hive.serve import serve
state, url, directory, root = sys.argv[1:]
acme = Acme("ada@example.org", directory, Path(root))
serve(HiveConfig(state=Path(state), machine="here", port=0, url=url, acme=acme))
"""

pytestmark = pytest.mark.acme


@dataclass
class Hive:
    """A Hive with a front. `url` is the public one; its name leads here for the authority only."""

    process: "subprocess.Popen[bytes]"
    config: HiveConfig
    port: int

    def certificate(self) -> x509.Certificate:
        """Return what the front shows for the public name."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            create_connection(("127.0.0.1", self.port), timeout=60) as plain,
            context.wrap_socket(plain, server_hostname="hive.example.org") as secure,
        ):
            found = secure.getpeercert(binary_form=True)
        assert found is not None
        return x509.load_der_x509_certificate(found)

    def has_certificate(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.certificate())
        return False


@contextlib.contextmanager
def hive(state: Path, port: int, authority: Authority) -> Iterator[Hive]:
    config = HiveConfig(state=state, machine="here")
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(state), f"https://hive.example.org:{port}"]
    process = subprocess.Popen([*words, authority.directory, str(authority.root)], env=path)
    made = Hive(process, config, port)
    try:
        eventually(lambda: made.has_certificate() or process.poll() is not None)
        assert process.poll() is None
        yield made
    finally:
        process.kill()
        process.wait(60)


def test_a_hive_gets_a_certificate_for_its_name_and_orders_no_other_after_it_was_killed(tmp_path: Path) -> None:
    port = free_port()
    with acme_authority(tmp_path, https_port=port) as authority:
        with hive(tmp_path / "hive", port, authority) as first:
            shown = first.certificate()
            names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            assert names.get_values_for_type(x509.DNSName) == ["hive.example.org"]
            assert "Pebble" in shown.issuer.rfc4514_string()
            first.process.send_signal(signal.SIGKILL)
        with hive(tmp_path / "hive", port, authority) as second:
            assert second.certificate().serial_number == shown.serial_number
            second.process.send_signal(signal.SIGTERM)
            assert second.process.wait(60) == 0
            assert not second.has_certificate()
        assert authority.orders() == 1


def test_behind_the_front_a_hive_is_reached_as_by_https_and_knows_who_asks(tmp_path: Path) -> None:
    port = free_port()
    with acme_authority(tmp_path, https_port=port) as authority, hive(tmp_path / "hive", port, authority) as served:
        here = served.config.address_file.read_text().strip()
        assert here.startswith("http://127.0.0.1:")
        identity = read_untrusted_identity(here)
        assert identity.ca_pem is None
        code = served.config.setup_code_file.read_text().strip()
        with HiveClient(here) as local:
            local.send("POST", "/api/setup", Setup(code, "ada", PASSWORD), LoggedIn)
        said = through_the_front(served, authority, tmp_path, "/login", "POST", f"name=ada&password={PASSWORD}")
        cookies = [line for line in said.splitlines() if line.lower().startswith("set-cookie:")]
        assert cookies
        assert all("secure" in line.lower() for line in cookies)


def through_the_front(served: Hive, authority: Authority, folder: Path, path: str, method: str, form: str) -> str:
    """Ask as a browser does that trusts the authority, and return the whole answer."""
    trusted = folder / "issued-by.pem"
    trusted.write_text(authority.issued_by())
    context = ssl.create_default_context(cafile=str(trusted))
    origin = f"https://hive.example.org:{served.port}"
    asked = (
        f"{method} {path} HTTP/1.1\r\nHost: hive.example.org:{served.port}\r\nOrigin: {origin}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\nConnection: close\r\n\r\n"
        f"{form}"
    )
    with (
        create_connection(("127.0.0.1", served.port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="hive.example.org") as secure,
    ):
        secure.sendall(asked.encode())
        answer = b""
        while piece := secure.recv(65536):
            answer += piece
    return answer.decode(errors="replace")


@pytest.mark.parametrize(
    "url", [None, "https://192.0.2.7", "https://attic", "https://attic.lan", "http://hive.example.org"]
)
def test_a_certificate_needs_a_name_that_everybody_can_look_up(tmp_path: Path, url: str | None) -> None:
    with pytest.raises(PublicNameNeeded):
        public_front.check(HiveConfig(state=tmp_path, machine="here", url=url, acme=Acme("ada@example.org")))
