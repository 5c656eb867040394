"""An app with a link, its compose file as published: with a public way, without one, and from one Device to another."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from anyio import from_thread

from mosaic.adapters.docker.engine import AppNotStarted
from mosaic.adapters.docker.sights import CONFIG_LABEL
from mosaic.core.compose_keys import TUN
from mosaic.core.health import Colour, Health
from mosaic.core.ids import LinkId
from mosaic.core.link_mode import Surroundings, order
from mosaic.core.link_settings import read_settings
from mosaic.crypto import link_tokens
from mosaic.device.config import LINK_IMAGE
from mosaic.device.link_tending import LEAST_SECONDS
from mosaic.device.public_way import token_hashes
from mosaic.hive.present.health import app_health
from mosaic.wire.assignment import Assignment, VolumeAssignment
from mosaic.wire.device_links import AssignedLink
from mosaic.wire.updating import Update
from support.device_world import NOTES, Running, World, assignment, wants
from support.fake_engine import hash_of
from support.fake_storage import FakeStore
from support.manual_clock import ManualClock

pytestmark = pytest.mark.long

SEED = """
services:
  nginx:
    image: front:1
    environment: {LINK_DOMAIN_DEFAULT: $LINK_DOMAIN_DEFAULT}
  synapse:
    image: web:1
    volumes: ["fractal-app-volume:/data"]
  link:
    image: fractalnetworks/link:latest
    environment:
      LINK: $LINK_DOMAIN_DEFAULT
      TOKEN: $LINK_TOKEN_DEFAULT
      EXPOSE: nginx:80
      FRACTAL_API: https://gateway.fractalnetworks.co
    cap_add: [NET_ADMIN]
    volumes: ["fractal-link-volume:/root/.local/share/caddy"]
volumes:
  fractal-app-volume: {external: true, name: $APP_VOLUME_NAME}
  fractal-link-volume: {external: true, name: $LINK_VOLUME_NAME}
"""
LINK = AssignedLink("abcdefghijkl", ["notes.quiet-fox.gate.example"], 1, "https://gate.example", "PEM", "1.1")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def world(tmp_path: Path, clock: ManualClock) -> World:
    return ready(World(tmp_path / "attic", clock=clock))


def ready(world: World) -> World:
    """Let a Device have the link's image, and the device of tunnels."""
    world.engine.have(LINK_IMAGE)
    world.config = replace(world.config, has_tun=True)
    return world


def linked(digest: str, epoch: str = "1.1", *, link: AssignedLink | None = LINK, **more: object) -> Assignment:
    return assignment(digest, "run", epoch, link=link, **more)


def again(world: World, item: Assignment, **more: object) -> Assignment:
    """Return the assignment as the Hive sends it once it knows the volumes."""
    return msgspec.structs.replace(item, volumes=list(world.hive.registered.values()), **more)


def rendered(world: World) -> dict[str, dict[str, object]]:
    """Return the services that the Device runs."""
    document = msgspec.json.decode((world.config.projects / NOTES / "compose.json").read_bytes())
    return msgspec.convert(document["services"], dict[str, dict[str, object]])


def told(world: World, service: str = "link") -> dict[str, str]:
    """Return a service's environment."""
    return msgspec.convert(rendered(world)[service]["environment"], dict[str, str])


def token(world: World, number: int = 1) -> str:
    return str(link_tokens.derive(world.root, LinkId(LINK.id), number))


def hashes(world: World) -> dict[str, str]:
    """Return what compose calls the settings that each container was made with."""
    return {one.service: one.labels[CONFIG_LABEL] for found in world.engine.running.values() for one in found}


def state_of(world: World, service: str) -> str:
    return next(one.state for found in world.engine.running.values() for one in found if one.service == service)


