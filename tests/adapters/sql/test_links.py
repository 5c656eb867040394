"""Links, their names and tokens, and what gateways have of them, on both databases."""

from dataclasses import replace

import pytest

from adapters.sql import rows
from adapters.sql.rows import ADA, NOTES
from mosaic.adapters.sql import account_labels, gateways, installations, link_names, link_pushes, links, placements
from mosaic.adapters.sql.engine import ChangedMeanwhile, Database
from mosaic.adapters.sql.gateways import Gateway
from mosaic.adapters.sql.link_names import Name
from mosaic.adapters.sql.links import Link, Place, Token
from mosaic.core import lease, placement
from mosaic.core.ids import AccountId, InstallationId, LinkId
from mosaic.core.name_proof import Claim, begin
from mosaic.wire.links import GatewayAbout, LinkStanding

ABOUT = GatewayAbout("gw", "1", "gw.example.net", ["192.0.2.1"], ["apps.example.net"], ["one"])
GATEWAY = Gateway("gatewayaaaaa", "https://gw.example.net", 5)
LINK = Link(LinkId("linkaaaaaaaa"), ADA, NOTES, GATEWAY.id, 10)
OTHER = Link(LinkId("linkbbbbbbbb"), ADA, InstallationId("other2345678"), GATEWAY.id, 11)
GOOD = Claim("good", 10, 10**18)


@pytest.fixture
def kept(database: Database) -> Database:
    """Two installations with a link each, at one gateway."""
    rows.install(database)
    other = rows.installation("other", OTHER.installation)
    with database.write() as tx:
        placements.add(tx, other, placement.install(lease.new_lease({}), rows.ATTIC, 1))
        gateways.put(tx, GATEWAY)
        for link in (LINK, OTHER):
            links.add(tx, link)
            link_pushes.add(tx, link.id, GATEWAY.id)
    return database


def test_a_gateway_comes_back_as_it_was_put(kept: Database) -> None:
    pinned = replace(GATEWAY, about=ABOUT, problem="away", fingerprint="ab", certificate="PEM")
    with kept.write() as tx:
        gateways.put(tx, pinned)
    with kept.read() as tx:
        assert gateways.every(tx) == [pinned] == [gateways.get(tx, GATEWAY.id)]
        assert gateways.by_url(tx, GATEWAY.url) == pinned
        assert gateways.count_links(tx, GATEWAY.id) == 2
    assert (pinned.name, pinned.domains, GATEWAY.name) == ("gw", ["apps.example.net"], GATEWAY.url)


def test_a_label_is_one_accounts_for_good(kept: Database) -> None:
    with kept.write() as tx:
        account_labels.choose(tx, ADA, "brave-otter", now_ns=1)
    with kept.read() as tx:
        assert account_labels.get(tx, ADA) == "brave-otter" and account_labels.is_taken(tx, "brave-otter")
        assert not account_labels.is_taken(tx, "sunny-river")
    with pytest.raises(ChangedMeanwhile), kept.write() as tx:
        account_labels.choose(tx, AccountId("bob"), "brave-otter", now_ns=2)
    with pytest.raises(ChangedMeanwhile), kept.write() as tx:
        account_labels.choose(tx, ADA, "sunny-river", now_ns=2)


def test_the_database_itself_refuses_a_name_of_another_and_a_second_link(kept: Database) -> None:
    with kept.write() as tx:
        link_names.add(tx, Name(LINK.id, "a.example.com", False, GOOD))
        # One that is not proved hinders nobody.
        link_names.add(tx, Name(OTHER.id, "a.example.com", False, begin(1)))
        assert link_names.holder(tx, "a.example.com") == LINK.id
    with pytest.raises(ChangedMeanwhile), kept.write() as tx:
        (waiting,) = link_names.of_link(tx, OTHER.id)
        link_names.put_claim(tx, waiting, GOOD)
    with pytest.raises(ChangedMeanwhile), kept.write() as tx:
        links.add(tx, replace(LINK, id=LinkId("linkcccccccc")))


def test_the_domain_that_is_due_longest_is_first_and_given_names_are_never_due(kept: Database) -> None:
    with kept.write() as tx:
        link_names.add(tx, Name(LINK.id, "given.example.net", True, Claim("good", 1, 1)))
        link_names.add(tx, Name(LINK.id, "b.example.com", False, Claim("amber", 1, 30, 2, 25)))
        link_names.add(tx, Name(LINK.id, "a.example.com", False, Claim("good", 1, 20)))
        link_names.add(tx, Name(LINK.id, "c.example.com", False, Claim("given-up", 1, 5)))
    with kept.read() as tx:
        assert [name.name for name in link_names.due(tx, now_ns=30)] == ["a.example.com", "b.example.com"]
        assert link_names.due(tx, now_ns=19) == [] and link_names.next_due_ns(tx) == 20
        # Of those that count the one that was added first, though all came at one instant.
        _, amber, second, gone = link_names.of_link(tx, LINK.id)
        assert [second.name, gone.name] == ["a.example.com", "c.example.com"]
        assert amber.claim == Claim("amber", 1, 30, 2, 25)


