"""A link's environment: both spellings, every mistake at once, and no secret in any sentence."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import link_token
from mosaic.core.epoch import Epoch
from mosaic.core.expose import Exposed, Site, Upstream
from mosaic.core.link_guards import BasicUser, ForwardAuth
from mosaic.core.link_settings import LinkMisconfigured, read_settings, secret_files

TOKEN = "lk_abcdefgh2345_" + "s3cret" * 8
BCRYPT = "$2a$14$" + "a" * 53
SEED = {"LINK": "chat.example.org", "TOKEN": TOKEN, "EXPOSE": "nginx:80", "FRACTAL_API": "https://gateway.example.net"}
"""What the compose file of the seed gives its link."""


def test_the_seeds_spelling_is_understood() -> None:
    found = read_settings(SEED)
    assert (found.names, found.token, found.gateways) == (
        ("chat.example.org",),
        TOKEN,
        ("https://gateway.example.net",),
    )
    assert found.exposed == Exposed((Site(None, "", Upstream("http", "nginx", 80)),))
    assert (found.mode, found.tls, found.epoch) == ("auto", "acme", Epoch(0, 0))


def test_the_other_spelling_says_the_same() -> None:
    other = {"LINK": "LINK_DOMAIN", "TOKEN": "LINK_TOKEN", "EXPOSE": "LINK_EXPOSE", "FRACTAL_API": "LINK_GATEWAY"}
    assert read_settings({other[name]: value for name, value in SEED.items()}) == read_settings(SEED)


def test_what_the_platform_fills_in_stands_in_where_nothing_else_is_said() -> None:
    filled = {"LINK_DOMAIN_DEFAULT": "chat.example.org", "LINK_TOKEN_DEFAULT": TOKEN}
    rest = {name: SEED[name] for name in ("EXPOSE", "FRACTAL_API")}
    assert read_settings({**rest, **filled}) == read_settings(SEED)
    assert read_settings({**SEED, "LINK_DOMAIN_DEFAULT": "other.example.org"}).names == ("chat.example.org",)


def test_the_platforms_gateway_counts_before_the_one_that_the_file_names() -> None:
    found = read_settings({**SEED, "LINK_GATEWAY": "https://own.example.net/, https://second.example.net"})
    assert found.gateways == ("https://own.example.net", "https://second.example.net")


@given(
    st.dictionaries(
        st.sampled_from(
            [
                *SEED,
                "LINK_MODE",
                "LINK_TLS",
                "LINK_EPOCH",
                "LINK_ALLOW",
                "LINK_BASIC_AUTH",
                "LINK_FORWARD_AUTH",
                "LINK_FORWARD_AUTH_SIGN_IN",
                "LINK_ACME_CA",
                "LINK_EMAIL",
            ]
        ),
        st.text(max_size=60),
    )
)
def test_any_environment_is_read_or_refused_in_words(environment: dict[str, str]) -> None:
    try:
        read_settings({**SEED, **environment})
    except LinkMisconfigured as refused:
        assert refused.problems


@given(st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=6, max_size=60))
def test_no_secret_is_in_any_sentence(secret: str) -> None:
    told = {**SEED, "TOKEN": secret, "LINK_BASIC_AUTH": f"ada:{secret}"}
    try:
        said = repr(read_settings(told))
    except LinkMisconfigured as refused:
        said = refused.message + refused.hint + repr(refused)
    # Words that stand in any of our sentences are nobody's secret.
    if len(secret.strip()) > 12:
        assert secret.strip() not in said


def test_a_token_is_not_shown() -> None:
    assert TOKEN not in repr(read_settings(SEED))


@pytest.mark.parametrize("length", [19, 20, 43, 128, 129])
def test_a_link_takes_the_tokens_that_its_gateway_can_read(length: int) -> None:
    token = "lk_abcdefgh2345_" + "s" * length
    readable = link_token.parse(token) is not None
    try:
        taken = read_settings({**SEED, "TOKEN": token}).token == token
    except LinkMisconfigured:
        taken = False
    assert taken == readable == (20 <= length <= 128)


def test_a_secret_may_come_from_a_file() -> None:
    environment = {name: value for name, value in SEED.items() if name != "TOKEN"} | {
        "LINK_TOKEN_FILE": "/run/secrets/t"
    }
    assert secret_files(environment) == {"LINK_TOKEN": "/run/secrets/t"}
    assert read_settings(environment, {"LINK_TOKEN": f"{TOKEN}\n"}).token == TOKEN
    with pytest.raises(LinkMisconfigured, match="LINK_TOKEN_FILE is /run/secrets/t, and nothing can be read there"):
        read_settings(environment)


@pytest.mark.parametrize(
    ("more", "mode"),
    [
        ({}, "auto"),
        ({"LINK_MODE": "tcp"}, "tcp"),
        ({"LINK": "notes.localhost"}, "lan"),
        ({"LINK": "notes.localhost,chat.example.org"}, "auto"),
        ({"TOKEN": "none"}, "lan"),
        ({"TOKEN": ""}, "lan"),
        ({"LINK_MODE": "lan"}, "lan"),
    ],
)
def test_a_link_to_which_nothing_could_route_serves_the_lan(more: dict[str, str], mode: str) -> None:
    found = read_settings({**SEED, **more})
    assert (found.mode, found.is_lan) == (mode, mode == "lan")
    assert (found.token, found.gateways) == (("", ()) if found.is_lan else (TOKEN, ("https://gateway.example.net",)))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"LINK": "https://chat.example.org"}, "is no domain name: leave the `https://` away"),
        ({"LINK": "*.example.org"}, "a link serves names, each of them told"),
        ({"LINK": "bücher.example"}, "write it as DNS has it"),
        ({"LINK_DOMAIN": "other.example.org"}, "LINK_DOMAIN and LINK are two spellings"),
        ({"EXPOSE": ""}, "EXPOSE is not set"),
        ({"EXPOSE": "nginx"}, "'nginx' in EXPOSE: the port is missing"),
        ({"EXPOSE": "other.example.org=a:1"}, "other.example.org is none of this link's names"),
        ({"TOKEN": "hunter2"}, "is no token of a link"),
        ({"TOKEN": "none", "LINK_MODE": "tcp"}, "LINK_TOKEN (or TOKEN) is not set"),
        ({"LINK_TOKEN_FILE": "/t", "LINK_TOKEN": TOKEN}, "LINK_TOKEN and LINK_TOKEN_FILE are both set"),
        ({"FRACTAL_API": ""}, "LINK_GATEWAY (or FRACTAL_API) is not set"),
        ({"FRACTAL_API": "http://gateway.example.net"}, "the token would be sent in the clear"),
        ({"FRACTAL_API": "gateway.example.net"}, "a gateway's address is https://NAME"),
        ({"LINK_MODE": "fast"}, "LINK_MODE is 'fast', and none of auto, kernel, userspace, tcp, lan"),
        ({"LINK_TLS": "on"}, "LINK_TLS is 'on'"),
        ({"LINK_TLS": "off"}, "a gateway passes on nothing that is not encrypted"),
        ({"LINK_ACME_CA": "letsencrypt"}, "LINK_ACME_CA is 'letsencrypt'"),
        ({"LINK_EMAIL": "ada"}, "LINK_EMAIL is 'ada'"),
        ({"LINK_EPOCH": "7"}, "LINK_EPOCH is '7'"),
        ({"LINK_ALLOW": "192.0.2.0/24 home"}, "LINK_ALLOW has 'home'"),
        ({"LINK_BASIC_AUTH": "ada:correct-horse"}, "LINK_BASIC_AUTH has no hash for 'ada'"),
        ({"LINK_BASIC_AUTH": BCRYPT}, "LINK_BASIC_AUTH's entry 1 is not name:hash"),
        ({"LINK_BASIC_AUTH": f"ada:{BCRYPT} ada:{BCRYPT}"}, "LINK_BASIC_AUTH has 'ada' twice"),
        ({"LINK_FORWARD_AUTH": "authelia"}, "LINK_FORWARD_AUTH is 'authelia'"),
        ({"LINK_FORWARD_AUTH_SIGN_IN": "/in"}, "LINK_FORWARD_AUTH_SIGN_IN is set, and LINK_FORWARD_AUTH is not"),
    ],
)
def test_a_mistake_is_named_with_its_variable(more: dict[str, str], said: str) -> None:
    with pytest.raises(LinkMisconfigured, match=re.escape(said)):
        read_settings({**SEED, **more})


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(LinkMisconfigured) as refused:
        read_settings({"LINK": "*.a", "TOKEN": "x", "LINK_MODE": "y", "LINK_ALLOW": "z"})
    assert len(refused.value.problems) == 6


def test_what_stands_before_an_app_is_read() -> None:
    more = {
        "LINK_ALLOW": "192.0.2.7, 2001:db8::/32",
        "LINK_BASIC_AUTH": f"ada:{BCRYPT}\nbob:{BCRYPT}",
        "LINK_FORWARD_AUTH": "http://oauth2-proxy:4180/oauth2/auth",
        "LINK_FORWARD_AUTH_HEADERS": "X-Auth-Request-User X-Auth-Request-Email",
        "LINK_FORWARD_AUTH_OWN_PATH": "/oauth2/",
        "LINK_FORWARD_AUTH_SIGN_IN": "/oauth2/sign_in?rd={url}",
    }
    guards = read_settings({**SEED, **more}).guards
    assert guards.allowed == ("192.0.2.7/32", "2001:db8::/32")
    assert guards.users == (BasicUser("ada", BCRYPT), BasicUser("bob", BCRYPT))
    assert guards.forward == ForwardAuth(
        Upstream("http", "oauth2-proxy", 4180),
        "/oauth2/auth",
        ("X-Auth-Request-User", "X-Auth-Request-Email"),
        "/oauth2",
        "/oauth2/sign_in?rd={url}",
    )


def test_the_lan_may_be_served_beside_a_gateway() -> None:
    assert read_settings({**SEED, "LINK_LAN": "80"}).lan_port == 80
    assert read_settings(SEED).lan_port is None
    for wrong in ("0", "65536", "eighty", ":80"):
        with pytest.raises(LinkMisconfigured, match="LINK_LAN"):
            read_settings({**SEED, "LINK_LAN": wrong})