def test_the_seeds_file_gets_our_link_its_token_gateway_epoch_device_and_volume(world: World) -> None:
    after = world.run(wants(linked(world.publish(SEED)))).report()

    link = rendered(world)["link"]
    assert (after.phase, after.healthy) == ("running", True)
    assert link["image"] == world.engine.known_images[LINK_IMAGE].id
    assert (link["cap_add"], link["devices"]) == (["NET_ADMIN"], ["/dev/net/tun:/dev/net/tun"])
    assert told(world) == {
        "LINK": LINK.names[0],
        "TOKEN": token(world),
        "EXPOSE": "nginx:80",
        "FRACTAL_API": "https://gateway.fractalnetworks.co",
        "LINK_GATEWAY": LINK.gateway,
        "LINK_GATEWAY_CA": "PEM",
        "LINK_EPOCH": "1.1",
        "LINK_LAN": "80",
    }
    assert told(world, "nginx") == {"LINK_DOMAIN_DEFAULT": LINK.names[0]}
    own = world.hive.registered[(NOTES, "link")].volume
    kept = [one for one in world.engine.docker_volumes.values() if one.options.get("volume") == own]
    assert [one.options["folder"] for one in kept] == ["link"]
    for name in ("nginx", "synapse"):
        assert not {"cap_add", "devices"} & rendered(world)[name].keys()


def test_without_a_link_the_seeds_file_runs_in_lan_mode_without_any_privilege(world: World) -> None:
    after = world.run(wants(linked(world.publish(SEED), link=None))).report()

    settings = read_settings(told(world))
    assert (after.phase, after.healthy) == ("running", True)
    assert (settings.is_lan, settings.names) == (True, ("notes.localhost",))
    assert not {"cap_add", "devices"} & rendered(world)["link"].keys()


@pytest.mark.parametrize("wrong", [{"token": 0}, {"token": 10**9}, {"id": "\0"}])
def test_a_link_that_can_have_no_token_is_refused_and_the_report_is_of_the_others(
    world: World, wrong: dict[str, object]
) -> None:
    bad = msgspec.structs.replace(LINK, **wrong)
    running = world.run(wants(linked(world.publish(SEED), link=bad)))

    assert running.report().problem is not None
    good = assignment(NOTES, "run", "1.1", link=LINK)
    items = [good, msgspec.structs.replace(good, installation="other", link=bad)]
    assert [one.link for one in token_hashes(running.means, items)] == [LINK.id]


def test_a_link_none_of_whose_names_counts_yet_is_in_lan_mode(world: World) -> None:
    world.run(wants(linked(world.publish(SEED), link=msgspec.structs.replace(LINK, names=[]))))

    assert read_settings(told(world)).is_lan


@pytest.mark.parametrize("image", ["mosaic/link@sha256:" + "a" * 64, "fractalnetworks/link:2"])
def test_no_app_brings_the_program_that_may_make_tunnels(world: World, image: str) -> None:
    world.engine.have(image)
    pins = {"link": world.engine.known_images[image].id}

    world.run(wants(linked(world.publish(SEED.replace("fractalnetworks/link:latest", image)), images=pins)))

    assert rendered(world)["link"]["image"] == world.engine.known_images[LINK_IMAGE].id


def test_at_failover_the_links_volume_and_token_come_along_and_its_epoch_is_the_new_one(tmp_path: Path) -> None:
    store = FakeStore()
    attic, cellar = (ready(World(tmp_path / name, name, store)) for name in ("attic", "cellar"))
    cellar.root, cellar.owner_key, cellar.owner_seed = attic.root, attic.owner_key, attic.owner_seed
    digest = attic.publish(SEED)
    first = attic.run(wants(linked(digest)))
    own = attic.hive.registered[(NOTES, "link")].volume
    attic.storage.write(own, "certificate")
    attic.storage.replicate(own)
    cellar.hive.bundles, cellar.hive.registered = attic.hive.bundles, attic.hive.registered
    volumes = [
        msgspec.structs.replace(one, base=store.newest[one.volume], newest=store.newest[one.volume])
        for one in attic.hive.registered.values()
    ]

    later = msgspec.structs.replace(LINK, epoch="1.2")
    wanted = linked(digest, "1.2", link=later, volumes=volumes, images=first.report().images)
    after = cellar.run(wants(wanted)).report()

    assert (after.phase, after.healthy) == ("running", True)
    assert cellar.storage.volumes[own].local == ("certificate",)
    assert (told(cellar)["TOKEN"], told(cellar)["LINK_EPOCH"]) == (told(attic)["TOKEN"], "1.2")


