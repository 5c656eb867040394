"""The channel: both sides prove their keys, and one session speaks for a Device."""

import secrets
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from mosaic.core.errors import MosaicError
from mosaic.core.ids import AccountId, DeviceId, SessionId
from mosaic.hive.channel.connections import Connection
from mosaic.hive.channel.socket import MAX_FRAME_BYTES
from mosaic.wire import channel
from mosaic.wire.api import Logs
from mosaic.wire.channel import Reported
from mosaic.wire.heartbeat import Heartbeat
from mosaic.wire.report import MachineState, Report
from mosaic.wire.storage import Failure
from support.fake_device import FakeDevice, TurnedAway
from support.manual_clock import ManualClock
from support.running_hive import Owner
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]


def test_a_device_that_cannot_prove_its_key_is_turned_away(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    impostor = attic.clone()
    impostor.seed = secrets.token_bytes(32)
    impostor.claims = attic.id
    with pytest.raises(TurnedAway, match="proof-wrong"):
        impostor.connect()
    assert owner.devices()[0].connected


def test_an_unknown_device_is_told_so(owner: Owner) -> None:
    stranger = FakeDevice("stranger")
    with pytest.raises(TurnedAway, match="device-unknown"):
        stranger.connect(owner.hive.url)


def test_every_welcome_carries_the_hives_clock(owner: Owner, clock: ManualClock) -> None:
    attic = FakeDevice("attic")
    attic.join(owner.join_token(admitted=False))
    assert attic.connect().now_ns == clock.wall_ns()
    clock.advance(90)
    owner.admit("attic")
    eventually(lambda: bool(attic.told))
    first, second = attic.welcomes
    attic.disconnect()
    assert (second.admitted, second.now_ns, second.token) == (True, clock.wall_ns(), first.token)


def test_a_device_is_told_when_the_hives_clock_was_set(owner: Owner, joined: Join, clock: ManualClock) -> None:
    attic = joined("attic")
    owner.install()
    clock.jump(-3600)
    with owner.client() as client:
        assert client.get("/api/installations/notes/logs", Logs, query={"lines": "5"}).text == "attic says hello"
    assert [attic.welcomes[-1].now_ns, attic.welcomes[-1].token] == [clock.wall_ns(), attic.welcomes[0].token]


def test_a_newer_session_ends_the_older_one_and_its_token(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    clone = attic.clone()
    clone.connect()
    eventually(lambda: attic.goodbye is not None)
    assert attic.goodbye is not None
    assert attic.goodbye.code == "session-superseded"
    with attic.client() as client, pytest.raises(MosaicError) as ended:
        client.this_device()
    assert ended.value.code == "session-token-unknown"
    with pytest.raises(TurnedAway, match="session-superseded"):
        attic.connect()
    assert owner.devices()[0].health.word == "Needs you"
    clone.disconnect()


def test_the_same_session_may_come_again(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    attic.disconnect()
    eventually(lambda: not owner.devices()[0].connected)
    attic.connect()
    eventually(lambda: owner.devices()[0].connected)


def test_a_version_that_nobody_speaks_is_said(owner: Owner, monkeypatch: pytest.MonkeyPatch, joined: Join) -> None:
    attic = joined("attic")
    attic.disconnect()
    monkeypatch.setattr(channel, "PROTOCOL_MIN", 7)
    monkeypatch.setattr(channel, "PROTOCOL_MAX", 9)
    with pytest.raises(TurnedAway, match="protocol-unknown"):
        attic.connect()


def test_a_frame_that_is_too_large_or_no_message_ends_the_channel_and_nothing_else(owner: Owner, joined: Join) -> None:
    joined("attic")
    address = owner.hive.url.replace("http", "ws", 1) + channel.PATH
    for frame in ("x" * (MAX_FRAME_BYTES + 1), "not json", '{"type": "hello"}', '{"type": "proof", "signature": ""}'):
        with connect(address, proxy=None) as socket, pytest.raises(ConnectionClosed):
            socket.send(frame)
            while True:
                socket.recv(timeout=60)
    assert owner.devices()[0].connected


def test_a_silent_device_turns_amber_then_red(owner: Owner, joined: Join, clock: ManualClock) -> None:
    attic = joined("attic")
    eventually(lambda: owner.devices()[0].health.colour == "green")
    attic.disconnect()
    eventually(lambda: not owner.devices()[0].connected)
    clock.advance(46)
    assert owner.devices()[0].health.colour == "amber"
    clock.advance(75)
    found = owner.devices()[0].health
    assert (found.colour, found.word) == ("red", "Not heard from")
    assert "attic has not reported for 2 min" in found.cause
    assert found.remedy


def test_a_heartbeat_is_the_report_that_it_names_with_the_figures_of_now(
    owner: Owner, joined: Join, clock: ManualClock
) -> None:
    attic = joined("attic")
    eventually(lambda: owner.devices()[0].engine_version == "20.10")

    def is_overdue() -> bool:
        # A report of its beginning may still be on its way.
        clock.advance(46)
        return owner.devices()[0].health.colour == "amber"

    eventually(is_overdue)

    attic.send(Heartbeat(attic.digest, 1, 7, 8, 0.9, None))

    eventually(lambda: owner.devices()[0].health.colour == "green")
    found = owner.devices()[0]
    assert (found.engine_version, found.last_report_ns) == ("20.10", clock.wall_ns())
    assert found.machine == MachineState(10**12, 7, 8 * 10**9, 8, 0.9, "amd64")


def test_what_is_wrong_with_the_whole_machine_is_shown(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    machine = MachineState(10**12, 5 * 10**11, 8 * 10**9, 4 * 10**9, 0.1, "amd64")
    problem = Failure("clock-skewed", "its clock is wrong", "set it")

    def told() -> bool:
        # The simulated Device reports by itself, too.
        attic.send(Reported(Report(0, 0, "", None, machine, None, [], [], problem=problem)))
        return owner.devices()[0].problem == problem

    eventually(told)


def test_a_heartbeat_that_names_another_report_is_answered_by_asking_for_it(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    attic.send(Heartbeat("never-told", 1, 7, 8, 0.9, None))
    eventually(lambda: attic.asked_again == 1)


def test_logs_come_from_the_device_and_a_silent_one_is_named(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    owner.install()
    with owner.client() as client:
        assert client.get("/api/installations/notes/logs", Logs, query={"lines": "5"}).text == "attic says hello"
        attic.disconnect()
        eventually(lambda: not owner.devices()[0].connected)
        with pytest.raises(MosaicError) as offline:
            client.get("/api/installations/notes/logs", Logs)
    assert (offline.value.code, "attic" in offline.value.message) == ("device-offline", True)


def test_a_hive_whose_clock_was_set_back_is_still_obeyed(owner: Owner, joined: Join, clock: ManualClock) -> None:
    attic = joined("attic")
    owner.install()
    eventually(lambda: owner.installation().phase == "settled")
    attic.disconnect()
    eventually(lambda: not owner.devices()[0].connected)
    clock.advance(-3600)
    owner.do("stop")
    attic.connect()
    eventually(lambda: (item := attic.assigned("notes")) is not None and item.goal == "stop")


def test_a_revision_that_no_hive_can_have_told_changes_nothing() -> None:
    connection = Connection(DeviceId("attic"), SessionId("run"), AccountId("ada"), "token")
    first = connection.tell([], {}, now_ns=5_000)
    assert first is not None
    assert not connection.catch_up(first.revision)
    assert not connection.catch_up(2**64)
    assert connection.tell([], {}, now_ns=6_000) is None
    assert connection.catch_up(900)
    again = connection.tell([], {}, now_ns=7_000)
    assert again is not None
    assert again.revision > 900
