"""EXPOSE's grammar: what it means, and what is said of each mistake."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mosaic.core.expose import Exposed, ExposeUnreadable, RawPort, Site, Upstream, parse

NAMES = frozenset(["chat.example.org", "files.example.org"])
SERVICES = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,10}[a-z0-9])?", fullmatch=True)
PORTS = st.integers(1, 65535)
UPSTREAMS = st.builds(Upstream, st.sampled_from(["http", "https", "https+insecure", "h2c"]), SERVICES, PORTS)
PATHS = st.one_of(st.just(""), st.from_regex(r"(/[a-z0-9-]{1,8}){1,3}", fullmatch=True))
SITES = st.builds(Site, st.one_of(st.none(), st.sampled_from(sorted(NAMES))), PATHS, UPSTREAMS)
RAW = st.one_of(
    st.builds(RawPort, st.just("tcp"), PORTS, SERVICES, PORTS, st.booleans()),
    st.builds(RawPort, st.just("udp"), PORTS, SERVICES, PORTS),
)
EXPOSED = st.builds(
    Exposed,
    st.lists(SITES, min_size=1, max_size=6, unique_by=lambda site: (site.name, site.path)).map(tuple),
    st.lists(RAW, max_size=4, unique_by=lambda port: (port.protocol, port.public)).map(tuple),
)


@given(EXPOSED)
def test_what_is_written_is_read_again(exposed: Exposed) -> None:
    assert parse(str(exposed), names=NAMES) == exposed


@given(st.text(max_size=80))
@example("a=b=c:1")
@example("http://")
@example("tcp://1:a:1,udp://")
@example("/..=a:1")
@example("[::1]:80")
@example("nginx:８０")
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        found = parse(text)
    except ExposeUnreadable as unreadable:
        assert unreadable.problems
        return
    assert parse(str(found)) == found


@given(EXPOSED, st.sampled_from(sorted(NAMES)))
def test_every_site_of_a_name_is_reached_by_its_own_path_and_the_longest_comes_first(
    exposed: Exposed, name: str
) -> None:
    sites = exposed.sites_of(name)
    lengths = [len(site.path) for site in sites]
    assert lengths == sorted(lengths, reverse=True)
    assert {site.path for site in sites} == {site.path for site in exposed.sites if site.name in (None, name)}
    for site in sites:
        named = [each for each in exposed.sites if each.name == name and each.path == site.path]
        assert site in named or not named


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("nginx:80", Site(None, "", Upstream("http", "nginx", 80))),
        ("http://nginx", Site(None, "", Upstream("http", "nginx", 80))),
        ("https://web:8443", Site(None, "", Upstream("https", "web", 8443))),
        ("https+insecure://web", Site(None, "", Upstream("https+insecure", "web", 443))),
        ("h2c://grpc:9000/", Site(None, "", Upstream("h2c", "grpc", 9000))),
        ("Chat.Example.org.=a:1", Site("chat.example.org", "", Upstream("http", "a", 1))),
        ("files.example.org/dav/=b:2", Site("files.example.org", "/dav", Upstream("http", "b", 2))),
        ("/api=c:3", Site(None, "/api", Upstream("http", "c", 3))),
    ],
)
def test_each_form_leads_where_it_says(text: str, site: Site) -> None:
    assert parse(text, names=NAMES) == Exposed((site,))


def test_several_are_separated_by_commas_blanks_or_lines() -> None:
    found = parse("web:80, /api=api:81\n tcp://25565:game:25565 udp://34197:game:34197")
    assert [str(each) for each in (*found.sites, *found.ports)] == [
        "http://web:80",
        "/api=http://api:81",
        "tcp://25565:game:25565",
        "udp://34197:game:34197",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "EXPOSE is empty"),
        ("nginx", "'nginx' in EXPOSE: the port is missing"),
        ("nginx:0", "the port is '0', and not a number from 1 to 65535"),
        ("nginx:99999", "the port is '99999'"),
        (":80", "the service is missing"),
        ("h2c://grpc", "the port of 'grpc' is missing"),
        ("ftp://files:21", "'ftp' is none of http, https"),
        ("http://web:80/api", "write the path before `=`"),
        ("tcp://25565:game", "it has three parts: tcp://public-port:service:port"),
        ("tcp://x:game:1", "the public port is 'x'"),
        ("chat.example.org=udp://1:a:2", "a raw port has no name"),
        (
            "other.example.org=web:80",
            "other.example.org is none of this link's names (chat.example.org, files.example.org)",
        ),
        ("=web:80", "nothing stands before the `=`"),
        ("/api=", "nothing stands after the `=`"),
        ("/a b=web:80", "'/a' in EXPOSE"),
        ("/a/../b=web:80", "is no path"),
        ("a:1,b:2", "every name, every path, leads to both http://a:1 and http://b:2"),
        ("udp+proxy://1:a:2", "'udp+proxy' is none of"),
        ("tcp://1:a:2 tcp+proxy://1:b:2", "tcp port 1 leads to both a:2 and b:2"),
        ("we{b}:80", "'we{b}' is no service's name"),
    ],
)
def test_a_mistake_is_named_with_the_part_that_it_is_in(text: str, said: str) -> None:
    with pytest.raises(ExposeUnreadable, match=re.escape(said)):
        parse(text, names=NAMES)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ExposeUnreadable) as refused:
        parse("nginx, a:0, good:80, ftp://x:1")
    assert len(refused.value.problems) == 3
