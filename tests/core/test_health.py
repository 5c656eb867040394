"""How a Device and an installation are, in colours and words."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.condition import CopySight, ServiceSight, app_health, data_health, is_healthy, is_up
from mosaic.core.health import Colour, device_health, duration_words

SECOND = 10**9
NOW = 1_000_000 * SECOND


@pytest.mark.parametrize(
    ("silent", "colour"),
    [(0, "green"), (45, "green"), (46, "amber"), (120, "amber"), (121, "red"), (10**6, "red")],
)
def test_a_device_is_green_then_amber_then_red(silent: int, colour: str) -> None:
    health = device_health("attic", NOW - silent * SECOND, NOW)
    assert health.colour == colour
    assert "attic" in health.cause
    assert health.remedy or colour == "green"


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_device_never_gets_better_by_silence(one: int, more: int) -> None:
    order = [Colour.GREEN, Colour.AMBER, Colour.RED]
    earlier = device_health("attic", NOW - one * SECOND, NOW).colour
    later = device_health("attic", NOW - (one + more) * SECOND, NOW).colour
    assert order.index(later) >= order.index(earlier)


def test_a_report_from_the_future_counts_as_heard_now() -> None:
    assert device_health("attic", NOW + 99 * SECOND, NOW).colour is Colour.GREEN


def test_a_device_that_cannot_work_says_why() -> None:
    assert device_health("attic", NOW, NOW, admitted=False).colour is Colour.GREY
    assert device_health("attic", None, NOW).word == "Never heard from"
    clone = device_health("attic", NOW, NOW, superseded=True)
    assert clone.colour is Colour.AMBER and "clone" in clone.remedy


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (92, "1 min 32 s"), (3660, "1 h 1 min"), (90000, "1 d 1 h")],
)
def test_durations_are_said_in_two_units(seconds: int, words: str) -> None:
    assert duration_words(seconds) == words


RUNNING = ServiceSight("web", "running")


@pytest.mark.parametrize(
    ("service", "colour"),
    [
        (RUNNING, "green"),
        (ServiceSight("web", "running", "healthy"), "green"),
        (ServiceSight("web", "running", "starting"), "amber"),
        (ServiceSight("web", "running", "unhealthy"), "red"),
        (ServiceSight("init", "exited", exit_code=0), "green"),
        (ServiceSight("web", "exited", exit_code=0, restarts=True), "red"),
        (ServiceSight("web", "exited", exit_code=137), "red"),
        (ServiceSight("web", "dead"), "red"),
        (ServiceSight("web", "missing"), "red"),
        (ServiceSight("web", "paused"), "amber"),
        (ServiceSight("web", "created"), "amber"),
        (ServiceSight("web", "restarting"), "amber"),
    ],
)
def test_an_app_is_as_well_as_its_worst_service(service: ServiceSight, colour: str) -> None:
    health = app_health("notes", [RUNNING, service], wanted=True)
    assert health.colour == colour
    assert health.cause
    assert is_healthy([service]) == (colour == "green")


def test_an_app_that_is_stopped_on_purpose_is_not_ill() -> None:
    assert app_health("notes", [], wanted=False).colour is Colour.GREY
    two = [RUNNING, ServiceSight("db", "running")]
    assert "web and db" in app_health("notes", two, wanted=False).cause
    assert app_health("notes", [], wanted=True).word == "Waiting"
    assert not is_up([])


def copy(
    instant: int | None,
    *,
    same: bool = False,
    state: Literal["pending", "replicating", "replicated", "error"] = "replicated",
    store: str = "hive",
    volume: str = "data",
) -> CopySight:
    return CopySight(store, same, state, None if instant is None else NOW - instant * SECOND, volume)


def test_a_copy_on_the_same_machine_is_never_called_replicated() -> None:
    health = data_health([copy(4, same=True)], NOW, waiting_bytes=0)
    assert (health.colour, health.word) == (Colour.AMBER, "Saved on this machine only")
    assert "4 s ago" in health.cause and health.remedy
    assert "nothing is saved yet" in data_health([], NOW, waiting_bytes=0).cause


def test_data_is_as_safe_as_the_oldest_of_its_volumes() -> None:
    health = data_health([copy(4), copy(90, volume="link")], NOW, waiting_bytes=0)
    assert (health.colour, health.cause) == (Colour.GREEN, "Last saved 1 min 30 s ago.")
    assert data_health([copy(4), copy(None, volume="link")], NOW, waiting_bytes=0).word == "Saving"
    assert data_health([copy(400)], NOW, waiting_bytes=10).word == "Behind"
    assert data_health([copy(400)], NOW, waiting_bytes=0).colour is Colour.GREEN
    refused = [copy(4), copy(5, state="error", volume="link")]
    assert data_health(refused, NOW, waiting_bytes=0).colour is Colour.RED
    assert data_health([copy(4, same=True, state="error")], NOW, waiting_bytes=0).word == "Not saved"


def test_what_no_snapshot_has_is_said_though_all_else_is_replicated() -> None:
    health = data_health([copy(4)], NOW, waiting_bytes=0, unsaved="what lies in data/inner is not saved")
    assert (health.colour, health.word) == (Colour.AMBER, "Not all is saved")
    assert "data/inner" in health.cause


def test_a_volume_is_as_safe_as_the_newest_of_its_copies() -> None:
    both = data_health([copy(4), copy(5000, store="nas", state="pending")], NOW, waiting_bytes=0)
    assert (both.colour, both.cause) == (Colour.GREEN, "Last saved 4 s ago.")
    follows = data_health([copy(4, same=True), copy(9, store="nas")], NOW, waiting_bytes=0)
    assert (follows.colour, follows.cause) == (Colour.GREEN, "Last saved 9 s ago.")


def test_one_volume_without_a_copy_elsewhere_is_not_hidden_by_another() -> None:
    copies = [copy(4), copy(4, same=True, volume="link")]
    assert data_health(copies, NOW, waiting_bytes=0).word == "Saved on this machine only"


def test_a_store_that_follows_and_fails_is_a_warning_and_the_one_with_the_heads_is_none() -> None:
    failing = data_health([copy(4), copy(90, store="nas", state="error")], NOW, waiting_bytes=0)
    assert (failing.colour, failing.word) == (Colour.AMBER, "A store fails")
    assert "nas" in failing.cause and "4 s ago" in failing.cause and failing.remedy
    refused = data_health([copy(4, state="error"), copy(4, store="nas")], NOW, waiting_bytes=0)
    assert (refused.colour, refused.word) == (Colour.RED, "Not saved")
