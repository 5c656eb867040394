"""Links of a Hive: made, told to gateways until they have them, given other tokens, and taken away."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.core.errors import Conflict, NotFound, Refused
from mosaic.core.ids import AccountId, LinkId
from mosaic.crypto import link_tokens
from mosaic.hive.links import tokens
from mosaic.hive.runtime import Hive
from mosaic.wire.device_links import LinkTokenHash
from mosaic.wire.link_api import AddGateway, LinkGateway
from mosaic.wire.links import LinkStanding, TokenHash
from support.fake_device import FakeDevice
from support.link_world import DAY, LinkWorld, database_bytes, link_world
from support.postgres import new_database, postgres_server
from support.pushed_gateway import BASE, link_gateway
from support.running_hive import write_app
from support.second_account import second_account
from support.waiting import eventually

pytestmark = pytest.mark.long


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    with link_world(tmp_path) as made:
        yield made


def with_token(world: LinkWorld, number: int = 1) -> None:
    """Wait until the gateway knows the token of that number."""
    link = world.link()
    eventually(lambda: world.sha256(link, number) in {one.sha256 for one in world.at_gateway(link).tokens})


def test_a_link_has_a_name_under_the_accounts_label_and_a_token_that_its_device_made(world: LinkWorld) -> None:
    link = world.add(label="brave-otter")
    with_token(world)
    wanted = world.at_gateway(link)
    assert wanted.names == [f"notes.brave-otter.{BASE}"] == [name.name for name in link.names]
    assert wanted.tokens == [TokenHash(world.sha256(link, 1))]
    assert wanted.epoch == world.owner.installation().epoch and wanted.account == world.owner.logged_in.account
    assert world.gateway.unsigned == []
    told = world.device.assigned("notes")
    assert told is not None and told.link is not None
    assert (told.link.id, told.link.names, told.link.gateway) == (link.id, wanted.names, world.gateway.url)
    assert world.link().token_known and world.link().gateways[0].taken


def test_a_link_runs_on_under_its_epoch_when_its_device_starts_again_and_gets_another_with_another_device(
    world: LinkWorld,
) -> None:
    link = world.add()
    first = world.at_gateway(link).epoch
    before = world.owner.installation().epoch
    world.device.restart()
    eventually(lambda: world.owner.installation().epoch != before and world.owner.installation().phase == "settled")
    # A change that gateways are told of with the epoch.
    world.rotate()
    with_token(world, 2)
    assert world.at_gateway(link).epoch == first == assigned_epoch(world.device)

    cellar = FakeDevice("cellar", root=world.device.root)
    cellar.join(world.owner.join_token())
    cellar.connect()
    try:
        world.owner.move("cellar")
        eventually(lambda: world.at_gateway(link).epoch != first)
        eventually(lambda: assigned_epoch(cellar) == world.at_gateway(link).epoch == world.owner.installation().epoch)
    finally:
        cellar.disconnect()


def assigned_epoch(device: FakeDevice) -> str | None:
    """Return under which epoch the Device's link shall register."""
    told = device.assigned("notes")
    return told.link.epoch if told is not None and told.link is not None else None


def test_nothing_that_the_hive_keeps_has_a_tokens_secret(world: LinkWorld, tmp_path: Path) -> None:
    link = world.add()
    with_token(world)
    world.rotate()
    with_token(world, 2)
    kept = database_bytes(tmp_path)
    assert link.id.encode() in kept
    for number in (1, 2):
        token = link_tokens.derive(world.device.root, LinkId(link.id), number)
        assert link_tokens.hash_of(token).encode() in kept
        assert token.secret.encode() not in kept and bytes.fromhex(token.secret) not in kept


