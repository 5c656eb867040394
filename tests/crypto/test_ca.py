"""Certificates of the Hive's own authority, checked by a real TLS handshake."""

import datetime
import socket
import ssl
import threading
from pathlib import Path

import pytest

from mosaic.crypto import ca

NOW = datetime.datetime.now(datetime.UTC)


def _handshake(tmp_path: Path, pair: ca.KeyPair, authority: ca.KeyPair, name: str) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_text(pair.certificate_pem)
    key.write_text(pair.key_pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cadata=authority.certificate_pem)
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs:
            try:
                with server.wrap_socket(theirs, server_side=True) as wrapped:
                    wrapped.recv(1)
            except OSError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours, client.wrap_socket(ours, server_hostname=name) as wrapped:
            wrapped.send(b"x")
    finally:
        thread.join(60)


@pytest.mark.parametrize("name", ["attic.example", "192.0.2.7", "2001:db8::1"])
def test_a_client_that_trusts_the_authority_accepts_each_name(tmp_path: Path, name: str) -> None:
    authority = ca.make_ca("Mosaic on attic", NOW)
    _handshake(tmp_path, ca.issue(authority, ["attic.example", "192.0.2.7", "2001:db8::1"], NOW), authority, name)


def test_another_name_or_another_authority_is_refused(tmp_path: Path) -> None:
    authority, other = ca.make_ca("one", NOW), ca.make_ca("two", NOW)
    pair = ca.issue(authority, ["attic.example"], NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(tmp_path, pair, authority, "cellar.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(tmp_path, pair, other, "attic.example")


def test_a_certificate_says_what_it_covers_and_until_when() -> None:
    pair = ca.issue(ca.make_ca("one", NOW), ["attic.example", "192.0.2.7"], NOW)
    assert ca.covers(pair.certificate_pem, ["192.0.2.7"])
    assert not ca.covers(pair.certificate_pem, ["192.0.2.8"])
    assert datetime.timedelta(days=396) < ca.expires(pair.certificate_pem) - NOW < datetime.timedelta(days=398)
    assert "PRIVATE" not in repr(pair)
