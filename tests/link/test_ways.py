"""Which tunnels a link may try, by what its container has and what it was told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from mosaic.core.expose import parse
from mosaic.core.link_mode import LinkModeImpossible, Surroundings
from mosaic.core.link_settings import LinkMisconfigured, LinkSettings, ModeWish
from mosaic.core.public_key import parse as parse_key
from mosaic.crypto import ca
from mosaic.link.parts import Ways
from mosaic.link.ways import own_address, ways

TOKEN = "lk_abcdefgh2345_" + "s3cret" * 8
NOTHING = Surroundings(False, False, False, has_wg=False, wireguard_go=None)
EVERYTHING = Surroundings(True, True, True, has_wg=True, wireguard_go="0.0.20230223")


def found(mode: ModeWish, around: Surroundings, *, gateway_ca: Path | None = None) -> Ways:
    ca = None if gateway_ca is None else str(gateway_ca)
    settings = LinkSettings((), TOKEN, ("https://gw.example.org",), parse("app:80"), mode=mode, gateway_ca=ca)
    return ways(settings, around, draw=lambda: 0.5)


@pytest.mark.parametrize(
    ("around", "modes"),
    [
        (EVERYTHING, ["kernel", "userspace", "tcp"]),
        (replace(EVERYTHING, kernel_has_wireguard=False), ["userspace", "tcp"]),
        (replace(EVERYTHING, has_tun=False), ["kernel", "tcp"]),
        (NOTHING, ["tcp"]),
    ],
)
def test_what_is_there_is_tried_the_best_first_and_tcp_always(around: Surroundings, modes: list[str]) -> None:
    assert [way.mode for way in found("auto", around)] == modes


def test_a_mode_that_is_asked_for_is_the_only_one() -> None:
    assert [way.mode for way in found("tcp", EVERYTHING)] == ["tcp"]


@pytest.mark.parametrize(
    ("mode", "remedy"), [("kernel", "cap_add: [NET_ADMIN]"), ("userspace", "cap_add: [NET_ADMIN]")]
)
def test_a_mode_that_is_asked_for_and_cannot_be_is_refused_with_the_remedy(mode: ModeWish, remedy: str) -> None:
    with pytest.raises(LinkModeImpossible) as refused:
        found(mode, NOTHING)
    assert remedy in refused.value.hint


def test_each_tunnel_has_a_key_of_its_own_and_in_tcp_mode_none() -> None:
    kernel, userspace, tcp = found("auto", EVERYTHING)
    keys = [way.make().public_key for way in (kernel, kernel, userspace)]
    assert len({parse_key(key or "") for key in keys}) == 3
    assert tcp.make().public_key is None


def test_caddy_listens_on_loopback_where_no_gateway_of_this_machine_does() -> None:
    addresses = {own_address() for _ in range(50)}
    assert len(addresses) > 1
    assert all(ip_address(each) in ip_network("127.128.0.0/9") for each in addresses)


@pytest.mark.parametrize("made", [lambda file: None, lambda file: file.write_bytes(b"\xff\xfe")])
def test_a_file_of_trust_that_cannot_be_read_is_said_before_anything_is_tried(
    tmp_path: Path, made: Callable[[Path], None]
) -> None:
    made(tmp_path / "ca.pem")
    with pytest.raises(LinkMisconfigured, match=r"LINK_GATEWAY_CA is .*ca\.pem, and no certificate can be read there"):
        found("auto", NOTHING, gateway_ca=tmp_path / "ca.pem")


def test_a_certificate_may_be_given_as_text() -> None:
    now = datetime.now(UTC)
    text = ca.make_ca("a gateway's", now).certificate_pem.strip()
    settings = LinkSettings((), TOKEN, ("https://gw.example.org",), parse("app:80"), gateway_ca=text)
    assert [way.mode for way in ways(settings, NOTHING, draw=lambda: 0.5)] == ["tcp"]