def test_two_random_words_are_the_accounts_part_and_stay_it(world: LinkWorld, tmp_path: Path) -> None:
    write_app(tmp_path / "catalog", "photos")
    first = world.add()
    world.owner.install("photos")
    second = world.add(app="photos")
    label = first.names[0].name.split(".")[1]
    assert label.count("-") == 1 and second.names[0].name == f"photos.{label}.{BASE}"
    with pytest.raises(Conflict, match="chosen once") as refused:
        world.add(label="sunny-river")
    assert refused.value.code == "link-label-chosen"
    other = second_account(world.hive)
    with pytest.raises(NotFound), other.client():
        world.add(label=label, who=other)


def test_a_gateway_that_is_away_gets_the_newest_wish_when_it_is_back_and_never_an_older_one(world: LinkWorld) -> None:
    link = world.add()
    with_token(world)
    before = len(world.gateway.put)
    world.gateway.stop()
    for domain in ("a.example.com", "b.example.com", "c.example.com"):
        world.write_txt(domain)
        world.add(domain)
    world.remove(domain="a.example.com")
    eventually(lambda: world.link().gateways[0].problem != "")
    world.gateway.start()
    world.look(seconds=60)
    eventually(lambda: world.link().gateways[0].taken)
    told = [wanted for _, wanted in world.gateway.put[before:]]
    # Nothing that was wanted in between: each of those wishes had `a.example.com`, or lacked `c.example.com`.
    assert [one for one in told if "a.example.com" in one.names or "c.example.com" not in one.names] == []
    assert set(told[-1].names) == {link.names[0].name, "b.example.com", "c.example.com"}
    revisions = [wanted.revision for _, wanted in world.gateway.put]
    assert revisions == sorted(revisions)


def test_a_hive_that_is_started_again_tells_what_it_had_not_told(world: LinkWorld) -> None:
    world.gateway.stop()
    link = world.add()
    world.device.disconnect()
    world.hive.stop()
    world.gateway.start()
    world.hive.start()
    assert world.at_gateway(link).names == [link.names[0].name]


def test_a_removal_reaches_the_gateway_though_it_was_away(world: LinkWorld) -> None:
    link = world.add()
    with_token(world)
    world.gateway.stop()
    world.remove()
    with pytest.raises(NotFound):
        world.link()
    again = world.add()
    world.gateway.start()
    world.look(seconds=60)
    eventually(lambda: again.id in world.gateway.links)
    assert world.gateway.deleted == [link.id] and set(world.gateway.links) == {again.id}
    assert world.told()[:3] == ["link-added", "link-removed", "link-added"]


def test_a_rotated_token_overlaps_with_the_one_before_and_then_ends(world: LinkWorld) -> None:
    link = world.add()
    with_token(world)
    world.device.obedient = False
    assert world.rotate().token == 2
    world.look()
    # As long as nobody has the next one, the one before is good without an end.
    assert world.at_gateway(link).tokens == [TokenHash(world.sha256(link, 1))]
    world.device.obedient = True
    world.device.obey()
    world.device.report()
    with_token(world, 2)
    ends = world.clock.wall_ns() / 1e9 + DAY
    assert world.at_gateway(link).tokens == [TokenHash(world.sha256(link, 2)), TokenHash(world.sha256(link, 1), ends)]
    world.look(seconds=DAY + 1)
    assert world.at_gateway(link).tokens == [TokenHash(world.sha256(link, 2))]


def test_a_token_can_end_as_soon_as_the_next_one_is_known(world: LinkWorld) -> None:
    link = world.add()
    with_token(world)
    world.rotate(now=True)
    eventually(lambda: world.at_gateway(link).tokens == [TokenHash(world.sha256(link, 2))])


