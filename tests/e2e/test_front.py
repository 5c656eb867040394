"""The LAN front of `mosaic up`: whoever visits an app by its name does not notice what happens to the Device."""

import os
import signal
from urllib.parse import urlsplit

import pytest

from e2e.world import World, eventually
from mosaic.cli.up.orphans import Note, read_note
from support.visitors import asked, visiting

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

ENOUGH = 20


def by_name(world: World) -> tuple[int, str]:
    """Return the port and the name that the sample app is visited by."""
    found = urlsplit(world.welcome["apps"][0]["addresses"][1])
    assert found.port is not None and found.hostname is not None
    return found.port, found.hostname


def running(world: World, service: str) -> Note:
    """Return the process of a service that runs now."""
    found = eventually(lambda: read_note(world.home.note(service)), f"{service} runs", seconds=60)
    assert isinstance(found, Note)
    return found


def has_told(world: World, times: int) -> bool:
    """Whether the Device has begun so often to tell the front its routes."""
    return world.home.log("device").read_text().count('"front_on"') >= times


def test_no_visitor_by_name_notices_that_the_device_was_killed(world: World) -> None:
    port, host = by_name(world)
    front, device = running(world, "front"), running(world, "device")
    times = world.home.log("device").read_text().count('"front_on"')
    with visiting(port, host, "/healthz") as visits:
        visits.wait_for(ENOUGH)
        os.kill(device.pid, signal.SIGKILL)
        eventually(lambda: has_told(world, times + 1), "the next Device has told the front", seconds=120)
        visits.wait_for(ENOUGH)
    assert visits.lost == []
    assert running(world, "front") == front
    assert running(world, "device") != device


def test_a_front_that_was_killed_is_started_again_and_keeps_its_port(world: World) -> None:
    port, host = by_name(world)
    front = running(world, "front")
    os.kill(front.pid, signal.SIGKILL)
    eventually(lambda: not front.is_alive and running(world, "front") != front, "another one runs", seconds=60)

    def answers() -> bool:
        try:
            return asked(port, host, "/healthz")[0] == 200
        except OSError:
            return False

    eventually(answers, "names answer again", seconds=60)


def test_doctor_says_where_names_answer(world: World) -> None:
    (seen,) = [one for one in world.mosaic("doctor", "--json").value["checks"] if one["name"] == "LAN front"]
    assert seen["held"], seen
    assert seen["detail"] == f"Caddy answers at port {by_name(world)[0]}"
