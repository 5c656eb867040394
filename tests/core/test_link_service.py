"""What a file says of its link puts no other program into it, and what a link knows still reaches it."""

import inspect
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import link_guards, link_settings
from mosaic.core.app import open_app
from mosaic.core.compose_document import Compose, ComposeInvalid, Json, read_compose
from mosaic.core.ids import ServiceName
from mosaic.core.link_service import LINK_DATA, link_variables, require_one_link
from mosaic.core.link_variables import LEFT_OUT, VARIABLES
from mosaic.core.policy import check
from mosaic.core.policy_finding import Finding
from mosaic.core.render_link import PublicWay, render_link

TOKEN = "lk_abcdefghijkl_" + "5" * 64
WAY = PublicWay(("notes.gate.example",), TOKEN, "https://gate.example")
DOCS = Path(__file__).parents[2] / "docs" / "links.md"
DANGEROUS = ("PATH", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "LD_PRELOAD", "LD_LIBRARY_PATH", "OPENSSL_CONF")
names = st.sampled_from([*sorted(VARIABLES), *DANGEROUS, LEFT_OUT, "path", "WG_TUN", "GODEBUG"]) | st.text(max_size=9)


def findings(link: dict[str, Json], image: str = "mosaic/link") -> list[Finding]:
    volumes: Json = {"keys": None, "more": None}
    secrets: Json = {"s": {"file": "./s"}}
    document: Json = {"services": {"link": {"image": image, **link}}, "volumes": volumes, "secrets": secrets}
    return check(read_compose(document))


def app(links: dict[str, dict[str, Json]], more: dict[str, Json] | None = None) -> dict[str, Json]:
    services: dict[str, Json] = {
        name: {"image": "mosaic/link", "environment": {"EXPOSE": "web:80", **told}} for name, told in links.items()
    }
    return {"services": {"web": {"image": "web"}, **services}, **(more or {})}


def opened(document: dict[str, Json]) -> Compose:
    return open_app(document, variables={"LINK_TOKEN_DEFAULT": TOKEN})