def test_only_the_first_hash_of_the_device_that_has_the_app_counts(world: LinkWorld) -> None:
    link = world.add()
    with_token(world)
    good = world.at_gateway(link).tokens
    forged = LinkTokenHash(link.id, 1, "ab" * 32, world.device.link_tokens[0].root_id)
    world.device.obedient = False
    world.device.link_tokens = [forged]
    world.device.report()
    stranger = second_account(world.hive)

    async def heard(hive: Hive) -> bool:
        report = next(iter(hive.connections.heard().values())).report
        account = AccountId(stranger.logged_in.account)
        return await hive.write(lambda tx: tokens.hear(tx, account, world.device.id, report, now_ns=1))

    eventually(lambda: world.hive.ask(lambda hive: _has_heard(hive, forged)))
    assert world.hive.ask(heard) is False
    world.look()
    assert world.at_gateway(link).tokens == good
    of_another_root = LinkTokenHash(link.id, 2, "cd" * 32, "another root key")
    world.device.link_tokens = [of_another_root]
    world.rotate()
    world.device.report()
    eventually(lambda: world.hive.ask(lambda hive: _has_heard(hive, of_another_root)))
    world.look()
    assert world.at_gateway(link).tokens == good


async def _has_heard(hive: Hive, told: LinkTokenHash) -> bool:
    return any(told in heard.report.link_tokens for heard in hive.connections.heard().values())


def test_an_app_in_the_trash_is_reached_by_nobody_and_comes_back_with_its_names(world: LinkWorld) -> None:
    link = world.add()
    with_token(world)
    trashed = world.owner.uninstall()
    world.look()
    eventually(lambda: world.at_gateway(link).names == [] and world.at_gateway(link).tokens == [])
    eventually(lambda: world.owner.trash()[0].saved)
    world.owner.restore(trashed.installation)
    world.look()
    assert world.at_gateway(link).names == [link.names[0].name]


def test_one_link_that_is_refused_holds_up_no_other(world: LinkWorld, tmp_path: Path) -> None:
    write_app(tmp_path / "catalog", "photos")
    world.owner.install("photos")
    link = world.add()
    world.at_gateway(link)
    world.gateway.refuses[link.id] = 403, "name-not-of-hive"
    world.write_txt("a.example.com")
    world.add("a.example.com")
    other = world.add(app="photos")
    assert world.at_gateway(other).names == [other.names[0].name]
    eventually(lambda: "name-not-of-hive" in world.link().gateways[0].problem)
    world.gateway.refuses.clear()
    world.look(seconds=120)
    assert "a.example.com" in world.at_gateway(link).names and world.link().gateways[0].problem == ""


def test_a_gateway_that_lost_its_database_is_told_again(world: LinkWorld) -> None:
    link = world.add()
    with_token(world)
    world.gateway.links.clear()
    world.look(seconds=120)
    world.look()
    assert world.at_gateway(link).tokens == [TokenHash(world.sha256(link, 1))]


def test_a_gateway_whose_answer_does_not_end_holds_up_no_other(world: LinkWorld) -> None:
    link = world.add()
    with_token(world)
    ended = threading.Event()
    with link_gateway() as other, world.owner.client() as client:
        other.allowed.add(world.own().key.public)
        other.now, other.drips = world.gateway.now, ended
        try:
            client.send("POST", "/api/link-gateways", AddGateway(other.url), LinkGateway)
            eventually(lambda: other.dripping)
            world.rotate()
            with_token(world, 2)
            assert len(world.at_gateway(link).tokens) == 2
        finally:
            ended.set()


def test_whoever_looks_at_a_link_sees_what_its_gateway_says_now(world: LinkWorld) -> None:
    link = world.add()
    with_token(world)
    eventually(lambda: standing_of(world) is not None)
    world.gateway.registered.add(link.id)
    world.clock.advance(10)
    now = standing_of(world)
    assert now is not None and now.registered
    assert world.link().gateways[0].heard_ns == world.clock.wall_ns()


@pytest.mark.parametrize("how", ["stopped", "silent"])
def test_a_gateway_that_does_not_answer_holds_nobody_up_who_looks_and_its_last_word_has_its_age(
    world: LinkWorld, how: str
) -> None:
    world.add()
    with_token(world)
    eventually(lambda: standing_of(world) is not None)
    heard_ns = world.link().gateways[0].heard_ns
    ended = threading.Event()
    try:
        if how == "stopped":
            world.gateway.stop()
        else:
            world.gateway.drips = ended
        world.clock.advance(10)
        assert standing_of(world) is not None and world.link().gateways[0].heard_ns == heard_ns
    finally:
        ended.set()


