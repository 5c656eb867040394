"""What a Device does about one installation, on simulated doors."""

from pathlib import Path

import msgspec
import pytest

from mosaic.device.config import LINK_IMAGE
from mosaic.device.doing.checking import LEAST_FREE_BYTES
from mosaic.wire.assignment import PortWish
from support.device_world import COMPOSE, NOTES, Running, World, assignment, wants
from support.fake_engine import FakeEngine
from support.fake_storage import FakeStore

LINKED = """
services:
  nginx:
    image: front:1
  link:
    image: fractalnetworks/link:latest
    environment: {LINK: $LINK_DOMAIN_DEFAULT, TOKEN: $LINK_TOKEN_DEFAULT, EXPOSE: "nginx:80"}
    cap_add: [NET_ADMIN]
    volumes: ["keep:/root/.local/share/caddy"]
volumes:
  keep: {external: true, name: $LINK_VOLUME_NAME}
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_install_makes_one_key_starts_the_app_and_reports_ports_pins_and_steps(world: World) -> None:
    after = world.run(wants(assignment(world.publish(), "run"))).report()

    assert (after.phase, after.healthy, after.epoch) == ("running", True, "1.1")
    assert [(port.service, port.host_ip) for port in after.ports] == [("front", "127.0.0.1")]
    assert set(after.images) == {"front", "web"}
    assert [step.state for step in after.steps] == ["done"] * len(after.steps)
    assert after.steps[-1].name == "Take and replicate a snapshot"


def test_only_containers_with_this_devices_label_are_seen_or_touched(tmp_path: Path) -> None:
    engine, store = FakeEngine(), FakeStore()
    here = World(tmp_path / "a", "attic", store=store, engine=engine)
    there = World(tmp_path / "b", "study", store=store, engine=engine)
    here.run(wants(assignment(here.publish(), "run")))
    there.run(wants(assignment(there.publish(), "run")))

    here.run(wants(revision=2))

    assert [project.split("-")[1] for project in engine.running] == [there.device[:8]]
    assert {name.split("_")[0] for name in engine.docker_volumes} == {"mosaic-attic", "mosaic-study"}


def test_an_app_that_asks_for_too_much_is_refused_and_nothing_is_made(world: World) -> None:
    digest = world.publish(COMPOSE.replace("image: web:1", "image: web:1\n    privileged: true"))

    after = world.run(wants(assignment(digest, "run"))).report()

    assert after.phase == "failed"
    assert after.problem is not None and after.problem.code == "policy-refused"
    assert not world.hive.registered and not world.engine.docker_volumes and not world.engine.running


def test_a_service_that_is_to_have_no_container_is_not_waited_for(world: World) -> None:
    compose = COMPOSE.replace("  web:\n", "  worker:\n    image: web:1\n    scale: 0\n  web:\n")

    after = world.run(wants(assignment(world.publish(compose), "run"))).report()

    assert (after.phase, after.healthy) == ("running", True)
    assert [seen.service for seen in after.services] == ["front", "web"]


def test_a_full_pool_is_said_to_an_app_whose_data_is_not_here_whatever_others_have_here(world: World) -> None:
    first = assignment(world.publish(), "run")
    world.run(wants(first))
    world.storage.free_bytes = LEAST_FREE_BYTES - 1
    second = assignment(first.app_digest, "run", installation="secondsecond", name="second")

    after = world.run(wants(first, second, revision=2)).reports

    refused = after["secondsecond"].problem
    assert refused is not None and refused.code == "pool-full"
    assert "secondsecond" not in {installation for installation, _ in world.hive.registered}
    assert after[NOTES].phase == "running"


def test_an_app_whose_data_is_here_is_updated_on_a_full_pool(world: World) -> None:
    digest = world.publish()
    world.run(wants(assignment(digest, "run")))
    world.storage.free_bytes = LEAST_FREE_BYTES - 1

    after = world.run(wants(assignment(digest, "run", config_revision=2), revision=2)).report()

    assert (after.phase, after.problem) == ("running", None)


@pytest.mark.parametrize("text", ["services: [", "services: " + "[" * 40_000, "services: !!int x"], ids=["a", "b", "c"])
def test_a_compose_file_that_cannot_be_read_is_said_and_nothing_is_made(world: World, text: str) -> None:
    after = world.run(wants(assignment(world.publish(text), "run"))).report()

    assert after.problem is not None and after.problem.code == "compose-invalid"
    assert not world.hive.registered and not world.engine.docker_volumes


def test_words_reach_the_containers_as_compose_reads_them(world: World) -> None:
    words = "{A: yes, B: off, C: 12:30:00, D: 2020-01-01, E: 010, F: true, G: 1_000, H: 2023-13-45}"
    compose = COMPOSE.replace("image: web:1", f"image: web:1\n    environment: {words}")

    world.run(wants(assignment(world.publish(compose), "run")))

    rendered = msgspec.json.decode((world.config.projects / NOTES / "compose.json").read_bytes())
    assert list(rendered["services"]["web"]["environment"].values()) == [
        *["yes", "off", "12:30:00", "2020-01-01"],
        *[8, True, 1000, "2023-13-45"],
    ]


def test_an_image_that_nobody_has_is_named(world: World) -> None:
    after = world.run(wants(assignment(world.publish(COMPOSE.replace("web:1", "gone:1")), "run"))).report()

    assert after.problem is not None
    assert (after.problem.code, "gone:1" in after.problem.message) == ("image-missing", True)


def test_an_image_for_another_machine_is_refused(world: World) -> None:
    world.engine.have("arm:1", architecture="riscv64")

    after = world.run(wants(assignment(world.publish(COMPOSE.replace("web:1", "arm:1")), "run"))).report()

    assert after.problem is not None and after.problem.code == "architecture-differs"


def test_pins_count_whatever_a_tag_means_later(world: World) -> None:
    digest = world.publish()
    pins = world.run(wants(assignment(digest, "run"))).report().images
    world.run(wants(assignment(digest, "stop"), revision=2))
    world.engine.known_images["web:1"] = world.engine.known_images["front:1"]

    after = world.run(wants(assignment(digest, "run", images=pins, restart_count=1), revision=3)).report()

    assert after.images == pins
    assert after.phase == "running"


def test_no_hive_puts_another_image_in_the_place_of_one_that_the_app_names_by_digest(world: World) -> None:
    signed = f"web@sha256:{'1' * 64}"
    world.engine.have(signed, "theirs:1")
    digest = world.publish(COMPOSE.replace("web:1", signed))
    theirs = world.engine.known_images["theirs:1"].id

    after = world.run(wants(assignment(digest, "run", images={"web": theirs}))).report()

    assert (after.phase, after.images["web"]) == ("running", world.engine.known_images[signed].id)


def test_an_image_that_is_named_by_digest_is_had_by_it_where_another_machine_calls_it_otherwise(world: World) -> None:
    signed = f"web@sha256:{'1' * 64}"
    world.engine.have(signed)
    digest = world.publish(COMPOSE.replace("web:1", signed))

    after = world.run(wants(assignment(digest, "run", images={"web": f"sha256:{'2' * 64}"}))).report()

    assert (after.phase, after.images["web"]) == ("running", world.engine.known_images[signed].id)


def test_an_image_that_was_had_by_its_digest_is_found_when_only_its_id_is_left(world: World) -> None:
    signed = f"web@sha256:{'1' * 64}"
    world.engine.have(signed)
    item = assignment(world.publish(COMPOSE.replace("web:1", signed)), "run")
    pins = world.run(wants(item)).report().images
    del world.engine.known_images[signed]
    world.engine.running.clear()

    after = world.run(wants(msgspec.structs.replace(item, restart_count=1), revision=2)).report()

    assert (after.phase, after.images) == ("running", pins)


def test_an_app_whose_data_is_gone_does_not_start_on_nothing(world: World) -> None:
    digest = world.publish()
    world.run(wants(assignment(digest, "run")))
    world.engine.running.clear()
    world.storage.volumes.clear()
    known = [msgspec.structs.replace(one, base=None) for one in world.hive.registered.values()]

    after = world.run(wants(assignment(digest, "run", "1.2", volumes=known), revision=2)).report()

    assert after.problem is not None and after.problem.code == "data-expected"
    assert not world.engine.running


def test_an_app_that_does_not_get_well_is_reported_and_stays_so(world: World) -> None:
    world.engine.unhealthy.add("web")

    after = world.run(wants(assignment(world.publish(), "run"))).report()

    assert (after.phase, after.healthy) == ("failed", False)
    assert after.problem is not None and "web" in after.problem.message


def test_a_service_that_crashed_is_started_again_and_the_others_are_left_alone(world: World) -> None:
    digest = world.publish()
    world.run(wants(assignment(digest, "run")))
    kept = [one for containers in world.engine.running.values() for one in containers if one.service == "front"]
    world.engine.crash("web")

    after = world.run(wants(assignment(digest, "run", volumes=list(world.hive.registered.values())))).report()

    assert after.healthy
    assert kept == [one for containers in world.engine.running.values() for one in containers if one.service == "front"]


def test_an_app_that_was_stopped_as_a_whole_is_started_again(world: World) -> None:
    digest = world.publish()
    world.run(wants(assignment(digest, "run")))
    for service in ("front", "web"):
        world.engine.crash(service, code=0)

    after = world.run(wants(assignment(digest, "run", volumes=list(world.hive.registered.values())))).report()

    assert (after.phase, after.healthy) == ("running", True)


def test_without_a_hive_what_was_here_is_started_unconfirmed(world: World) -> None:
    digest = world.publish()
    world.run(wants(assignment(digest, "run")))
    world.engine.running.clear()
    world.hive_here = False

    after = world.run(alone=True, until=lambda running: world.engine.ups > 1 and running.is_settled()).report()

    assert (after.phase, after.unconfirmed) == ("running", True)


def test_a_hive_that_confirms_it_ends_that(world: World) -> None:
    digest = world.publish()
    world.run(wants(assignment(digest, "run")))
    world.engine.running.clear()
    world.run(alone=True, until=lambda running: world.engine.ups > 1 and running.is_settled())

    named = list(world.hive.registered.values())
    after = world.run(wants(assignment(digest, "run", "1.1", volumes=named), revision=2)).report()

    assert not after.unconfirmed


def test_policy_automatic_waits_for_the_hive(world: World) -> None:
    digest = world.publish()
    world.run(wants(assignment(digest, "run", failover="automatic")))
    world.engine.running.clear()

    world.run(alone=True)

    assert not world.engine.running


def test_what_runs_goes_on_when_the_hive_has_not_spoken_yet(world: World) -> None:
    world.run(wants(assignment(world.publish(), "run")))

    world.run()

    assert world.engine.running


def test_a_link_without_a_port_gets_one_on_loopback_and_a_key_of_its_own(world: World) -> None:
    world.engine.have(LINK_IMAGE)

    running = world.run(wants(assignment(world.publish(LINKED), "run")))

    assert {kind for _, kind in world.hive.registered} == {"data", "link"}
    assert [(port.service, port.container_port, port.host_ip) for port in running.report().ports] == [
        ("link", 80, "127.0.0.1")
    ]


def test_an_earlier_port_is_kept_and_one_that_is_taken_is_not(world: World) -> None:
    wish = [PortWish("front", 80, "tcp", 23456)]
    kept = world.run(wants(assignment(world.publish(), "run", ports=wish))).report()
    other = msgspec.structs.replace(
        assignment(world.publish(), "run", ports=wish), installation="otherother22", name="b"
    )

    items = [assignment(world.publish(), "run", volumes=list(world.hive.registered.values())), other]
    after = world.run(wants(*items, revision=2))

    assert [port.host_port for port in kept.ports] == [23456]
    assert [port.host_port for port in after.reports["otherother22"].ports] != [23456]


def test_one_slow_app_does_not_hold_the_others(world: World) -> None:
    slow = msgspec.structs.replace(
        assignment(world.publish(COMPOSE.replace("web:1", "gone:1")), "run"), installation="slowslow2222", name="slow"
    )

    def is_running(running: Running) -> bool:
        return any(work.installation == NOTES and work.idle for work in running.fleet.works)

    after = world.run(wants(slow, assignment(world.publish(), "run")), until=is_running)

    assert after.reports[NOTES].phase == "running"


@pytest.mark.parametrize("changed", [{"app": "../etc"}, {"name": "a b"}, {"app_digest": "sha256:../x"}])
def test_words_that_would_become_paths_are_refused(world: World, changed: dict[str, str]) -> None:
    item = msgspec.structs.replace(assignment(world.publish(), "run"), **changed)

    after = world.run(wants(item)).report()

    assert after.problem is not None and after.problem.code == "assignment-refused"
