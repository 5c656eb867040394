"""What the pages say of links, from what the Hive knows."""

from typing import get_args

import msgspec
import pytest

from mosaic.hive.console import linking
from mosaic.wire.link_api import Link, LinkAt, LinkName, NameProof, NameState
from mosaic.wire.link_doctor import LinkCheck, LinkFinding, LinkLook, LinkOutcome
from mosaic.wire.links import LinkStanding

STANDING = LinkStanding("link", 1, ["notes.example.net"], registered=True)
THERE = LinkAt("gw", True, standing=STANDING)
GIVEN = LinkName("notes.example.net", "good")
LINK = Link("link", "i1", "notes", 1, [GIVEN], 1, True, [THERE])
PROOF = NameProof("_link-challenge.notes.example.com", "mosaic-link=abc", "notes.example.net")


def at(**fields: object) -> Link:
    """Return the link with its gateway in another state."""
    return msgspec.structs.replace(LINK, gateways=[msgspec.structs.replace(THERE, **fields)])


@pytest.mark.parametrize(
    ("link", "word", "why"),
    [
        (LINK, "There", ""),
        (msgspec.structs.replace(LINK, token_known=False), "Waiting for its device", "has made its token yet"),
        (at(problem="it is away"), "Needs you", "gw: it is away"),
        (at(taken=False), "Its gateway is being told", ""),
        (at(standing=None), "Not there", "its container has not come to gw"),
        (msgspec.structs.replace(at(standing=None), lacks_service=True), "Not there", "no service of notes is a link"),
    ],
)
def test_a_link_is_drawn_with_its_cause(link: Link, word: str, why: str) -> None:
    assert linking.of_link(link).word == word
    assert why in linking.why(link) and bool(why) == bool(linking.why(link))


def test_every_state_of_a_name_and_every_outcome_and_check_has_its_words() -> None:
    for state in get_args(NameState):
        assert linking.of_name(LinkName("notes.example.com", state)).word
    for outcome in get_args(LinkOutcome):
        assert linking.of_finding(LinkFinding("dns", outcome, "it is so")).word
    assert len({linking.check_words(LinkFinding(check, "well", "")) for check in get_args(LinkCheck)}) == 8


def test_what_is_to_be_written_into_dns_is_shown_of_names_that_lack_it_alone() -> None:
    names = [LinkName(f"{state}.example.com", state, PROOF) for state in get_args(NameState)]
    shown = linking.to_prove(msgspec.structs.replace(LINK, names=[GIVEN, *names]))
    assert [name.state for name in shown] == ["waiting", "amber", "withdrawn", "given-up"]


@pytest.mark.parametrize(
    ("links", "sentence"),
    [
        ([], "No app is reached from anywhere."),
        ([LINK], "notes is reached from anywhere."),
        ([at(standing=None)], "notes is not reached from anywhere."),
        ([LINK, LINK], "Both links are there."),
        ([LINK, LINK, at(standing=None)], "Two of three links are there."),
        ([at(standing=None), LINK], "One of two links is there."),
    ],
)
def test_the_page_of_all_links_begins_with_one_true_sentence(links: list[Link], sentence: str) -> None:
    assert linking.first(links) == sentence


@pytest.mark.parametrize(
    ("outcomes", "sentence"),
    [
        (["well", "well"], "notes is reached from anywhere."),
        (["well", "doubtful"], "notes is reached, and one check needs you."),
        (["doubtful", "unseen"], "Whether notes is reached from anywhere could not be seen."),
        (["wrong", "doubtful"], "One check does not hold."),
        (["wrong", "wrong"], "Two checks do not hold."),
    ],
)
def test_a_look_is_one_sentence_and_its_findings_by_subject(outcomes: list[LinkOutcome], sentence: str) -> None:
    first = LinkFinding("gateway", outcomes[0], "it is so")
    second = LinkFinding("dns", outcomes[1], "it is so", name="notes.example.net")
    look = LinkLook("notes", 1, [first, second])
    assert linking.after_look(look) == sentence
    assert [(one.subject, one.findings) for one in linking.by_subject(look)] == [
        ("The link of notes", [first]),
        ("notes.example.net", [second]),
    ]
