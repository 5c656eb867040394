"""A Device with an app is removed: the app goes on elsewhere, and what anybody kept of the Device opens nothing."""

import os
import signal
from collections.abc import Iterator
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest

from e2e.world import World, eventually, read_notes, write_note
from mosaic.adapters.channel import open_channel
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import read_note
from mosaic.core.ids import SessionId
from mosaic.device import identity as identities
from mosaic.device.identity import Identity
from mosaic.device.session import TurnedAway, shake_hands
from support.at_engine import docker
from support.overheard import Overheard, overheard
from support.ran import Json

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

SHED = "shed"
PHOTO = b"a photo" * 1000


@pytest.fixture
def line(world: World) -> Iterator[Overheard]:
    """What the Device says to its Hive, whoever listens."""
    with overheard(urlsplit(world.home.address.read_text().strip()).port or 0) as made:
        yield made


def test_the_app_moves_with_its_data_and_neither_key_nor_token_of_the_device_is_worth_anything(
    world: World, line: Overheard
) -> None:
    device, passphrase = Layout(world.folder / SHED), str(world.folder / "passphrase")
    added = world.ok("device", "add", "--name", SHED, "--url", line.url, "--passphrase-file", passphrase)
    world.start_device(SHED, "--join", added["join_token"], "--passphrase-file", passphrase)
    world.ok("install", "notes", "--name", "ledger", "--device", SHED)
    write_note(world.address("ledger"), "written in the shed", attached=PHOTO)
    installation, stolen = world.installation("ledger")["installation"], identities.load(device.identity)
    assert stolen.root is not None
    assert containers(world, SHED, installation)

    shown = world.mosaic("device", "remove", SHED, "--move-to", "home", "--dry-run").stdout
    assert "ledger moves to home" in shown and shown.endswith("Nothing was changed.\n")
    running = read_note(device.note("device"))
    assert running is not None
    os.kill(running.pid, signal.SIGSTOP)
    try:
        world.ok("device", "remove", SHED, "--move-to", "home", "--yes", "--no-wait")
        assert "being removed" in world.mosaic("device", "list").stdout
    finally:
        os.kill(running.pid, signal.SIGCONT)
    eventually(lambda: SHED not in names(world), f"{SHED} is removed", seconds=120)
    tokens = line.tokens()

    assert tokens
    assert answers(line, world, installation, tokens) == {(401, "session-token-unknown")}
    refused = turned_away(stolen)
    assert (refused.reason, refused.proved) == ("device-removed", True)
    eventually(lambda: runs_at_home(world), "the ledger runs at home", seconds=180)
    assert read_notes(world.address("ledger")) == {"written in the shed": [PHOTO]}

    said = world.folder / f"{SHED}.log"
    eventually(
        lambda: "this device was removed from its account" in said.read_text(), "its machine says it", seconds=60
    )
    assert "mosaic device run --new-identity" in said.read_text()
    assert identities.load(device.identity).root is None
    assert containers(world, SHED, installation) == []
    world.ok("uninstall", "ledger", "--yes")


def names(world: World) -> list[str]:
    return [one["name"] for one in world.asked("/api/devices")]


def containers(world: World, name: str, installation: str) -> list[str]:
    """Return the containers of an app that the machine of that state folder runs."""
    found = docker("ps", "--all", "--quiet", "--filter", f"label=mosaic.installation={installation}").split()
    driver = f"mosaic-{name}"
    return [one for one in found if driver in docker("inspect", "--format", "{{json .Mounts}}", one)]


def runs_at_home(world: World) -> bool:
    seen: Json = world.installation("ledger")
    report = seen["reports"].get(world.device_id("home"), {})
    return bool(seen["phase"] == "settled" and report.get("phase") == "running" and report["healthy"])


def answers(line: Overheard, world: World, installation: str, tokens: set[str]) -> set[tuple[int, str]]:
    """Return what the Hive says to who asks with each of these tokens, for whatever a Device asks."""
    volume = next(one["volume"] for one in world.asked("/api/volumes") if one["installation"] == installation)
    of_volume, name = f"/api/volumes/{volume}", "ab" * 16
    asked = [
        ("GET", "/api/device"),
        ("GET", f"{of_volume}/objects"),
        ("GET", f"{of_volume}/objects/{name}"),
        ("PUT", f"{of_volume}/objects/{name}"),
        ("GET", f"{of_volume}/heads/newest"),
        ("POST", f"{of_volume}/heads"),
    ]
    said = set()
    with httpx2.Client(base_url=line.url, trust_env=False) as http:
        for token in tokens:
            for method, path in asked:
                one = http.request(method, path, headers={"Authorization": f"Bearer {token}"})
                said.add((one.status_code, one.json().get("code")))
    return said


def turned_away(stolen: Identity) -> TurnedAway:
    """Speak for the Device by a copy of its disk, from before it was removed."""

    async def greet() -> None:
        async with open_channel(stolen.hive_url, stolen.ca_pem) as channel:
            await shake_hands(channel, stolen, SessionId("ab" * 16))

    with pytest.raises(TurnedAway) as refused:
        anyio.run(greet)
    return refused.value
