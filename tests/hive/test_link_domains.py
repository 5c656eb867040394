"""Owners' own domains: whose they are is proved in DNS, in one spelling, and looked at again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters.sql import installations, placements
from mosaic.adapters.sql.engine import Tx
from mosaic.core import lease, placement
from mosaic.core.errors import Conflict, MosaicError, Refused
from mosaic.core.ids import AccountId, InstallationId
from mosaic.hive.runtime import Hive
from mosaic.wire.link_api import Link, LinkName
from support.link_world import DAY, LinkWorld, link_world
from support.pushed_gateway import BASE
from support.running_hive import Owner, write_app
from support.second_account import second_account
from support.waiting import eventually

pytestmark = pytest.mark.long

HOUR = 3600.0
DOMAIN = "notes.example.com"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    with link_world(tmp_path) as made:
        yield made


@pytest.fixture
def other(world: LinkWorld) -> Owner:
    """Somebody else on the same Hive, with an app called photos on a Device."""
    bob = second_account(world.hive)

    async def install(hive: Hive) -> None:
        def write(tx: Tx) -> None:
            (ours,) = installations.of_account(tx, AccountId(world.owner.logged_in.account))
            theirs = AccountId(bob.logged_in.account)
            made = installations.Installation(
                InstallationId("photos234567"), theirs, "photos", ours.app, ours.app_digest, {}, 1, False, {}, [], 0, 1
            )
            placements.add(tx, made, placement.install(lease.new_lease({}), world.device.id, 1))

        await hive.write(write)

    world.hive.ask(install)
    return bob


def names_at_gateway(world: LinkWorld) -> set[str]:
    return {name for link in world.gateway.links.values() for name in link.names}


def theirs(world: LinkWorld, other: Owner, domain: str) -> LinkName:
    """Have the other account claim a domain."""
    link = world.add(domain, app="photos", who=other)
    return next(one for one in link.names if one.name == domain.lower().removesuffix("."))


def test_a_domain_counts_only_after_its_proof(world: LinkWorld) -> None:
    link = world.add(DOMAIN)
    name = next(one for one in link.names if one.name == DOMAIN)
    assert name.state == "waiting" and name.proof is not None
    assert name.proof.txt_name == f"_link-challenge.{DOMAIN}"
    assert world.at_gateway(link).names == [link.names[0].name]
    world.dns.records[name.proof.txt_name, "TXT"] = ['"something else"', f'"{name.proof.txt_value}"']
    world.look(seconds=60)
    assert world.name(DOMAIN).state == "good"
    assert set(world.at_gateway(link).names) == {DOMAIN, link.names[0].name}
    assert world.told() == ["link-added", "link-name-added", "link-name-proved"]


def test_a_cname_to_the_accounts_own_name_proves_a_domain(world: LinkWorld) -> None:
    link = world.add(DOMAIN)
    proof = world.name(DOMAIN).proof
    assert proof is not None and proof.cname == link.names[0].name
    world.dns.records[DOMAIN, "CNAME"] = [f"{proof.cname.upper()}."]
    assert next(one for one in world.add(DOMAIN).names if one.name == DOMAIN).state == "good"


def test_a_cname_or_a_record_of_another_account_proves_nothing(world: LinkWorld, other: Owner) -> None:
    own = world.add().names[0].name
    world.dns.records[DOMAIN, "CNAME"] = [f"{own}."]
    assert theirs(world, other, DOMAIN).state == "waiting"
    world.write_txt("b.example.com")
    assert theirs(world, other, "b.example.com").state == "waiting"
    world.look(seconds=HOUR)
    assert names_at_gateway(world) & {DOMAIN, "b.example.com"} == set()


def test_nobody_takes_a_proved_domain_over_in_any_spelling(world: LinkWorld, other: Owner) -> None:
    world.write_txt(DOMAIN)
    link = world.add(DOMAIN)
    # Even with a proof of their own, which whoever has the domain now could write.
    world.write_txt(DOMAIN, who=other)
    for spelled in (DOMAIN, "NOTES.Example.COM", f"{DOMAIN}."):
        assert theirs(world, other, spelled).state == "taken"
    world.look(seconds=HOUR)
    assert [one.names for one in world.gateway.links.values() if DOMAIN in one.names] == [world.at_gateway(link).names]


def test_who_has_a_domain_now_has_it_here_when_the_older_proof_was_gone_for_long(
    world: LinkWorld, other: Owner
) -> None:
    world.write_txt(DOMAIN)
    link = world.add(DOMAIN)
    world.write_txt(DOMAIN, who=other)
    assert theirs(world, other, DOMAIN).state == "taken"
    world.look(seconds=2 * DAY)
    assert world.name(DOMAIN).state == "amber" and DOMAIN in world.at_gateway(link).names
    for _ in range(9 * 4):
        world.look(seconds=6 * HOUR)
    with other.client() as client:
        found = client.get("/api/installations/photos/link", Link)
    assert [one.state for one in found.names if one.name == DOMAIN] == ["good"]
    assert world.name(DOMAIN).state == "taken"
    eventually(lambda: DOMAIN in world.gateway.links[found.id].names)
    assert DOMAIN not in world.gateway.links[link.id].names


def test_names_under_a_gateways_domain_are_the_accounts_whose_label_they_have(world: LinkWorld, other: Owner) -> None:
    own = world.add(label="brave-otter").names[0].name
    world.add(app="photos", label="sunny-river", who=other)
    for foreign in (own, own.upper(), f"{own}.", f"x.{own}", "x.brave-otter." + BASE, "brave-otter." + BASE, BASE,
                    "someone." + BASE, "gw.example.net", "x.gw.example.net"):  # fmt: skip
        with pytest.raises(Refused) as refused:
            world.add(foreign, app="photos", who=other)
        assert refused.value.code == "name-of-another", foreign
    link = world.add(f"Journal.brave-otter.{BASE}.")
    eventually(lambda: f"journal.brave-otter.{BASE}" in world.at_gateway(link).names)


@pytest.mark.parametrize(
    ("domain", "code"),
    [
        ("192.168.1.10", "domain-name-unusable"),
        ("nas.local", "domain-name-unusable"),
        ("com", "domain-name-unusable"),
        ("xn--pple-43d.com", "domain-name-unusable"),
        ("bücher.example", "domain-name-unusable"),
        ("*.example.com", "link-wildcard-not-served"),
    ],
)
def test_what_cannot_be_a_public_name_is_refused_and_nothing_is_made(world: LinkWorld, domain: str, code: str) -> None:
    with pytest.raises(MosaicError) as refused:
        world.add(domain)
    assert refused.value.code == code
    with world.owner.client() as client:
        assert client.get("/api/links", list[object]) == []


def test_a_lost_proof_is_told_and_told_again_before_the_name_is_withdrawn(world: LinkWorld) -> None:
    world.write_txt(DOMAIN)
    link = world.add(DOMAIN)
    eventually(lambda: DOMAIN in world.at_gateway(link).names)
    world.dns.records.clear()
    world.look(seconds=DAY + HOUR)
    name = world.name(DOMAIN)
    assert name.state == "amber" and name.ends_ns == world.clock.wall_ns() + int(7 * DAY * 1e9)
    while world.clock.wall_ns() < name.ends_ns - int(HOUR * 1e9):
        world.look(seconds=6 * HOUR)
        if world.clock.wall_ns() < name.ends_ns:
            assert DOMAIN in world.at_gateway(link).names
    for _ in range(26):
        world.look(seconds=HOUR)
    assert world.name(DOMAIN).state == "withdrawn" and DOMAIN not in world.at_gateway(link).names
    assert world.told()[-3:] == ["link-name-doubtful", "link-name-doubtful", "link-name-withdrawn"]
    # Adding it again, with the record back, has it as before.
    world.write_txt(DOMAIN)
    world.add(DOMAIN)
    assert world.name(DOMAIN).state == "good"
    eventually(lambda: DOMAIN in world.at_gateway(link).names)


def test_an_outage_of_dns_takes_no_name_away(world: LinkWorld) -> None:
    world.write_txt(DOMAIN)
    link = world.add(DOMAIN)
    world.dns.mood = "failing"
    for _ in range(20):
        world.look(seconds=DAY)
    assert world.name(DOMAIN).state == "good" and DOMAIN in world.at_gateway(link).names
    world.dns.mood = "well"
    world.look(seconds=DAY)
    assert world.told()[-1] == "link-name-proved"


def test_a_domain_is_taken_off_and_is_another_links_then(world: LinkWorld, tmp_path: Path) -> None:
    write_app(tmp_path / "catalog", "photos")
    world.owner.install("photos")
    world.write_txt(DOMAIN)
    link = world.add(DOMAIN)
    with pytest.raises(Conflict) as refused:
        world.add(DOMAIN, app="photos")
    assert (
        refused.value.code == "link-name-in-use" and f"mosaic link remove notes --domain {DOMAIN}" in refused.value.hint
    )
    world.remove(domain=DOMAIN.upper())
    after = world.add(DOMAIN, app="photos")
    eventually(lambda: after.id in world.gateway.links and DOMAIN in world.gateway.links[after.id].names)
    assert world.at_gateway(link).names == [link.names[0].name]


def test_a_domain_of_an_app_in_the_trash_is_taken_off_as_the_refusal_says(world: LinkWorld, tmp_path: Path) -> None:
    write_app(tmp_path / "catalog", "photos")
    world.owner.install("photos")
    world.add(DOMAIN)
    trashed = world.owner.uninstall()
    with pytest.raises(Conflict) as refused:
        world.add(DOMAIN, app="photos")
    assert f"mosaic link remove {trashed.installation} --domain {DOMAIN}" in refused.value.hint
    world.remove(trashed.installation, domain=DOMAIN)
    assert DOMAIN in {one.name for one in world.add(DOMAIN, app="photos").names}


def test_the_name_that_the_app_is_told_stays_the_first_whatever_name_is_added(world: LinkWorld) -> None:
    own = world.add(label="brave-otter").names[0].name
    earlier = f"a-journal.brave-otter.{BASE}"
    world.look(seconds=60)
    assert [name.name for name in world.add(earlier).names] == [own, earlier]
    world.write_txt("a.example.com")
    world.add("a.example.com")
    assert _told_names(world) == [own, earlier, "a.example.com"]
    # Of those that are left, the one that has counted longest comes next, and one that is added again comes last.
    world.remove(domain=own)
    assert world.link().names[0].name == earlier and earlier in world.owner.happened()[-1].text
    world.look(seconds=60)
    world.add(own)
    assert _told_names(world) == [earlier, "a.example.com", own]


def _told_names(world: LinkWorld) -> list[str]:
    """Return the names that the Device is told when it was told as many as there are, in their order."""
    names = [name.name for name in world.link().names]

    def told() -> list[str]:
        assigned = world.device.assigned("notes")
        return assigned.link.names if assigned is not None and assigned.link is not None else []

    eventually(lambda: set(told()) == set(names))
    return told()
