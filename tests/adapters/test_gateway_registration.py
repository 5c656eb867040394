"""Asking a gateway: what it says is believed only if it can be, and its refusals are told apart."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from mosaic.adapters import gateway_registration
from mosaic.adapters.gateway_registration import (
    GatewayRegistration,
    LinkGatewaySilent,
    LinkGatewayUnreadable,
    LinkKeyRefused,
    LinkModeRefused,
    LinkNameRefused,
    LinkRegistersTooOften,
    LinkTokenUnknown,
    LinkWasSuperseded,
    trusting,
)
from mosaic.core.errors import MosaicError
from mosaic.crypto import ca
from mosaic.wire.links import Leave, Peer, PublicPort, Register, Registered
from support.dripping_server import dripping_server
from support.link_gateway import GatewayDouble, gateway_double

pytestmark = pytest.mark.long

NAME = "chat.example.org"
TOKEN = "lk_abcdefgh2345_" + "s3cret" * 8
ASKED = Register(session="5e55" * 8, epoch="1.2", mode="tcp", version="0", names=[NAME])


def api(gateway: GatewayDouble) -> GatewayRegistration:
    return GatewayRegistration(gateway.url, TOKEN)


def test_a_link_is_registered_and_leaves() -> None:
    with gateway_double(NAME) as gateway:
        found = api(gateway).register(ASKED)
        assert (found.names, gateway.registers, gateway.tokens) == ([NAME], [ASKED], {TOKEN})
        api(gateway).leave(Leave(found.registration))
        assert gateway.left == [found.registration]


@pytest.mark.parametrize(
    ("refusal", "raised"),
    [
        ((401, "link-token-unknown"), LinkTokenUnknown),
        ((403, "name-not-of-link"), LinkNameRefused),
        ((409, "link-superseded"), LinkWasSuperseded),
        ((409, "link-key-taken"), LinkKeyRefused),
        ((400, "link-mode-not-offered"), LinkModeRefused),
        ((429, "link-registers-too-often"), LinkRegistersTooOften),
        ((500, "internal"), LinkGatewayUnreadable),
        ((404, ""), LinkGatewayUnreadable),
    ],
)
def test_each_refusal_is_an_error_of_its_own_without_the_token(
    refusal: tuple[int, str], raised: type[MosaicError]
) -> None:
    with gateway_double(NAME) as gateway:
        gateway.refusal = refusal
        with pytest.raises(raised) as refused:
            api(gateway).register(ASKED)
    assert TOKEN not in repr(api(gateway)) + str(refused.value) + refused.value.hint


def test_a_wait_that_is_no_number_is_half_a_minute() -> None:
    with gateway_double(NAME) as gateway:
        gateway.refusal, gateway.retry_after = (429, "link-registers-too-often"), "9" * 5000
        with pytest.raises(LinkRegistersTooOften) as refused:
            api(gateway).register(ASKED)
    assert refused.value.seconds == 30


def test_a_gateway_that_hangs_up_or_is_not_there_is_silent() -> None:
    with gateway_double(NAME) as gateway:
        gateway.is_away = True
        with pytest.raises(LinkGatewaySilent):
            api(gateway).register(ASKED)
    with pytest.raises(LinkGatewaySilent, match="does not answer"):
        api(gateway).register(ASKED)


@pytest.mark.parametrize(
    "change",
    [
        {"address": "10.0.0.1:80"},
        {"names": ["a b"]},
        {"names": ["{env.PATH}.org"]},
        {"peers": []},
        {"peers": [Peer("east", "nowhere", "a:443")]},
        {"mtu": 100},
        {"probe_seconds": 0},
        {"probe_port": 0},
        {"ports": [PublicPort("tcp", 25565, 70000)]},
        {"ports": [PublicPort("tcp", 22, 22)]},
        {"ports": [PublicPort("tcp", 25565, 8460), PublicPort("udp", 25565, 8460)]},
        {"peers": [Peer(f"g{number}", "10.100.0.1", "a:443") for number in range(65)]},
    ],
)
def test_an_answer_that_cannot_be_is_not_built_upon(monkeypatch: pytest.MonkeyPatch, change: dict[str, object]) -> None:
    with gateway_double(NAME) as gateway:
        right = gateway.registered(ASKED)
        wrong = msgspec.structs.replace(right, **change)
        monkeypatch.setattr(gateway, "registered", lambda asked: wrong)
        with pytest.raises(LinkGatewayUnreadable):
            api(gateway).register(ASKED)


def test_an_endless_answer_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with gateway_double(*[f"a{number}.example.org" for number in range(2000)]) as gateway:
        monkeypatch.setattr(gateway_registration, "MOST_ANSWER_BYTES", 10_000)
        with pytest.raises(LinkGatewayUnreadable, match="it sent more than"):
            api(gateway).register(ASKED)


def test_only_whom_its_own_file_names_is_trusted(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    maker = ca.make_ca("somebody", now)
    own = ca.issue(maker, ["127.0.0.1"], now)
    for name, text in (("cert", own.certificate_pem), ("key", own.key_pem), ("ca", maker.certificate_pem)):
        (tmp_path / name).write_text(text)
    shown = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    shown.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with gateway_double(NAME, tls=shown) as gateway:
        assert gateway.url.startswith("https:")
        trusted = GatewayRegistration(gateway.url, TOKEN, trusting(gateway.url, str(tmp_path / "ca")))
        assert isinstance(trusted.register(ASKED), Registered)
        by_text = GatewayRegistration(gateway.url, TOKEN, trusting(gateway.url, maker.certificate_pem.strip()))
        assert isinstance(by_text.register(ASKED), Registered)
        with pytest.raises(LinkGatewaySilent, match="its certificate is not trusted"):
            GatewayRegistration(gateway.url, TOKEN, trusting(gateway.url, None)).register(ASKED)
    assert gateway.tokens == {TOKEN}


@pytest.mark.parametrize("name", ["127.0.0.1", "another.example.org"])
def test_the_certificate_that_an_owner_compared_is_trusted_itself_whoever_signed_it_and_no_other(
    tmp_path: Path, name: str
) -> None:
    now = datetime.now(UTC)
    maker = ca.make_ca("somebody", now)
    own, other = ca.issue(maker, [name], now), ca.issue(maker, ["127.0.0.1"], now)
    (tmp_path / "chain").write_text(own.certificate_pem)
    (tmp_path / "key").write_text(own.key_pem)
    shown = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    shown.load_cert_chain(tmp_path / "chain", tmp_path / "key")
    with gateway_double(NAME, tls=shown) as gateway:
        pinned = GatewayRegistration(gateway.url, TOKEN, trusting(gateway.url, _first(own.certificate_pem)))
        assert isinstance(pinned.register(ASKED), Registered)
        with pytest.raises(LinkGatewaySilent, match="its certificate is not trusted"):
            GatewayRegistration(gateway.url, TOKEN, trusting(gateway.url, _first(other.certificate_pem))).register(
                ASKED
            )


def _first(chain: str) -> str:
    end = "-----END CERTIFICATE-----"
    return chain[: chain.index(end) + len(end)]


@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte_ends(begins: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_registration, "REQUEST_SECONDS", 0.5)
    with dripping_server(begins) as url, pytest.raises(LinkGatewaySilent):
        GatewayRegistration(url, TOKEN).register(ASKED)