def test_a_claim_that_somebody_changed_meanwhile_is_not_written(kept: Database) -> None:
    name = Name(LINK.id, "a.example.com", False, begin(1))
    with kept.write() as tx:
        link_names.add(tx, name)
        assert link_names.put_claim(tx, name, GOOD)
        assert not link_names.put_claim(tx, name, begin(99))
        assert link_names.of_link(tx, LINK.id) == [replace(name, claim=GOOD)]


def test_the_tokens_before_end_and_are_forgotten(kept: Database) -> None:
    with kept.write() as tx:
        for number in (1, 2, 3):
            links.add_token(tx, LINK.id, Token(number, f"{number}" * 64, "root", number, 50 if number == 1 else None))
        links.end_older(tx, LINK.id, 3, until_ns=100)
        links.rotate(tx, LINK.id, number=3, ends_older=True)
    with kept.read() as tx:
        assert [(token.number, token.until_ns) for token in links.tokens(tx, LINK.id)] == [(3, None), (2, 100), (1, 50)]
        assert links.every_token(tx) == {LINK.id: links.tokens(tx, LINK.id)}
        assert links.get(tx, LINK.id) == replace(LINK, token_number=3, ends_older=True)
    with kept.write() as tx:
        links.forget_tokens(tx, LINK.id, before_ns=51)
        assert [token.number for token in links.tokens(tx, LINK.id)] == [3, 2]


def test_a_push_is_open_until_the_newest_revision_is_taken(kept: Database) -> None:
    standing = LinkStanding(LINK.id, 2, [], False)
    with kept.write() as tx:
        assert link_pushes.open_ones(tx) == []
        links.want(tx, LINK.id, "{}", revision=2)
        (push,) = link_pushes.open_ones(tx)
        link_pushes.failed(tx, push, "away")
        link_pushes.took(tx, push, standing, revision=2, now_ns=9)
        # The answer to an older one that comes late.
        link_pushes.took(tx, push, replace_revision(standing), revision=1, now_ns=10)
        (after,) = link_pushes.of_link(tx, LINK.id)
        assert link_pushes.open_ones(tx) == []
        link_pushes.again(tx, push)
        assert [one.link for one in link_pushes.open_ones(tx)] == [LINK.id]
    assert (after.taken_revision, after.problem, after.standing, after.heard_ns) == (2, "", standing, 9)


def replace_revision(standing: LinkStanding) -> LinkStanding:
    return LinkStanding(standing.id, 1, [], False)


def test_a_removed_link_is_there_until_every_gateway_has_forgotten_it(kept: Database) -> None:
    with kept.write() as tx:
        link_names.add(tx, Name(LINK.id, "a.example.com", False, GOOD))
        links.add_token(tx, LINK.id, Token(1, "11" * 32, "root", 1))
        links.want(tx, OTHER.id, "{}", revision=1)
        links.mark_removed(tx, LINK.id, now_ns=7)
    with kept.write() as tx:
        assert links.of_installation(tx, NOTES) is None and links.of_account(tx, ADA) == [
            replace(OTHER, wanted="{}", revision=1)
        ]
        assert link_names.holder(tx, "a.example.com") is None and links.tokens(tx, LINK.id) == []
        # Before anything that is wanted, so that a name is free when somebody else is to have it.
        gone, _ = link_pushes.open_ones(tx)
        assert gone.link == LINK.id
        links.add(tx, replace(LINK, id=LinkId("linkcccccccc")))
        link_pushes.forget(tx, gone)
        links.forget(tx, LINK.id)
        links.forget(tx, OTHER.id)
        assert links.get(tx, LINK.id) is None and links.get(tx, OTHER.id) is not None


def test_a_links_place_is_its_installations(kept: Database) -> None:
    with kept.write() as tx:
        before = placements.lock(tx, NOTES)
        assert before is not None
        placements.save(tx, NOTES, before, placement.uninstall(before, 5))
    with kept.read() as tx:
        after = placements.get(tx, NOTES)
        found = links.places(tx)
        assert after is not None and installations.get(tx, NOTES) is not None
        epoch = after.lease.epoch
        assert found[LINK.id] == Place(f"{epoch.term}.{epoch.n}", True)
        assert links.places(tx, of=OTHER.id) == {OTHER.id: found[OTHER.id]} and not found[OTHER.id].trashed
