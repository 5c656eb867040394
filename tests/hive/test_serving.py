"""A Hive as a process: how it is reached, how it stops, and that it may be killed."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mosaic.adapters.api_client import HiveClient, read_untrusted_identity
from mosaic.core.errors import Refused
from mosaic.crypto import ca
from mosaic.hive import tls
from mosaic.hive.config import HiveConfig
from mosaic.hive.serve import AlreadyRunning, PortTaken, serve
from mosaic.hive.tls import AddressUnusable
from mosaic.wire.api import LoggedIn, Login, Setup, SetupState
from support.modules import modules_after
from support.waiting import eventually

pytestmark = pytest.mark.long

PASSWORD = "correct horse"
PROGRAM = """
import sys
from pathlib import Path
from mosaic.hive.config import HiveConfig
from mosaic.hive.serve import serve
serve(HiveConfig(state=Path(sys.argv[1]), machine="here", port=0, url=sys.argv[2] or None))
"""

STOPPED_WHILE_STARTING = """
import contextlib, os, signal
from mosaic.hive import public_front

@contextlib.asynccontextmanager
async def fronting(config, port):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        yield
    finally:
        print("the front is ended", flush=True)

public_front.fronting = fronting
"""


class Process:
    """A Hive in a process of its own."""

    def __init__(self, state: Path, url: str = "") -> None:
        self.config = HiveConfig(state=state, machine="here")
        path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", PROGRAM, str(state), url], env=path)
        before = self._address()
        eventually(lambda: self._address() not in (None, before) or self.process.poll() is not None)
        assert self.process.poll() is None
        self.url = self.config.address_file.read_text().strip()

    def _address(self) -> str | None:
        try:
            return self.config.address_file.read_text()
        except FileNotFoundError:
            return None  # also where a starting Hive takes away what a killed one left, between two looks

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait(60)


def test_a_hive_that_is_stopped_while_it_starts_ends_what_it_has_started(tmp_path: Path) -> None:
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-W", "ignore", "-c", STOPPED_WHILE_STARTING + PROGRAM, str(tmp_path / "hive"), ""]
    ended = subprocess.run(words, env=path, stdout=subprocess.PIPE, timeout=30, check=False)
    assert ended.returncode == 0
    assert b"the front is ended" in ended.stdout


def test_a_killed_hive_starts_again_with_all_that_it_had_said(tmp_path: Path, processes: list[Process]) -> None:
    processes.append(first := Process(tmp_path / "hive"))
    code = first.config.setup_code_file.read_text().strip()
    with HiveClient(first.url) as client:
        client.send("POST", "/api/setup", Setup(code, "ada", PASSWORD), LoggedIn)
        key = client.identity().key
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    processes.append(second := Process(tmp_path / "hive"))
    with HiveClient(second.url) as client:
        assert client.identity().key == key
        assert not client.get("/api/setup", SetupState).needed
        assert client.send("POST", "/api/login", Login("ada", PASSWORD), LoggedIn).name == "ada"
    assert second.end(signal.SIGTERM) == 0
    assert not second.config.address_file.exists()
    modes = {path.name: path.stat().st_mode & 0o077 for path in second.config.state.iterdir() if path.name != "lock"}
    assert set(modes.values()) == {0}


def test_over_https_the_hives_own_authority_is_proved_by_its_key(tmp_path: Path, processes: list[Process]) -> None:
    processes.append(served := Process(tmp_path / "hive", "https://localhost:1"))
    assert served.url.startswith("https://")
    identity = read_untrusted_identity(served.url)
    assert identity.ca_pem is not None
    with HiveClient(served.url, ca_pem=identity.ca_pem) as client:
        assert client.identity().key == identity.key


def test_plain_http_is_served_on_loopback_only(tmp_path: Path) -> None:
    def chosen(listen: str, url: str | None) -> bool:
        config = HiveConfig(state=tmp_path, machine="here", listen=listen, url=url)
        return tls.certificate_for(config) is not None

    assert [chosen("127.0.0.1", None), chosen("::1", "http://localhost:8930")] == [False, False]
    assert [chosen("127.0.0.1", "https://hive.example"), chosen("0.0.0.0", None)] == [True, True]
    with pytest.raises(AddressUnusable, match="this machine only"):
        chosen("0.0.0.0", "http://hive.example")


def test_a_certificate_is_kept_while_it_is_good_and_renewed_when_the_name_changes(tmp_path: Path) -> None:
    def issued(url: str) -> tuple[bytes, str | None]:
        found = tls.certificate_for(HiveConfig(state=tmp_path, machine="here", listen="0.0.0.0", url=url))
        assert found is not None
        assert found.key.stat().st_mode & 0o777 == 0o600
        return found.certificate.read_bytes(), found.ca_pem

    first, authority = issued("https://one.example")
    assert issued("https://one.example") == (first, authority)
    second, same_authority = issued("https://two.example")
    assert (second != first, same_authority) == (True, authority)
    assert ca.covers(second.decode(), ["two.example", "localhost", "127.0.0.1"])


def test_a_hive_that_was_killed_between_its_new_key_and_its_new_certificate_starts_with_a_pair(tmp_path: Path) -> None:
    config = HiveConfig(state=tmp_path, machine="here", listen="0.0.0.0", url="https://one.example")
    first = tls.certificate_for(config)
    assert first is not None
    first.key.write_text(ca.issue(ca.make_ca("any", datetime.now(UTC)), ["one.example"], datetime.now(UTC)).key_pem)
    again = tls.certificate_for(config)
    assert again is not None
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(again.certificate, again.key)
    assert again.ca_pem == first.ca_pem


def test_a_given_certificate_must_be_whole(tmp_path: Path) -> None:
    config = HiveConfig(state=tmp_path, machine="here", certificate=tmp_path / "absent.pem")
    with pytest.raises(AddressUnusable, match="belong together"):
        tls.certificate_for(config)
    certificate, _ = given(tmp_path, "one.example")
    _, foreign = given(tmp_path, "two.example")
    with pytest.raises(AddressUnusable, match="cannot be used"):
        tls.certificate_for(replace(config, certificate=certificate, key=foreign))
    ended, key = given(tmp_path, "three.example", at=datetime.now(UTC) - timedelta(days=900))
    with pytest.raises(AddressUnusable, match="has ended"):
        tls.certificate_for(replace(config, certificate=ended, key=key))


def test_devices_trust_the_root_that_a_given_chain_ends_in_and_public_authorities_otherwise(tmp_path: Path) -> None:
    authority = ca.make_ca("mine", datetime.now(UTC))
    certificate, key = given(tmp_path, "one.example", authority=authority)
    config = HiveConfig(state=tmp_path, machine="here", certificate=certificate, key=key)
    alone = tls.certificate_for(config)
    certificate.write_text(certificate.read_text() + authority.certificate_pem)
    with_root = tls.certificate_for(config)
    assert alone is not None
    assert with_root is not None
    assert (alone.ca_pem, with_root.ca_pem) == (None, authority.certificate_pem)


def test_a_certificate_that_is_replaced_is_served_to_the_next_connection_without_a_restart(tmp_path: Path) -> None:
    certificate, key = given(tmp_path, "one.example")
    config = HiveConfig(state=tmp_path, machine="here", certificate=certificate, key=key)
    served = tls.certificate_for(config)
    assert served is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    since = certificate.stat().st_mtime
    assert tls.renewed(config, served, context, since) == since
    before = shown(context)
    given(tmp_path, "one.example")
    os.utime(certificate, (since + 5, since + 5))
    assert tls.renewed(config, served, context, since) == since + 5
    assert before != shown(context) == ssl.PEM_cert_to_DER_cert(certificate.read_text())


def test_what_stands_in_the_way_of_starting_is_said_and_nothing_is_listened_on(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = HiveConfig(state=tmp_path / "hive", machine="here", port=taken.getsockname()[1])
        with pytest.raises(PortTaken) as refused:
            serve(config)
    assert refused.value.hint
    assert isinstance(refused.value, Refused)


def test_a_second_hive_on_the_same_state_is_refused(tmp_path: Path, processes: list[Process]) -> None:
    processes.append(Process(tmp_path / "hive"))
    with pytest.raises(AlreadyRunning):
        serve(HiveConfig(state=tmp_path / "hive", machine="here", port=0))


def given(
    folder: Path, name: str, *, at: datetime | None = None, authority: ca.KeyPair | None = None
) -> tuple[Path, Path]:
    """Write a certificate and its key, as somebody's own authority issued them."""
    now = at or datetime.now(UTC)
    issued = ca.issue(authority or ca.make_ca("somebody's", now), [name], now)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_text(issued.certificate_pem)
    key.write_text(issued.key_pem)
    return certificate, key


def shown(context: ssl.SSLContext) -> bytes | None:
    """Shake hands in memory, and return the certificate that was shown."""
    asks = ssl.create_default_context()
    asks.check_hostname, asks.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asks.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return client.getpeercert(binary_form=True)


def test_a_hive_for_this_machine_alone_loads_neither_another_databases_driver_nor_certificates() -> None:
    heavy = {"alembic", "cryptography.x509", "psycopg", "pydantic", "rich", "sqlalchemy.dialects.postgresql"}
    assert not heavy & modules_after("import mosaic.hive.serve")


def test_a_hive_that_believes_no_catalog_loads_neither_what_reads_one_nor_what_asks_registries() -> None:
    heavy = {"boto3", "httpx2", "obstore", "securesystemslib", "tuf"}
    assert not heavy & modules_after("import mosaic.hive.serve")
