"""What the home page says first, and what it asks of its reader."""

import msgspec
import pytest

from console.worlds import ACCOUNT, ATTIC, NOTES, NOW, NS, RUNNING, SILENT, STUDY, called, reported
from mosaic.hive.console import sentences
from mosaic.wire.api import Account, Health, Installation, SetAside
from mosaic.wire.link_api import Link, LinkAt, LinkName
from mosaic.wire.storage import ConflictSnapshot

replace = msgspec.structs.replace
FAILED = reported(replace(RUNNING, phase="failed", healthy=False), called("vault"))
STOPPED = replace(called("wiki"), wanted="stop")


@pytest.mark.parametrize(
    ("installations", "said"),
    [
        ([], "No app is installed yet."),
        ([NOTES], "notes runs."),
        ([NOTES, called("b")], "Both apps run."),
        ([NOTES, called("b"), called("c")], "All three apps run."),
        ([NOTES, FAILED], "One of two apps runs."),
        ([FAILED], "vault does not run yet."),
        ([NOTES, STOPPED], "notes runs."),
        ([STOPPED], "wiki is stopped."),
    ],
)
def test_the_first_sentence_is_true(installations: list[Installation], said: str) -> None:
    assert sentences.first([ATTIC], installations) == said


def test_without_a_device_that_is_what_is_said_first() -> None:
    assert sentences.first([], []) == "No device has joined yet."


def test_an_app_on_a_silent_device_is_not_counted_as_running() -> None:
    lost = replace(NOTES, device="d3", reports={"d3": RUNNING}, health=Health("red", "Not heard from", "x", "y"))
    assert sentences.first([SILENT], [lost]) == "notes does not run yet."


def test_a_move_is_told_with_where_it_goes() -> None:
    moving = replace(NOTES, phase="draining", target="d2")
    assert sentences.second([ATTIC, STUDY], [moving]) == "notes is moving to study."


def test_when_all_is_well_nothing_is_asked() -> None:
    assert sentences.asks(ACCOUNT, [ATTIC], [NOTES]) == []


def test_the_worst_comes_first_and_says_what_to_do() -> None:
    waiting = replace(ATTIC, device="d4", name="cellar", admitted=False)
    asks = sentences.asks(Account("acc", "ada", None), [waiting, SILENT], [])
    assert [ask.tone for ask in asks] == ["is-bad", "is-warn", "is-off"]
    assert asks[0].truth == "hallway: not heard from"
    assert asks[0].why == "hallway has not reported for 3 min 12 s. Check its power and network."
    assert asks[2].link == "/devices/d4/admit"


def test_what_passes_by_itself_is_not_asked() -> None:
    starting = replace(NOTES, health=Health("amber", "Starting", "web is starting.", ""))
    assert sentences.asks(ACCOUNT, [ATTIC], [starting]) == []


def test_data_on_one_machine_only_is_asked_about_while_the_app_runs_well() -> None:
    alone = Health("amber", "Saved on this machine only", "If this machine dies its data dies with it.", "Add a store.")
    (ask,) = sentences.asks(ACCOUNT, [ATTIC], [replace(NOTES, data_health=alone)])
    assert (ask.truth, ask.link) == ("notes: saved on this machine only", "/apps/notes#data")


def test_a_set_aside_snapshot_is_never_passed_over() -> None:
    aside = SetAside("d2", "a1" * 32, "data", ConflictSnapshot("c", "0.2", NOW - 900 * NS, "/pool/c"))
    (ask,) = sentences.asks(ACCOUNT, [ATTIC], [replace(NOTES, set_aside=[aside])])
    assert ask.truth == "notes has one set-aside snapshot"


def test_a_domain_whose_proof_is_gone_and_a_gateway_that_refuses_ask_for_their_owner() -> None:
    names = [LinkName("notes.example.com", "amber", ends_ns=NOW), LinkName("notes.example.net", "good")]
    link = Link("link", "i1", "notes", 1, names, 1, True, [LinkAt("gw", False, "it is away"), LinkAt("gw", True)])
    refused, gone = sentences.asks(ACCOUNT, [ATTIC], [NOTES], [link])
    assert (refused.truth, refused.why) == ("The link of notes", "it is away.")
    assert gone.truth == "Nothing proves any more that notes.example.com is yours"
    assert "leads to notes until 17 March 2030" in gone.why and gone.link == "/apps/notes/link"