@pytest.mark.parametrize("way", [WAY, None])
@given(said=st.dictionaries(names, st.text(max_size=20)))
def test_a_link_gets_no_variable_of_its_file_but_its_own_and_is_told_which_were_left_out(
    way: PublicWay | None, said: dict[str, str]
) -> None:
    service: dict[str, Json] = {"image": "sha256:l", "environment": dict(said)}
    found = render_link(ServiceName("link"), service, way=way, has_tun=False)["environment"]
    assert isinstance(found, dict)
    allowed = {*VARIABLES, "TZ", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR"}
    assert found.keys() <= allowed | {LEFT_OUT}
    assert (LEFT_OUT in found) == bool(said.keys() - allowed)
    assert all(len(str(value)) < 1500 and str(value).isprintable() for value in [found.get(LEFT_OUT, "")])


def test_the_names_that_are_left_out_are_said() -> None:
    assert link_variables({"EXPOSE": "web:80", "LD_PRELOAD": "/x.so", "BASIC": "1"})[LEFT_OUT] == "BASIC, LD_PRELOAD"


def test_no_variable_that_a_link_reads_or_the_manual_names_is_left_out() -> None:
    read = inspect.getsource(link_settings) + inspect.getsource(link_guards)
    told = {*re.findall(r'"(LINK_[A-Z_]+|LINK|TOKEN|EXPOSE|FRACTAL_API)"', read)}
    written = {*re.findall(r"`((?:LINK_[A-Z_]+)|LINK|TOKEN|EXPOSE|FRACTAL_API)`", DOCS.read_text())}
    assert len(told) > 15 and len(written) > 15
    assert told | written <= VARIABLES


@pytest.mark.parametrize(
    "service",
    [
        {"volumes": ["./evil:/code"]},
        {"volumes": ["./evil/mosaic:/code/bin/mosaic:ro"]},
        {"volumes": ["keys:/usr"]},
        {"volumes": ["keys:/usr/local/bin/"]},
        {"volumes": ["./caddy:/usr/local/bin/caddy"]},
        {"volumes": ["./p:/etc/ld.so.preload"]},
        {"volumes": ["./x:/data/../lib"]},
        {"volumes": [{"type": "bind", "source": "./x", "target": "//sbin"}]},
        {"volumes": ["/root"]},
        {"volumes": ["keys:/var/run/wireguard"]},
        {"volumes": [f"keys:{LINK_DATA}", f"./x:{LINK_DATA}/caddy"]},
        {"volumes": ["keys:/data", "./x:/data/conf"]},
        {"volumes": ["keys:/data"], "tmpfs": "/data/x:size=1m"},
        {"secrets": [{"source": "s", "target": "/code/bin/caddy"}]},
        {"secrets": [{"source": "s", "target": "../../usr/bin/nft"}]},
        {"configs": ["code"]},
        {"configs": [{"source": "c", "target": "usr/bin/ip"}]},
        {"env_file": "link.env"},
        {"env_file": [{"path": "link.env"}]},
        {"volumes_from": ["web"]},
    ],
)
def test_nothing_is_put_over_the_links_program_and_no_grant_allows_it(service: dict[str, Json]) -> None:
    found = findings(service)
    assert found and all(each.grant is None for each in found)
    assert findings(service, image="web") == []


@pytest.mark.parametrize(
    "service",
    [
        {"volumes": [f"keys:{LINK_DATA}"]},
        {
            "volumes": [
                "./snippet:/snippet:ro",
                "./root.pem:/certs/root.pem",
                "keys:/data",
                "./c:/etc/caddy/more",
                "conf:/root/.config/caddy",
                "logs:/var/log/caddy",
            ]
        },
        {"secrets": ["s", {"source": "s", "target": "other"}], "tmpfs": ["/run", "/tmp:size=1m"], "read_only": True},
        {"configs": [{"source": "c", "target": "/snippet"}], "volumes": [{"type": "tmpfs", "target": "/run"}]},
    ],
)
def test_its_certificates_its_secrets_and_what_is_no_program_may_be_mounted(service: dict[str, Json]) -> None:
    assert findings(service) == []


@pytest.mark.parametrize(
    "extension",
    [
        {"actions": {"own": {"service": "link", "command": ["ip", "link"]}}},
        {"snapshot": {"before": {"service": "link", "command": ["sh", "-c", "true"]}}},
        {"snapshot": {"before": {"service": "web", "command": ["x"]}, "after": {"service": "link", "command": ["x"]}}},
    ],
)
def test_nothing_of_an_app_is_run_in_a_link(extension: dict[str, Json]) -> None:
    with pytest.raises(ComposeInvalid, match="which is a link"):
        opened(app({"link": {}}, {"x-mosaic": extension}))


@pytest.mark.parametrize(
    "links",
    [
        {"one": {}, "two": {}},
        {"one": {"TOKEN": "$LINK_TOKEN_DEFAULT"}, "two": {"LINK_TOKEN": "none"}},
        {"one": {"TOKEN": "lk_zz"}, "two": {"LINK_TOKEN": "lk_zz"}},
        {"one": {"TOKEN_FILE": "/t"}, "two": {"TOKEN_FILE": "/t"}, "three": {}},
    ],
)
def test_two_links_with_one_token_are_refused_by_name_because_each_would_end_the_other(
    links: dict[str, dict[str, Json]],
) -> None:
    # Not by whoever opens it: an app that was installed before this was asked runs on, and comes up elsewhere.
    compose = opened(app(links))
    with pytest.raises(ComposeInvalid, match="one and two are two links with one token") as refused:
        require_one_link(compose, token=TOKEN)
    assert "EXPOSE" in refused.value.hint


def test_a_second_link_with_a_token_of_its_own_is_none_of_that() -> None:
    told = app({"one": {"TOKEN": "$LINK_TOKEN_DEFAULT"}, "two": {"TOKEN": "lk_zz"}, "three": {"TOKEN_FILE": "/t"}})
    require_one_link(opened(told), token=TOKEN)


def test_of_a_link_there_is_one_however_many_its_file_wants() -> None:
    service: dict[str, Json] = {"image": "sha256:l", "scale": 3, "deploy": {"replicas": 2, "resources": {}}}
    found = render_link(ServiceName("link"), service, way=WAY, has_tun=False)
    assert "scale" not in found
    assert found["deploy"] == {"resources": {}}