def test_a_link_that_is_not_reached_holds_up_no_start_and_is_said(world: World) -> None:
    world.engine.health_of[LINK_IMAGE] = "unhealthy"

    after = world.run(wants(linked(world.publish(SEED)))).report()

    assert (after.phase, after.healthy, after.problem) == ("running", True, None)
    said = app_health("notes", after, Health(Colour.GREEN, "", ""), wanted=True, problem=None)
    assert (said.colour, said.word) == (Colour.AMBER, "Cut off")


def test_an_update_counts_although_the_link_is_not_reached(world: World) -> None:
    item = linked(world.publish(SEED))
    world.run(wants(item))
    world.engine.health_of[LINK_IMAGE] = "unhealthy"
    newer = Update("wish", world.publish(SEED + "x-version: 2\n"), gate_seconds=0)

    after = world.run(wants(again(world, item, update=newer), revision=2), until=is_updated).report()

    assert (after.app_digest, after.problem) == (newer.app_digest, None)


def is_updated(running: Running) -> bool:
    return running.is_settled() and running.means.records.update_of(NOTES).outcome is not None


def staged(acts: Iterator[None]) -> Callable[[Running], bool]:
    """Let a Device do all that there is to do between one act and the next."""

    def is_over(running: Running) -> bool:
        if not running.is_settled():
            return False
        if next(acts, "over") == "over":
            return True
        for worker, _ in running.fleet._workers.values():
            worker.idle = False
            worker.wake()
        return False

    return is_over


def test_a_link_that_ended_is_started_again_ever_more_seldom_beside_an_app_that_runs_on(
    world: World, clock: ManualClock
) -> None:
    item = linked(world.publish(SEED))
    world.run(wants(item))
    seen: list[str] = []

    def acts() -> Iterator[None]:
        world.engine.crash("link", code=3)
        yield
        seen.append(state_of(world, "link"))
        for wait in (LEAST_SECONDS, 2 * LEAST_SECONDS):
            world.engine.crash("link", code=3)
            for step in (wait - 1, 1.0):
                clock.advance(step)
                yield
                seen.append(state_of(world, "link"))

    ups = world.engine.ups
    after = world.run(wants(again(world, item), revision=2), until=staged(acts())).report()

    assert seen == ["running", "exited", "running", "exited", "running"]
    assert (after.phase, after.healthy, world.engine.ups) == ("running", True, ups + 3)


def test_a_link_that_cannot_be_made_again_is_said_and_the_app_runs_on(world: World, clock: ManualClock) -> None:
    item = linked(world.publish(SEED))
    world.run(wants(item))
    del world.engine.known_images[world.engine.known_images[LINK_IMAGE].id]
    world.engine.crash("link", code=3)

    after = world.run(wants(again(world, item), revision=2)).report()

    assert (after.phase, after.healthy) == ("running", True)
    assert after.problem is not None and after.problem.code == "app-not-started"


@pytest.mark.parametrize(
    ("changed", "variable", "value"),
    [
        ({"token": 2}, "TOKEN", 2),
        ({"gateway": "https://next.example"}, "LINK_GATEWAY", "https://next.example"),
        ({"certificate": ""}, "LINK_GATEWAY_CA", ""),
        ({"epoch": "1.4"}, "LINK_EPOCH", "1.4"),
    ],
)
def test_a_link_that_is_told_something_else_is_made_anew_and_the_app_runs_on(
    world: World, changed: dict[str, object], variable: str, value: object
) -> None:
    item = linked(world.publish(SEED))
    world.run(wants(item))
    before = hashes(world)

    after = world.run(wants(again(world, item, link=msgspec.structs.replace(LINK, **changed)), revision=2)).report()

    assert after.problem is None
    assert told(world)[variable] == (token(world, value) if isinstance(value, int) else value)
    assert {name for name, made in hashes(world).items() if made != before[name]} == {"link"}


