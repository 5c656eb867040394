"""An app that is given new keys, and a root key that is renewed: its link goes over, and its token is another one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters.sql import link_names, links
from mosaic.core.ids import AccountId, InstallationId
from mosaic.hive.links import succession, tokens
from mosaic.hive.runtime import Hive
from mosaic.wire.links import TokenHash
from support.link_world import LinkWorld, link_world
from support.running_hive import write_app
from support.waiting import eventually


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    with link_world(tmp_path) as made:
        yield made


def test_the_names_of_an_app_go_over_to_the_one_that_takes_its_place(world: LinkWorld, tmp_path: Path) -> None:
    write_app(tmp_path / "catalog", "photos")
    newer = InstallationId(world.owner.install("photos").installation)
    link = world.add()
    names = world.at_gateway(link).names

    async def follow(hive: Hive) -> None:
        older, now_ns = InstallationId(link.installation), hive.clock.wall_ns()
        await hive.write(lambda tx: succession.follow(tx, older, newer, now_ns=now_ns))

    world.hive.ask(follow)
    after = world.link("photos")
    assert after.id != link.id and [name.name for name in after.names] == names
    world.look()
    eventually(lambda: world.gateway.deleted == [link.id])
    assert world.at_gateway(after).names == names


def test_a_renewed_root_key_ends_every_token_that_follows_from_the_older_one(world: LinkWorld) -> None:
    link = world.add()
    eventually(lambda: world.at_gateway(link).tokens == [TokenHash(world.sha256(link, 1))])
    account = AccountId(world.owner.logged_in.account)

    async def renewed(hive: Hive) -> None:
        now_ns = hive.clock.wall_ns()
        await hive.write(lambda tx: tokens.root_was_renewed(tx, account, now_ns=now_ns))
        # Twice at once, as when it is renewed again before any Device has heard of the first: no number is skipped.
        await hive.write(lambda tx: tokens.root_was_renewed(tx, account, now_ns=now_ns))
        hive.connections.wake({world.device.id})

    world.hive.ask(renewed)
    eventually(lambda: world.at_gateway(link).tokens == [TokenHash(world.sha256(link, 2))])

    async def kept(hive: Hive) -> tuple[int, int]:
        return await hive.read(lambda tx: (len(links.of_account(tx, account)), len(link_names.every(tx))))

    assert world.hive.ask(kept) == (1, 1)
