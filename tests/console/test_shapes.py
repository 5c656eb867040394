"""Every health is a shape, a colour and a word."""

import re
from pathlib import Path

import msgspec
import pytest

import mosaic.hive.console
from console.worlds import ATTIC, SILENT, reported, working
from mosaic.hive.console import shapes
from mosaic.wire.api import Health
from mosaic.wire.report import ServiceState
from mosaic.wire.storage import Replica

replace = msgspec.structs.replace
SPRITE = Path(mosaic.hive.console.__file__).parent / "templates" / "_sprite.html"
SYMBOLS = set(re.findall(r'<symbol id="([^"]+)"', SPRITE.read_text()))


@pytest.mark.parametrize("colour", ["green", "amber", "red", "grey"])
def test_each_colour_has_a_shape_of_its_own_that_the_sprite_has(colour: str) -> None:
    looks = {each: shapes.of_health(Health(each, "Word", "", "")) for each in ("green", "amber", "red", "grey")}
    assert len({look.symbol for look in looks.values()}) == 4
    assert looks[colour].symbol in SYMBOLS
    assert looks[colour].word == "Word"


def test_a_silent_device_is_a_broken_ring() -> None:
    assert shapes.of_device(SILENT).symbol == "h-lost"


def test_a_device_that_waits_is_not_called_broken() -> None:
    assert shapes.of_device(replace(ATTIC, admitted=False)).tone == "is-off"


def test_work_under_way_turns_until_it_fails() -> None:
    starting = replace(reported(working()), health=Health("amber", "Starting", "", ""))
    assert shapes.of_installation(starting).turns
    failed = replace(starting, health=Health("red", "Not answering", "", ""))
    assert shapes.of_installation(failed).symbol == "h-bad"


def test_a_copy_on_the_same_machine_is_never_called_a_replica() -> None:
    look = shapes.of_replica(Replica("hive", True, "replicated", 1, None))
    assert (look.tone, look.word) == ("is-warn", "Saved on this machine only")


@pytest.mark.parametrize(
    ("service", "word"),
    [
        (ServiceState("web", "running", "healthy", None), "Answers its check"),
        (ServiceState("web", "running", None, None), "Runs; it has no check"),
        (ServiceState("web", "running", "unhealthy", None), "Runs, and fails its check"),
        (ServiceState("web", "exited", None, 0), "Ended with code 0"),
        (ServiceState("web", "exited", None, None), "Ended with an unknown code"),
        (ServiceState("web", "missing", None, None), "Not made yet"),
    ],
)
def test_a_service_is_said_in_words(service: ServiceState, word: str) -> None:
    look = shapes.of_service(service)
    assert look.word == word
    assert look.symbol in SYMBOLS