def test_a_device_that_starts_again_under_another_epoch_makes_nothing_anew(world: World) -> None:
    item = linked(world.publish(SEED))
    world.run(wants(item))
    before, ups = hashes(world), world.engine.ups
    volumes = [
        msgspec.structs.replace(one, base=world.store.newest[one.volume]) for one in world.hive.registered.values()
    ]

    after = world.run(wants(msgspec.structs.replace(item, epoch="1.2", volumes=volumes), revision=2)).report()

    assert (after.phase, after.epoch) == ("running", "1.2")
    assert (hashes(world), world.engine.ups) == (before, ups)


def test_a_link_that_comes_later_tells_the_app_its_name_and_one_that_goes_leaves_lan_mode(world: World) -> None:
    item = linked(world.publish(SEED), link=None)
    world.run(wants(item))
    before = hashes(world)

    world.run(wants(again(world, item, link=LINK), revision=2))
    assert (told(world, "nginx")["LINK_DOMAIN_DEFAULT"], told(world)["TOKEN"]) == (LINK.names[0], token(world))
    assert {name for name, made in hashes(world).items() if made != before[name]} == {"link", "nginx"}

    world.run(wants(again(world, item), revision=3))
    assert read_settings(told(world)).is_lan
    assert hashes(world) == before


def test_a_link_is_made_anew_after_a_kill_wherever_it_came(tmp_path: Path) -> None:
    at = 1
    while True:
        world = ready(World(tmp_path / str(at)))
        item = linked(world.publish(SEED))
        world.run(wants(item))
        later = again(world, item, link=msgspec.structs.replace(LINK, token=2))
        if not world.is_killed(wants(later, revision=2), at=at):
            break
        world.run(wants(later, revision=3))
        assert told(world)["TOKEN"] == token(world, 2)
        assert hashes(world) == {name: hash_of(service) for name, service in rendered(world).items()}
        at += 1
    assert at > 1


def test_a_link_has_its_own_volume_though_the_hive_speaks_between_two_registrations(world: World) -> None:
    item = linked(world.publish(SEED))
    seen: list[Running] = []

    def speak(made: VolumeAssignment) -> None:
        if made.kind == "data":
            between = world.approved(msgspec.structs.replace(item, volumes=[made]))
            from_thread.run_sync(seen[0].fleet.assign, wants(between, revision=2))

    def is_over(running: Running) -> bool:
        seen.append(running)
        return running.is_settled()

    world.hive.when_registered = speak
    world.run(wants(item), until=is_over)

    mounted = {name.rpartition("_")[2]: made.options for name, made in world.engine.docker_volumes.items()}
    of_kind = {kind: made.volume for (_, kind), made in world.hive.registered.items()}
    assert mounted["link"]["volume"] == of_kind["link"] != mounted["app"]["volume"] == of_kind["data"]


def test_where_the_engine_cannot_give_the_device_of_tunnels_the_link_runs_without_and_makes_its_way_by_tcp(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, refused = world.engine.up, 0

    async def up(project: str, file: Path, *, deadline_seconds: float) -> None:
        nonlocal refused
        if TUN.encode() in file.read_bytes():
            refused += 1
            said = f'error gathering device information while adding custom device "{TUN}": no such file or directory'
            raise AppNotStarted(said)
        await given(project, file, deadline_seconds=deadline_seconds)

    monkeypatch.setattr(world.engine, "up", up)
    seed = world.publish(SEED)
    after = world.run(wants(linked(seed))).report()
    assert (after.phase, after.healthy, refused) == ("running", True, 1)
    assert "devices" not in rendered(world)["link"]
    around = Surroundings(
        may_administer=True, has_tun=False, kernel_has_wireguard=False, has_wg=True, wireguard_go="0.0.20230223"
    )
    assert order(None, around, udp_answered=None) == ("tcp",)
    # It stays so until the app is rendered anew.
    world.run(wants(again(world, linked(seed))))
    assert refused == 1
