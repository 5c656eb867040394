"""Apps on their Device's own network: what is told of it, and when; and names that come and go with what is open."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import anyio
import msgspec
import pytest

from mosaic.adapters.lan_interfaces import LanInterface, lan_interfaces
from mosaic.device import network
from mosaic.device.config import DeviceConfig
from mosaic.device.describe import Work
from mosaic.device.enrol import enrol
from mosaic.device.front import Front
from mosaic.device.identity import Identity
from mosaic.device.network import Network
from mosaic.device.records import Records
from mosaic.wire.api import Installation, Open
from mosaic.wire.assignment import Goal
from mosaic.wire.lan import LanState, LanWish, SetLan
from mosaic.wire.report import Report
from support.device_world import World, assignment, wants
from support.running_device import running_device
from support.running_hive import COMPOSE, PASSPHRASE, Owner, write_app
from support.unshared import free_port
from support.waiting import eventually

pytestmark = pytest.mark.long

CARD = LanInterface(socket.if_nametoindex("lo"), "lo", "127.0.0.77")
BUNDLE = "sha256:" + "0" * 64


def work(name: str, *, is_open: bool = True, goal: Goal = "run") -> Work:
    item = msgspec.structs.replace(assignment(BUNDLE, goal), name=name, installation=f"i-{name}", open=is_open)
    return Work(item.installation, item, None, True, None, False, [])


@dataclass
class OneNetwork:
    """The network of a Device of which only the works are there."""

    records: Records
    port: int
    works: list[Work] = field(default_factory=list)
    changes: int = 0

    def __post_init__(self) -> None:
        self.network = Network(
            self.records, lambda: self.works, self._changed, interfaces=lambda: [CARD], port=self.port
        )
        self.front = Front(DeviceConfig("attic", Path("/nowhere"), Path("/nowhere")), self.records, dict)

    def _changed(self) -> None:
        self.changes += 1

    def wish(self, **wish: bool) -> None:
        self.records.device = msgspec.structs.replace(self.records.device, lan=LanWish(**wish))
        self.look()

    def look(self) -> None:
        anyio.from_thread.run_sync(self.network.look, token=self.token)

    async def run(self) -> None:
        with anyio.CancelScope() as self.scope:
            self.token = anyio.lowlevel.current_token()
            await self.network.run()


@contextmanager
def one_network(folder: Path, *works: Work) -> Iterator[OneNetwork]:
    """Yield one that runs."""
    port = free_port(socket.SOCK_DGRAM)
    with Records(folder / "ledger") as records:
        made = OneNetwork(records, port, list(works))
        thread = Thread(target=lambda: anyio.run(made.run))
        thread.start()
        eventually(lambda: hasattr(made, "token"))
        try:
            yield made
        finally:
            anyio.from_thread.run_sync(made.scope.cancel, token=made.token)
            thread.join(60)
            assert not thread.is_alive()


def test_open_apps_have_names_once_they_are_wished_and_no_other_app_has(tmp_path: Path) -> None:
    with one_network(tmp_path, work("notes"), work("blog", is_open=False), work("chat", goal="stop")) as one:
        one.wish(names=True)
        eventually(lambda: one.network.names == {"notes": "notes.local"})
        assert one.changes > 0


def test_names_go_when_the_app_is_closed_and_when_they_are_wished_no_more(tmp_path: Path) -> None:
    with one_network(tmp_path, work("notes"), work("blog")) as one:
        one.wish(names=True)
        eventually(lambda: len(one.network.names) == 2)
        one.works = [work("notes", is_open=False), work("blog")]
        one.look()
        eventually(lambda: one.network.names == {"blog": "blog.local"})
        one.wish(names=False)
        eventually(lambda: one.network.names == {})


def test_https_is_for_open_apps_by_their_names_and_for_others_on_this_machine(tmp_path: Path) -> None:
    with one_network(tmp_path, work("notes"), work("blog", is_open=False)) as one:
        assert one.network.secured() is None
        one.wish(https=True)
        assert one.network.secured() == {}
        one.wish(https=True, names=True)
        eventually(lambda: one.network.secured() == {"notes": "notes.local"})
        # Before the name is taken back: whoever has it cached must not be let in any more.
        one.works = [work("notes", is_open=False)]
        assert one.network.secured() == {}


def test_a_device_that_starts_again_keeps_https_for_the_names_that_it_asks_the_network_about(tmp_path: Path) -> None:
    with one_network(tmp_path, work("notes"), work("blog")) as one:
        one.wish(https=True, names=True)
        eventually(lambda: len(one.network.names) == 2)
    with Records(tmp_path / "ledger") as records:
        again = OneNetwork(records, 1, [work("notes"), work("blog", is_open=False)])
        # It has no name yet, and nobody who knows the name is refused for that.
        assert again.network.names == {} and again.network.secured() == {"notes": "notes.local"}
        records.device = msgspec.structs.replace(records.device, lan=LanWish(https=True))
        assert again.network.secured() == {}


def test_the_machines_addresses_are_told_only_while_an_app_is_open(tmp_path: Path) -> None:
    with one_network(tmp_path, work("notes", is_open=False)) as one:
        assert one.network.state(one.front).addresses == []
        one.works = [work("notes")]
        one.look()
        eventually(lambda: one.network.state(one.front).addresses == [CARD.address])
        one.works = [work("notes", is_open=False)]
        assert one.network.state(one.front).addresses == []


def test_a_port_that_another_program_keeps_for_itself_is_said(tmp_path: Path) -> None:
    with one_network(tmp_path, work("notes")) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", one.port))
        one.wish(names=True)
        eventually(lambda: "no name can be had" in one.network.state(one.front).problem)
        assert one.network.names == {}


def test_what_kept_names_away_is_not_said_any_more_once_they_are_there_or_not_wished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "LOOK_SECONDS", 0.1)
    with one_network(tmp_path, work("notes")) as one:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("", one.port))
            one.wish(names=True)
            eventually(lambda: one.network.state(one.front).problem != "")
            one.wish(names=False)
            eventually(lambda: one.network.state(one.front).problem == "")
            one.wish(names=True)
            eventually(lambda: one.network.state(one.front).problem != "")
        eventually(lambda: one.network.names == {"notes": "notes.local"})
        assert one.network.state(one.front).problem == ""


def opened_after(folder: Path, taken_at: str | None) -> tuple[int, int]:
    """Have an app run on loopback, and then open. Return its ports before and after.

    At that address of the machine another program has its port meanwhile, None for no such program.
    """
    world = World(folder)
    before = world.run(wants(assignment(world.publish(), "run"))).report().ports[0]
    volumes = list(world.hive.registered.values())
    item = assignment(world.publish(), "run", volumes=volumes, open=True, restart_count=1)
    with ExitStack() as other:
        if taken_at is not None:
            other.enter_context(socket.create_server((taken_at, before.host_port)))
        after = world.run(wants(item, revision=2)).report().ports
    assert {port.host_ip for port in after} == {"0.0.0.0"}
    return before.host_port, after[0].host_port


def test_an_app_that_is_opened_keeps_its_port_unless_another_program_has_it_on_the_network(tmp_path: Path) -> None:
    own = lan_interfaces()
    if not own:
        pytest.skip("this machine has no network")
    (tmp_path / "free").mkdir()
    (tmp_path / "taken").mkdir()
    before, after = opened_after(tmp_path / "free", None)
    assert after == before
    before, after = opened_after(tmp_path / "taken", own[0].address)
    assert after != before


@pytest.fixture
def identity(owner: Owner, tmp_path: Path) -> Identity:
    (tmp_path / "attic").mkdir()
    return enrol(tmp_path / "attic", owner.join_token(), "attic", passphrase=PASSPHRASE)


def told(owner: Owner) -> Report:
    with owner.client() as client:
        return client.get("/api/devices/attic/report", Report)


def open_notes(owner: Owner, *, is_open: bool) -> None:
    with owner.client() as client:
        client.send("POST", "/api/installations/notes/open", Open(is_open), Installation)


def network_urls(owner: Owner) -> list[str]:
    return [url for seen in told(owner).installations for url in seen.network_urls]


def test_an_app_that_is_opened_is_told_with_its_addresses_on_the_network_and_closed_without(
    owner: Owner, identity: Identity, tmp_path: Path
) -> None:
    own = [one.address for one in lan_interfaces()]
    web = COMPOSE.replace("    image: notes:1\n", '    image: notes:1\n    ports: ["8080"]\n')
    write_app(tmp_path / "hive" / "catalog", compose=web)
    with running_device(tmp_path / "attic", identity):
        eventually(lambda: owner.devices()[0].connected)
        owner.install()
        eventually(lambda: [one.phase for one in told(owner).installations] == ["running"])
        assert (network_urls(owner), told(owner).lan.addresses) == ([], [])
        assert not any(address in str(told(owner)) for address in own)
        assert {port.host_ip for seen in told(owner).installations for port in seen.ports} == {"127.0.0.1"}

        open_notes(owner, is_open=True)
        eventually(lambda: bool(network_urls(owner)) == bool(own) and told(owner).lan.addresses == own)
        (seen,) = told(owner).installations
        assert network_urls(owner) == [f"http://{address}:{seen.ports[0].host_port}" for address in own]

        open_notes(owner, is_open=False)
        eventually(lambda: (network_urls(owner), told(owner).lan.addresses) == ([], []))


def test_what_is_wished_of_a_network_is_kept_by_the_device(owner: Owner, identity: Identity, tmp_path: Path) -> None:
    with running_device(tmp_path / "attic", identity):
        eventually(lambda: owner.devices()[0].connected)
        with owner.client() as client:
            answered = client.send("PUT", "/api/devices/attic/lan", SetLan(https=True), LanState)
            assert answered.wish == LanWish(https=True, names=False)
            # What is not said stays as it is.
            answered = client.send("PUT", "/api/devices/attic/lan", SetLan(names=True), LanState)
            assert answered.wish == LanWish(https=True, names=True)
        eventually(lambda: told(owner).lan.wish == LanWish(https=True, names=True))
    with Records(tmp_path / "attic" / "device.ledger") as records:
        assert records.device.lan == LanWish(https=True, names=True)
