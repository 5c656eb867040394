"""What a link's health check reads."""

import socket
from pathlib import Path

import pytest

from mosaic.link.health import STALE_SECONDS, LinkHealth, State, judged, write


@pytest.mark.parametrize("state", ["starting", "registering", "connecting", "checking", "healing", "ended"])
def test_only_a_link_that_is_reached_is_well(tmp_path: Path, state: State) -> None:
    write(tmp_path, LinkHealth(state, "how it is", 100.0))
    assert judged(tmp_path, 101.0) == (False, "how it is")
    write(tmp_path, LinkHealth("ready", "https://a.b leads here", 100.0))
    assert judged(tmp_path, 101.0) == (True, "https://a.b leads here")


def test_a_link_that_says_nothing_any_more_is_not_well(tmp_path: Path) -> None:
    write(tmp_path, LinkHealth("ready", "https://a.b leads here", 100.0))
    is_well, sentence = judged(tmp_path, 101.0 + STALE_SECONDS)
    assert not is_well
    assert "https://a.b leads here" in sentence


def test_a_link_that_never_spoke_has_not_started(tmp_path: Path) -> None:
    assert judged(tmp_path, 0.0) == (False, "the link has not started")
    (tmp_path / "health.json").write_text("{")
    assert judged(tmp_path, 0.0) == (False, "the link has not started")


def test_on_the_lan_a_link_is_well_while_caddy_takes_connections(tmp_path: Path) -> None:
    write(tmp_path, LinkHealth("lan", "LAN mode", 100.0))
    assert judged(tmp_path, 10_000.0) == (False, "Caddy does not answer")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as taking:
        taking.bind(str(tmp_path / "admin.sock"))
        taking.listen()
        assert judged(tmp_path, 10_000.0) == (True, "LAN mode")