def standing_of(world: LinkWorld) -> LinkStanding | None:
    return world.link().gateways[0].standing


@pytest.mark.parametrize("ahead_by", [1, 1000])
def test_a_hive_from_an_older_copy_goes_on_above_what_the_gateway_has(world: LinkWorld, ahead_by: int) -> None:
    link = world.add()
    with_token(world)
    known = world.gateway.links[link.id]
    ahead = type(known)(known.revision + ahead_by, known.account, ["old.example.com"], known.tokens)
    world.gateway.links[link.id] = ahead
    world.write_txt("a.example.com")
    world.add("a.example.com")
    eventually(lambda: world.link().gateways[0].problem != "" or world.link().gateways[0].taken)
    for _ in range(3):
        world.look(seconds=120)
    wanted = world.at_gateway(link)
    assert (
        wanted.revision > ahead.revision and "a.example.com" in wanted.names and "old.example.com" not in wanted.names
    )


@pytest.mark.postgres
def test_all_of_it_holds_on_postgresql(tmp_path: Path) -> None:
    with postgres_server() as server, link_world(tmp_path, database_url=new_database(server)) as world:
        link = world.add()
        with_token(world)
        world.write_txt("a.example.com")
        world.add("a.example.com")
        world.rotate(now=True)
        with_token(world, 2)
        eventually(lambda: "a.example.com" in world.at_gateway(link).names)
        world.remove()
        eventually(lambda: world.gateway.deleted == [link.id])


def test_a_link_needs_a_gateway_that_lets_the_hive_in(world: LinkWorld) -> None:
    world.gateway.allowed.clear()
    found = world.use_gateway()
    assert found.about is None and "hive-not-allowed" in found.problem
    assert found.hive_key == world.own().key.public
    with pytest.raises(Refused) as refused:
        world.add()
    assert refused.value.code == "no-gateway" and f"mosaic link gateway add {world.gateway.url}" in refused.value.hint
    world.gateway.allowed.add(world.own().key.public)
    assert world.use_gateway().about is not None
    world.at_gateway(world.add())


def test_only_the_account_that_set_the_hive_up_changes_its_gateways(world: LinkWorld) -> None:
    with pytest.raises(Refused) as refused:
        world.use_gateway(second_account(world.hive))
    assert refused.value.code == "gateways-not-yours"


def test_a_gateway_with_links_is_not_removed(world: LinkWorld) -> None:
    link = world.add()
    with world.owner.client() as client:
        with pytest.raises(Conflict) as refused:
            client.order("DELETE", "/api/link-gateways/gw")
        assert refused.value.code == "link-gateway-in-use"
        world.remove()
        eventually(lambda: world.gateway.deleted == [link.id])
        eventually(lambda: _removed(world))


def _removed(world: LinkWorld) -> bool:
    with world.owner.client() as client:
        try:
            client.order("DELETE", "/api/link-gateways/gw")
        except Conflict:
            # The gateway has forgotten it, and the Hive is about to note that.
            return False
    return True


def test_who_rotates_often_has_the_newest_tokens_alone(world: LinkWorld) -> None:
    link = world.add()
    with_token(world)
    for number in range(2, 8):
        world.rotate()
        with_token(world, number)
    assert [one.sha256 for one in world.at_gateway(link).tokens] == [world.sha256(link, n) for n in (7, 6, 5, 4, 3)]


def test_an_app_that_runs_without_a_service_that_is_a_link_says_so(world: LinkWorld) -> None:
    world.add()
    eventually(lambda: not world.link().lacks_service)
    world.device.has_link_service = False
    world.device.report()
    eventually(lambda: world.link().lacks_service)
    world.device.has_link_service = True
    world.device.report()
    eventually(lambda: not world.link().lacks_service)
