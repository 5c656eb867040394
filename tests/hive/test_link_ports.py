"""Raw ports of links: wished for, told to the gateway, shown with what it gave, and given back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.cli.link_view import port_line
from mosaic.core.errors import NotFound, Refused
from mosaic.core.ids import InstallationId
from mosaic.core.raw_ports import INNER_PORTS
from mosaic.hive.links import succession
from mosaic.hive.runtime import Hive
from mosaic.wire.link_api import LinkPort
from mosaic.wire.links import PublicPort
from support.link_world import LinkWorld, link_world
from support.running_hive import write_app
from support.waiting import eventually

pytestmark = pytest.mark.long

HOST = "gw.example.net"
FIRST, SECOND, *_ = INNER_PORTS


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    with link_world(tmp_path) as made:
        yield made


def had(world: LinkWorld) -> list[PublicPort]:
    """Return what the gateway was told last."""
    return world.at_gateway(world.link()).ports


def test_a_port_is_told_to_the_gateway_shown_with_what_it_gave_and_given_back(world: LinkWorld) -> None:
    world.add()
    world.add_port("tcp", 25565)
    world.add_port("udp", 25565, 27015)
    wished = [PublicPort("tcp", 0, FIRST, 25565), PublicPort("udp", 27015, SECOND, 25565)]
    eventually(lambda: had(world) == wished)
    shown = [LinkPort("tcp", 25565, 0, 20000, HOST), LinkPort("udp", 25565, 27015, 27015, HOST)]
    eventually(lambda: world.link().ports == shown)
    # A change of mind keeps the port within the tunnel.
    world.add_port("tcp", 25565, 25565)
    eventually(lambda: had(world) == [PublicPort("tcp", 25565, FIRST, 25565), wished[1]])
    world.remove_port("tcp", 25565)
    eventually(lambda: had(world) == wished[1:])
    world.add_port("tcp", 22)
    eventually(lambda: had(world) == [PublicPort("tcp", 0, FIRST, 22), wished[1]])
    assert [kind for kind in world.told() if "port" in kind].count("link-port-added") == 3
    assert world.told().count("link-port-removed") == 1


def test_a_port_that_cannot_be_had_says_why_holds_nothing_up_and_is_tried_again(world: LinkWorld) -> None:
    world.gateway.taken_ports.add(20007)
    world.add()
    world.add_port("tcp", 25, 20007)
    eventually(lambda: world.link().ports == [LinkPort("tcp", 25, 20007, None, HOST, "another link has it")])
    assert world.link().gateways[0].problem == ""
    world.gateway.taken_ports.clear()
    world.add_port("tcp", 25, 20007)
    eventually(lambda: world.link().ports == [LinkPort("tcp", 25, 20007, 20007, HOST)])


def test_a_port_that_another_program_of_the_gateways_machine_has_says_so(world: LinkWorld) -> None:
    world.gateway.closed.append(FIRST)
    world.add()
    world.add_port("tcp", 25, 20007)
    held = "another program on the gateway's machine has it"
    wanted = LinkPort("tcp", 25, 20007, 20007, HOST, held)
    seen: list[LinkPort] = []

    def is_told() -> bool:
        # Each later push makes it unknown for a moment again.
        seen[:] = world.link().ports
        return seen == [wanted]

    eventually(is_told)
    assert held in port_line(seen[0])


@pytest.mark.parametrize(
    ("named", "public", "code"),
    [(0, 0, "unusable"), (70000, 0, "unusable"), (25, -1, "unusable"), (25, 80, "not-offered")],
)
def test_what_is_no_port_or_not_the_gateways_is_refused(world: LinkWorld, named: int, public: int, code: str) -> None:
    world.add()
    with pytest.raises(Refused) as refused:
        world.add_port("tcp", named, public)
    assert refused.value.code == f"link-port-{code}"
    assert world.link().ports == []


def test_a_gateway_without_raw_ports_gets_no_wish_for_one(world: LinkWorld) -> None:
    world.gateway.port_range = None
    world.use_gateway()
    world.add()
    with pytest.raises(Refused, match="opens no raw ports"):
        world.add_port("tcp", 25)


def test_a_link_has_so_many_ports_and_no_more(world: LinkWorld) -> None:
    world.add()
    for number in range(len(INNER_PORTS)):
        world.add_port("tcp", 1000 + number)
    with pytest.raises(Refused, match="20 raw ports at most"):
        world.add_port("udp", 1)
    world.add_port("tcp", 1000, 20500)
    with pytest.raises(NotFound, match="no udp port 1000"):
        world.remove_port("udp", 1000)


def test_ports_go_with_their_link_and_over_to_the_app_that_takes_its_place(world: LinkWorld, tmp_path: Path) -> None:
    write_app(tmp_path / "catalog", "photos")
    newer = InstallationId(world.owner.install("photos").installation)
    link = world.add()
    world.add_port("tcp", 25)

    async def rekey(hive: Hive) -> None:
        older, now_ns = InstallationId(link.installation), hive.clock.wall_ns()
        await hive.write(lambda tx: succession.follow(tx, older, newer, now_ns=now_ns))

    world.hive.ask(rekey)
    assert [port.named for port in world.link("photos").ports] == [25]
    world.remove("photos")
    eventually(lambda: world.gateway.links == {})
