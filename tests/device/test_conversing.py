"""A whole Device against a real Hive: the channel, work, commands, and the end of a session."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.core.errors import MosaicError
from mosaic.core.session import SessionSuperseded
from mosaic.device.enrol import enrol
from mosaic.device.identity import Identity, load
from mosaic.device.session import TurnedAway, farewell
from mosaic.wire.api import Logs
from mosaic.wire.channel import Goodbye
from mosaic.wire.removal import Removal, RemovalPlan
from support.running_device import running_device as device
from support.running_hive import PASSPHRASE, Owner, RunningHive
from support.waiting import eventually

pytestmark = pytest.mark.long


@pytest.fixture
def identity(owner: Owner, tmp_path: Path) -> Identity:
    return enrol(tmp_path / "attic", owner.join_token(), "attic", passphrase=PASSPHRASE)


def phase_of(owner: Owner, device: str) -> Callable[[], str]:
    def look() -> str:
        report = owner.installation().reports.get(device)
        return report.phase if report else ""

    return look


def test_an_install_ends_with_the_app_running_here(owner: Owner, identity: Identity, tmp_path: Path) -> None:
    with device(tmp_path / "attic", identity) as running:
        eventually(lambda: owner.devices()[0].connected)
        owner.install()
        eventually(lambda: phase_of(owner, identity.device)() == "running")

    assert len(running.engine.running) == 1
    assert running.storage.upstreams[-1].device == identity.device


def test_an_app_goes_on_when_the_hive_is_gone(
    hive: RunningHive, owner: Owner, identity: Identity, tmp_path: Path
) -> None:
    with device(tmp_path / "attic", identity) as running:
        eventually(lambda: owner.devices()[0].connected)
        owner.install()
        eventually(lambda: phase_of(owner, identity.device)() == "running")

        hive.stop()

        assert len(running.engine.running) == 1


def test_logs_are_read_by_a_command(owner: Owner, identity: Identity, tmp_path: Path) -> None:
    with device(tmp_path / "attic", identity):
        eventually(lambda: owner.devices()[0].connected)
        owner.install()
        eventually(lambda: phase_of(owner, identity.device)() == "running")
        with owner.client() as client:
            logs = client.get("/api/installations/notes/logs?service=web&lines=7", Logs)

    assert logs.text.endswith("web 7")


def test_logs_of_a_service_that_there_is_not_are_refused_and_those_that_there_are_named(
    owner: Owner, identity: Identity, tmp_path: Path
) -> None:
    with device(tmp_path / "attic", identity):
        eventually(lambda: owner.devices()[0].connected)
        owner.install()
        eventually(lambda: phase_of(owner, identity.device)() == "running")
        with owner.client() as client, pytest.raises(MosaicError) as refused:
            client.get("/api/installations/notes/logs?service=wbe", Logs)

    assert (refused.value.message, refused.value.hint) == ("there is no service 'wbe' in it", "its services: web")


def test_a_newer_session_stops_the_apps_of_the_older_one_and_ends_it(
    owner: Owner, identity: Identity, tmp_path: Path
) -> None:
    with device(tmp_path / "attic", identity) as older:
        eventually(lambda: owner.devices()[0].connected)
        owner.install()
        eventually(lambda: phase_of(owner, identity.device)() == "running")
        (tmp_path / "clone").mkdir()
        with device(tmp_path / "clone", identity, session="session-of-the-clone"):
            eventually(lambda: older.is_over)

    assert isinstance(older.ended, SessionSuperseded)
    assert older.engine.running == {}
    assert {volume.phase for volume in older.storage.volumes.values()} == {"set-aside"}


def test_a_device_that_was_removed_ends_with_the_reason(owner: Owner, identity: Identity, tmp_path: Path) -> None:
    with device(tmp_path / "attic", identity) as running:
        eventually(lambda: owner.devices()[0].connected)
        with owner.client() as client:
            client.order("DELETE", f"/api/devices/{identity.device}")
        eventually(lambda: running.is_over)

    assert running.ended is not None and "removed" in running.ended.message


def test_a_device_that_was_removed_by_force_stops_its_apps_keeps_their_data_and_forgets_the_root_key(
    owner: Owner, identity: Identity, tmp_path: Path
) -> None:
    with device(tmp_path / "attic", identity) as running:
        eventually(lambda: owner.devices()[0].connected)
        made = owner.install()
        eventually(lambda: phase_of(owner, identity.device)() == "running")
        with owner.client() as client:
            wish = Removal(force=True, lose_seconds={made.installation: 1e9})
            client.send("POST", f"/api/devices/{identity.device}/removal", wish, RemovalPlan)
        eventually(lambda: running.is_over)

    assert running.engine.running == {}
    assert isinstance(running.ended, TurnedAway) and running.ended.is_over
    assert {volume.phase for volume in running.storage.volumes.values()} <= {"set-aside", "released"}
    kept = load(tmp_path / "attic" / "identity.json")
    assert (kept.root_key, kept.former_roots, kept.signing_seed) == (None, [], identity.signing_seed)


def test_a_goodbye_of_who_did_not_prove_to_be_the_hive_stops_no_app() -> None:
    said = Goodbye("device-removed", "this device was removed", "join it again")
    unproved, proved = farewell(said, proved=False), farewell(said)
    assert isinstance(unproved, TurnedAway) and isinstance(proved, TurnedAway)
    assert (unproved.proved, proved.proved) == (False, True)


def test_a_hive_with_another_key_is_not_obeyed(owner: Owner, identity: Identity, tmp_path: Path) -> None:
    import msgspec

    fooled = msgspec.structs.replace(identity, hive_key="ab" * 32)
    with device(tmp_path / "attic", fooled) as running:
        eventually(lambda: running.device is not None)
        assert not owner.devices()[0].connected
