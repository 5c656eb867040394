"""Who stands on the page that adds a Device, and what the page is given for the browser to fill in."""

import json

import msgspec

from console.worlds import ATTIC, NOW, NS, STUDY
from mosaic.core.quoting import MARK
from mosaic.hive.console import adding


def test_who_has_just_joined_and_who_waits_are_shown_the_newest_first() -> None:
    old = msgspec.structs.replace(ATTIC, name="old", joined_ns=NOW - 3601 * NS)
    waiting = msgspec.structs.replace(ATTIC, name="waiting", joined_ns=NOW - 9000 * NS, admitted=False)
    before = msgspec.structs.replace(STUDY, joined_ns=NOW - 60 * NS)
    newest = msgspec.structs.replace(ATTIC, joined_ns=NOW - NS)
    shown = adding.arrivals([old, waiting, before, newest], NOW)
    assert [device.name for device in shown] == ["attic", "study", "waiting"]


def test_the_page_is_given_marked_places_and_the_image_that_was_configured() -> None:
    texts = json.loads(adding.texts("registry.example/device:9"))
    assert set(texts) == {"machine", "own"}
    forms = [form for engine in texts.values() for form in engine.items()]
    assert [form for form, _ in forms] == ["docker", "compose", "systemd", "command"] * 2
    for form, ways in forms:
        for made in ways.values():
            assert set(MARK.findall(made["text"])) == {"token", "name", "passphrase"}
            assert form == "command" or "registry.example/device:9" in made["text"]
