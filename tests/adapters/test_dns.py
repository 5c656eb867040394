"""Asking DNS: what is there, that nothing is there, and that nobody answered, are three answers."""

from collections.abc import Iterator

import pytest

from mosaic.adapters.dns import Resolver, ResolverUnusable, Server, parse_server
from support.dns_server import DnsServer, Mood, dns_server


@pytest.fixture
def zone() -> Iterator[DnsServer]:
    with dns_server() as server:
        yield server


def resolver(zone: DnsServer, *, deadline_seconds: float = 30.0) -> Resolver:
    return Resolver([Server("127.0.0.1", zone.port)], deadline_seconds=deadline_seconds)


def test_records_come_as_they_were_written(zone: DnsServer) -> None:
    zone.records |= {
        ("a.example.com", "TXT"): ['"one" "two"', '"three"'],
        ("a.example.com", "A"): ["192.0.2.1", "192.0.2.2"],
        ("a.example.com", "AAAA"): ["2001:db8::1"],
        ("b.example.com", "CNAME"): ["A.Example.com."],
    }
    ask = resolver(zone)
    assert sorted(ask.texts("a.example.com") or []) == ["onetwo", "three"]
    assert ask.alias("b.example.com") == ["a.example.com"]
    assert sorted(ask.addresses("b.example.com") or []) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]


def test_that_there_is_nothing_is_an_answer(zone: DnsServer) -> None:
    zone.records["a.example.com", "A"] = ["192.0.2.1"]
    ask = resolver(zone)
    assert ask.texts("a.example.com") == [] and ask.texts("nowhere.example.com") == []
    assert ask.alias("a.example.com") == [] and ask.addresses("nowhere.example.com") == []


@pytest.mark.parametrize(("mood", "seconds"), [("silent", 0.3), ("failing", 30.0)])
def test_who_does_not_answer_said_neither(zone: DnsServer, mood: Mood, seconds: float) -> None:
    zone.records["a.example.com", "TXT"] = ['"one"']
    zone.mood = mood
    ask = resolver(zone, deadline_seconds=seconds)
    assert ask.texts("a.example.com") is None and ask.alias("a.example.com") is None
    assert ask.addresses("a.example.com") is None
    assert zone.asked != []


def test_a_truncated_answer_is_asked_for_again_over_tcp(zone: DnsServer) -> None:
    zone.records["a.example.com", "TXT"] = [f'"{"x" * 250}"'] * 1
    zone.mood = "truncating"
    assert resolver(zone).texts("a.example.com") == ["x" * 250]
    assert [way for _, _, way in zone.asked] == ["udp", "tcp"]


def test_nothing_is_kept_from_one_question_to_the_next(zone: DnsServer) -> None:
    ask = resolver(zone)
    zone.records["a.example.com", "TXT"] = ['"one"']
    assert ask.texts("a.example.com") == ["one"]
    del zone.records["a.example.com", "TXT"]
    assert ask.texts("a.example.com") == []


def test_what_cannot_be_asked_for_is_not_answered(zone: DnsServer) -> None:
    assert resolver(zone).texts("a" * 64 + ".example.com") is None and zone.asked == []


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.53", Server("192.0.2.53")),
        ("192.0.2.53:5353", Server("192.0.2.53", 5353)),
        ("2001:db8::53", Server("2001:db8::53")),
        ("[2001:db8::53]:54", Server("2001:db8::53", 54)),
    ],
)
def test_a_servers_address_is_read(text: str, server: Server) -> None:
    assert parse_server(text) == server


@pytest.mark.parametrize(
    "text", ["", "dns.example.com", "192.0.2.53:", "192.0.2.53:0", "192.0.2.53:70000", "[::1", "1.2:4"]
)
def test_what_is_no_servers_address_is_refused(text: str) -> None:
    with pytest.raises(ResolverUnusable):
        parse_server(text)
