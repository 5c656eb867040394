"""What a link is given: Mosaic's own program, and no more privilege than its way needs."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.compose_document import Json
from mosaic.core.epoch import Epoch
from mosaic.core.ids import ServiceName
from mosaic.core.link_service import LINK_DATA
from mosaic.core.link_settings import read_settings
from mosaic.core.link_variables import TOKENS
from mosaic.core.render_link import PublicWay, render_link, without_waiting
from mosaic.link.serve import STORAGE

TOKEN = "lk_abcdefghijkl_" + "5" * 64
WAY = PublicWay(("notes.quiet-fox.gate.example",), TOKEN, "https://gate.example", "-----BEGIN CERTIFICATE-----", "1.7")
SEED: dict[str, Json] = {
    "LINK": "notes.quiet-fox.gate.example",
    "EXPOSE": "nginx:80",
    "FRACTAL_API": "https://old.example",
}


def link(way: PublicWay | None, service: Mapping[str, Json], *, has_tun: bool = True) -> dict[str, Json]:
    """Return a link's service as it runs."""
    return render_link(ServiceName("link"), {"image": "sha256:l", **service}, way=way, has_tun=has_tun)


def told(way: PublicWay | None, **environment: Json) -> dict[str, str]:
    """Return the environment of a link with this one in its file."""
    found = link(way, {"environment": {**SEED, **environment}})["environment"]
    assert isinstance(found, dict)
    return {name: str(value) for name, value in found.items()}


def test_with_a_public_way_it_registers_at_its_gateway_under_its_epoch_whatever_gateway_the_file_names() -> None:
    settings = read_settings(told(WAY, TOKEN=TOKEN))
    assert (settings.gateways, settings.token, settings.epoch) == (("https://gate.example",), TOKEN, Epoch(1, 7))
    assert (settings.names, settings.mode, settings.gateway_ca) == (WAY.names, "auto", WAY.certificate)


def test_a_file_that_speaks_of_no_token_gets_it_all_the_same() -> None:
    assert read_settings(told(WAY)).token == TOKEN
    assert read_settings(told(WAY, TOKEN="none")).token == TOKEN


@pytest.mark.parametrize("environment", [{}, {"TOKEN": "none"}, {"LINK_MODE": "kernel", "LINK_TOKEN": ""}])
def test_without_a_public_way_it_is_in_lan_mode_and_has_no_privilege(environment: dict[str, Json]) -> None:
    assert read_settings(told(None, **environment)).is_lan
    asked: dict[str, Json] = {
        "cap_add": ["net_admin", "CAP_NET_ADMIN"],
        "devices": ["/dev/net/tun", {"source": "/dev/net/tun"}],
    }
    assert not {"cap_add", "devices"} & link(None, {"environment": environment, **asked}).keys()


def test_with_a_public_way_it_may_make_a_tunnel_and_keeps_what_else_was_granted() -> None:
    service = link(WAY, {"cap_add": ["CHOWN", "NET_ADMIN"], "devices": ["/dev/ttyS0"]})
    assert service["cap_add"] == ["CHOWN", "NET_ADMIN"]
    assert service["devices"] == ["/dev/ttyS0", "/dev/net/tun:/dev/net/tun"]
    assert "devices" not in link(WAY, {}, has_tun=False)


@pytest.mark.parametrize("way", [WAY, None])
def test_a_file_with_a_token_of_its_own_speaks_for_itself(way: PublicWay | None) -> None:
    own: dict[str, Json] = {"TOKEN": "lk_zzzzzzzzzzzz_" + "6" * 64}
    assert told(way, **own) == {**SEED, **own}
    assert told(way, TOKEN_FILE="/run/secrets/token") == {**SEED, "TOKEN_FILE": "/run/secrets/token"}
    assert link(way, {"environment": own})["cap_add"] == ["NET_ADMIN"]


@given(
    st.dictionaries(st.sampled_from([*TOKENS, "FRACTAL_API", "LINK_GATEWAY", "LINK_GATEWAY_CA"]), st.text(max_size=30))
)
def test_our_token_is_never_told_without_our_gateway(environment: dict[str, Json]) -> None:
    found = told(WAY, **environment)
    if TOKEN in found.values():
        assert (found["LINK_GATEWAY"], found["LINK_GATEWAY_CA"]) == (WAY.gateway, WAY.certificate)


def test_what_the_file_says_of_another_program_is_left_out() -> None:
    other: dict[str, Json] = {
        "entrypoint": ["sh"],
        "command": "wg-quick up",
        "healthcheck": {"test": "ping -c 1 10.0.0.1"},
        "post_start": [{"command": "x"}],
    }
    assert not other.keys() & link(WAY, other).keys()


def test_nobody_waits_for_a_link_to_be_reached() -> None:
    waits: dict[str, Json] = {
        "link": {"condition": "service_healthy", "restart": True},
        "db": {"condition": "service_healthy"},
    }
    found = without_waiting({"depends_on": waits}, frozenset([ServiceName("link")]))
    assert found["depends_on"] == {"link": {"condition": "service_started"}, "db": {"condition": "service_healthy"}}


def test_the_token_is_in_no_text_about_a_way() -> None:
    assert TOKEN not in repr(WAY)


def test_certificates_are_kept_where_the_link_keeps_them() -> None:
    assert str(STORAGE) == LINK_DATA
