"""What is said of a link from what was seen of it: one fault is one finding with a remedy, and hides no other."""

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.link_doctor import SILENT_SECONDS, findings
from mosaic.core.link_findings import Check, Finding
from mosaic.core.link_places import Place, addresses_of, places_of
from mosaic.core.link_sights import Carrier, Door, Doors, NameSight, Proof, Shown, Silence

DAY = 86400.0
NOW = 1_900_000_000.0
NAME = "notes.example.com"
RECORD = f'_link-challenge.{NAME}. TXT "mosaic-link=abc"'
GATEWAY = "gw.example.net"
CARRIER = Carrier("notes", GATEWAY, token_known=True, taken=True, registered=True, mode="userspace", silent_seconds=4)
TLS = Door("192.0.2.1", 443)
PLAIN = Door("192.0.2.1", 80, status=308)
CERTIFICATE = Shown((NAME,), "An Authority", NOW - 30 * DAY, NOW + 60 * DAY)
SIGHT = NameSight(NAME, False, "good", RECORD, GATEWAY, ("192.0.2.1",), ("192.0.2.1", "192.0.2.2"), CERTIFICATE, 200)


def found(
    check: Check, link: Carrier = CARRIER, name: NameSight = SIGHT, tls: Door = TLS, plain: Door = PLAIN
) -> Finding:
    """Return the one finding of a check."""
    (one,) = [one for one in findings(link, Doors((tls,), (plain,)), [name], now=NOW) if one.check == check]
    return one


def test_of_what_is_well_every_check_says_so_in_order() -> None:
    said = findings(CARRIER, Doors((TLS,), (PLAIN,)), [SIGHT], now=NOW)
    assert tuple(one.check for one in said) == get_args(Check)
    assert {one.outcome for one in said} == {"well"}
    assert [one.name for one in said] == [None] * 5 + [NAME] * 3


seconds = st.floats(0, 10**7)
carriers = st.builds(
    Carrier, st.just("notes"), st.just(GATEWAY), st.booleans(), st.booleans(), st.sampled_from(["", "it is away"]),
    st.booleans(), st.sampled_from([None, "kernel", "userspace", "tcp", "of later"]), st.none() | seconds,
)  # fmt: skip
doors = st.builds(Door, st.just("192.0.2.1"), st.sampled_from([80, 443]), st.sampled_from(["", "no answer"]),
                  st.none() | st.integers(100, 599))  # fmt: skip
shown = st.builds(
    Shown, st.sampled_from([(NAME,), ("*.example.com",), ("a.example.org",), ()]), st.just("An Authority"),
    st.floats(NOW - 10**7, NOW), st.floats(NOW - 10**7, NOW + 10**7), st.sampled_from(["", "self-signed"]),
)  # fmt: skip
addresses = st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]), max_size=3).map(tuple)
sights = st.builds(
    NameSight, st.just(NAME), st.booleans(), st.sampled_from([*get_args(get_args(Proof)[0]), "taken"]), st.just(RECORD),
    st.just(GATEWAY), st.none() | addresses, addresses, st.none() | shown | st.sampled_from(get_args(Silence)),
    st.none() | st.integers(100, 599),
)  # fmt: skip


groups = st.lists(doors, max_size=3).map(tuple)


@given(carriers, st.builds(Doors, groups, groups, groups), st.lists(sights, max_size=3))
def test_whatever_was_seen_each_check_says_one_thing_and_every_fault_has_a_remedy(
    link: Carrier, public: Doors, names: list[NameSight]
) -> None:
    said = findings(link, public, names, now=NOW)
    assert len(said) == 5 + 3 * len(names)
    for one in said:
        assert one.said
        if one.outcome in ("well", "unseen"):
            assert one.remedy == ""
        elif one.check != "gateway":
            assert one.remedy


@pytest.mark.parametrize(
    ("link", "check", "outcome", "said"),
    [
        (replace(CARRIER, token_known=False), "device", "wrong", "no device that runs notes has made"),
        (replace(CARRIER, taken=False), "gateway", "doubtful", "is being told"),
        (replace(CARRIER, problem="it is away"), "gateway", "wrong", "it is away"),
        (replace(CARRIER, registered=False), "handshake", "wrong", "has not come to gw.example.net"),
        (replace(CARRIER, registered=False, problem="away"), "handshake", "unseen", "does not say"),
        (replace(CARRIER, registered=False, token_known=False), "handshake", "unseen", "without a token"),
        (replace(CARRIER, registered=False), "tunnel", "unseen", "before the link is there"),
        (replace(CARRIER, silent_seconds=SILENT_SECONDS), "tunnel", "well", "1 min 30 s ago"),
    ],
)
def test_what_a_gateway_says_of_a_link_is_said_with_what_to_do(
    link: Carrier, check: Check, outcome: str, said: str
) -> None:
    one = found(check, link=link)
    assert one.outcome == outcome and said in one.said


