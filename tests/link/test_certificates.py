"""Certificates of links by ACME, end to end: a home behind its router, a gateway elsewhere, and Pebble.

Only names are simulated; gateway, link, tunnel, Caddy and authority are the programs.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.netns.whole_world import WholeWorld, echoes, whole_world
from support.waiting import eventually

pytestmark = [pytest.mark.netns, pytest.mark.acme, pytest.mark.long]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeWorld]:
    with whole_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.mark.parametrize("challenge", ["tls-alpn", "http"])
@pytest.mark.parametrize("mode", ["userspace", "tcp"])
def test_a_new_link_is_believed_by_its_visitors_and_its_app_is_told_who_they_are(
    world: WholeWorld, mode: str, challenge: str
) -> None:
    link, orders = world.publish(f"{challenge}-{mode}"), world.authority.orders()
    running = world.start(link, world.app(), LINK_MODE=mode, certificates={"challenges": [challenge]})
    running.wait_until_ready(mode)
    seen = world.visit(running.name)
    assert (seen.status, f'"x-forwarded-for": "{world.network.neighbour_wire.address}"' in seen.body) == (200, True)
    assert world.authority.orders() == orders + 1
    running.stop()


def test_another_machine_with_the_links_volume_shows_the_same_certificate_without_an_order(
    world: WholeWorld, tmp_path: Path
) -> None:
    link, elsewhere = world.publish("moved"), world.another_home("elsewhere")
    first = world.start(link, world.app(), volume=tmp_path, LINK_EPOCH="1.1").wait_until_ready()
    shown, orders = world.certificate(first.name), world.authority.orders()
    # The machine that it ran on is silent, not stopped: nobody says goodbye.
    world.network.router.outer.unplug()
    second = world.start(link, world.app(elsewhere), at=elsewhere, volume=tmp_path, LINK_EPOCH="2.1")
    second.wait_until_ready()
    assert world.visit(second.name).status == 200
    assert (world.certificate(second.name), world.authority.orders()) == (shown, orders)
    # And when it comes back, it learns that the link is another's now.
    world.network.router.outer.plug_in()
    assert first.child.wait(120) == 3, first.log()
    assert world.is_reached(second.name)
    second.stop()


def test_a_certificate_that_is_good_for_seconds_is_renewed_and_open_connections_stay(world: WholeWorld) -> None:
    authority = world.another_authority("short-lived", valid_seconds=6)
    often = {"renewal_look": "500ms"}
    running = world.start(world.publish("short"), world.app(), by=authority, certificates=often).wait_until_ready()
    shown = world.certificate(running.name)
    with world.web_socket(running.name) as line:
        eventually(lambda: world.certificate(running.name) != shown, seconds=120, seen=running.log)
        assert echoes(line, b"still here")
    assert authority.orders() >= 2
    running.stop()