@pytest.mark.parametrize(("silent", "outcome"), [(None, "doubtful"), (SILENT_SECONDS + 1, "wrong")])
def test_a_silent_tunnel_is_a_fault_unless_it_carried_this_very_look(silent: float | None, outcome: str) -> None:
    link = replace(CARRIER, silent_seconds=silent)
    assert found("tunnel", link=link).outcome == "well"
    one = found("tunnel", link=link, name=replace(SIGHT, tls="closed"))
    assert one.outcome == outcome and "LINK_MODE=tcp" in one.remedy
    by_tcp = found("tunnel", link=replace(link, mode="tcp"), name=replace(SIGHT, tls="closed"))
    assert by_tcp.outcome == outcome and by_tcp.remedy == "look at the line of the link's machine"


def test_shut_ports_are_wrong_when_visitors_come_by_none_and_doubtful_else() -> None:
    shut = replace(TLS, refusal="no answer")
    assert found("ports", tls=shut).outcome == "wrong"
    assert found("ports", tls=shut).said == "192.0.2.1:443 takes no connection (no answer)"
    both = findings(CARRIER, Doors((TLS, shut), (PLAIN,)), [SIGHT], now=NOW)[4]
    assert (both.check, both.outcome) == ("ports", "doubtful")
    assert found("ports", plain=replace(PLAIN, refusal="connection refused", status=None)).outcome == "doubtful"
    assert findings(CARRIER, Doors(), [SIGHT], now=NOW)[4].outcome == "unseen"


def test_a_port_of_the_links_own_that_is_shut_is_told_and_keeps_nobody_from_its_names() -> None:
    raw = Door("192.0.2.1", 20025, "connection refused")
    one = findings(CARRIER, Doors((TLS,), (PLAIN,), (raw,)), [SIGHT], now=NOW)[4]
    assert (one.outcome, one.said) == ("doubtful", "192.0.2.1:20025 takes no connection (connection refused)")


def test_a_port_of_the_links_own_that_another_program_has_is_told_beside_what_is_shut() -> None:
    held, shut = ("udp:20025",), Door("192.0.2.1", 20026, "connection refused")
    one = findings(CARRIER, Doors((TLS,), (PLAIN,), held=held), [SIGHT], now=NOW)[4]
    assert (one.outcome, one.said) == ("doubtful", "another program on the gateway's machine has udp:20025")
    both = findings(CARRIER, Doors((TLS,), (PLAIN,), (shut,), held), [SIGHT], now=NOW)[4]
    assert one.said in both.said
    assert str(shut) in both.said


@pytest.mark.parametrize("status", [200, 404, None])
def test_something_else_at_the_plain_port_is_told(status: int | None) -> None:
    one = found("ports", plain=replace(PLAIN, status=status))
    assert one.outcome == "doubtful" and str(status or "no HTTP") in one.said


@pytest.mark.parametrize(
    ("name", "outcome", "said", "remedy"),
    [
        (replace(SIGHT, addresses=None), "doubtful", "does not answer", "name servers"),
        (replace(SIGHT, addresses=()), "wrong", "has no address", f"put into DNS: {NAME}. CNAME {GATEWAY}."),
        (replace(SIGHT, addresses=("192.0.2.9",)), "wrong", "leads to 192.0.2.9", "A and AAAA 192.0.2.1, 192.0.2.2"),
        (replace(SIGHT, addresses=("192.0.2.9", "192.0.2.1")), "doubtful", "192.0.2.9 as well", "take 192.0.2.9 out"),
        (replace(SIGHT, wanted=()), "doubtful", "nobody says", f"put {GATEWAY} into DNS"),
        (replace(SIGHT, proof="amber"), "doubtful", "is gone", RECORD),
        (replace(SIGHT, proof="waiting"), "wrong", "nothing in DNS proves", RECORD),
        (replace(SIGHT, proof="given-up"), "wrong", "for too long", RECORD),
        (replace(SIGHT, proof="taken"), "wrong", "another account", "ask its owner"),
        (replace(SIGHT, given=True, addresses=()), "wrong", "has no address", "the gateway's operator has to put"),
    ],
)
def test_where_a_name_leads_is_said_with_what_dns_has_to_say(
    name: NameSight, outcome: str, said: str, remedy: str
) -> None:
    one = found("dns", name=name)
    assert (one.outcome, one.name) == (outcome, NAME)
    assert said in one.said and remedy in one.remedy


@pytest.mark.parametrize(
    ("tls", "outcome", "said"),
    [
        (replace(CERTIFICATE, names=("*.example.com",)), "well", "trusted, by An Authority, for 60 d more"),
        (replace(CERTIFICATE, names=("*.com", "example.com")), "wrong", "a certificate of *.com, example.com"),
        (replace(CERTIFICATE, names=()), "wrong", "a certificate of no name"),
        (replace(CERTIFICATE, until=NOW - DAY), "wrong", "ended 1 d ago"),
        (replace(CERTIFICATE, until=NOW + 7 * DAY), "doubtful", "ends in 7 d, and was not renewed"),
        (replace(CERTIFICATE, since=NOW - 4 * DAY, until=NOW + 2 * DAY), "well", "for 2 d more"),
        (replace(CERTIFICATE, refusal="self-signed"), "wrong", "by An Authority: self-signed"),
        ("no-certificate", "wrong", "no certificate for it yet"),
        ("closed", "wrong", "ends connections for it"),
        ("unanswered", "wrong", "the link does not answer"),
        ("no-tls", "wrong", "speaks no TLS"),
        (None, "unseen", "no port"),
    ],
)
def test_what_a_name_shows_is_told_from_what_it_should(tls: Shown | Silence | None, outcome: str, said: str) -> None:
    one = found("certificate", name=replace(SIGHT, tls=tls))
    assert one.outcome == outcome and said in one.said


@pytest.mark.parametrize(
    ("status", "outcome", "said"),
    [(200, "well", "answers 200"), (401, "well", "answers 401"), (500, "wrong", "answers 500"),
     (502, "wrong", "does not answer it (502)"), (None, "wrong", "gave no answer")],
)  # fmt: skip
def test_an_app_is_well_when_it_answers_whatever_it_says(status: int | None, outcome: str, said: str) -> None:
    one = found("app", name=replace(SIGHT, status=status))
    assert one.outcome == outcome and said in one.said


def test_a_link_that_is_not_there_is_one_fault_and_what_its_gateway_closes_for_it_no_other() -> None:
    away = replace(CARRIER, registered=False)
    closed = replace(SIGHT, tls="closed", status=None)
    wrong = [one.check for one in findings(away, Doors((TLS,), (PLAIN,)), [closed], now=NOW) if one.outcome == "wrong"]
    assert wrong == ["handshake"]
    assert found("certificate", link=replace(away, problem="it is away"), name=closed).outcome == "wrong"


def test_an_app_is_not_asked_of_what_is_not_its_link() -> None:
    for tls in (None, "unanswered", replace(CERTIFICATE, names=("a.example.org",))):
        assert found("app", name=replace(SIGHT, tls=tls)).outcome == "unseen"


def test_a_gateway_is_where_it_says_or_else_at_443() -> None:
    told = ["gw.example.net:8443", "[2001:db8::1]:443", "nonsense", "x:0", ":443", "x:99999"]
    assert places_of(told, ["192.0.2.1"], GATEWAY) == [Place("gw.example.net", 8443), Place("2001:db8::1", 443)]
    assert places_of([], ["192.0.2.1"], GATEWAY) == [Place("192.0.2.1", 443)]
    assert places_of(["nonsense"], [], GATEWAY) == [Place(GATEWAY, 443)]
    assert places_of([f"gw.example.net:{'9' * 5000}"], [], GATEWAY) == [Place(GATEWAY, 443)]
    assert places_of([], [], "") == []
    assert addresses_of("192.0.2.1") == ["192.0.2.1"] and addresses_of(GATEWAY) is None
    assert str(Door("2001:db8::1", 443)) == "[2001:db8::1]:443"


def test_an_app_without_a_service_that_is_a_link_is_told_so_and_not_to_read_its_lines() -> None:
    lacking = replace(CARRIER, registered=False, silent_seconds=None, lacks_service=True)
    found = next(one for one in findings(lacking, Doors(), [], now=0) if one.check == "handshake")
    assert (found.outcome, found.said) == ("wrong", "no service of notes is a link, so nobody opens the tunnel")
    assert "mosaic/link:1" in (found.remedy or "")
