"""What a Device tells its Hive can be read on its machine, byte for byte, and is what docs/privacy.md names."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from click.testing import CliRunner

from mosaic.adapters import channel
from mosaic.cli.main import mosaic
from mosaic.device.enrol import enrol
from mosaic.device.told import keep_told
from mosaic.wire.api import Logs
from mosaic.wire.channel import FromDevice, Hello, Proof, Reported
from mosaic.wire.heartbeat import Heartbeat
from mosaic.wire.report import MachineState, Report
from support.running_device import running_device
from support.running_hive import PASSPHRASE, Owner
from support.waiting import eventually

PAGE = Path(__file__).parents[2] / "docs" / "privacy.md"


def shown(state: Path) -> bytes:
    return (
        CliRunner()
        .invoke(mosaic, ["device", "report", "--show", "--state", str(state)], standalone_mode=False)
        .stdout_bytes
    )


def test_what_is_shown_is_byte_for_byte_what_the_hive_was_sent(
    owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, sent, framed = tmp_path / "state" / "device", [], channel.frame
    folder.mkdir(parents=True)
    identity = enrol(folder, owner.join_token(), "attic", passphrase=PASSPHRASE)

    def recorded(message: FromDevice) -> bytes:
        sent.append(framed(message))
        return sent[-1]

    monkeypatch.setattr(channel, "frame", recorded)
    with running_device(folder, identity):
        eventually(lambda: bool(owner.devices()[0].machine))
        owner.install()
        eventually(lambda: "attic" in str(owner.devices()) and owner.installation().reports != {})
    told = [one for one in sent if msgspec.json.decode(one)["type"] == "report"]
    assert shown(tmp_path / "state") == told[-1]
    assert msgspec.json.decode(told[-1], type=Reported).report.installations[0].phase


def test_a_report_that_cannot_be_shown_is_told_all_the_same(tmp_path: Path) -> None:
    machine = MachineState(1, 1, 1, 1, 0.0, "x86_64")
    keep_told(tmp_path / "no such folder" / "report.json", Reported(Report(0, 0, "", None, machine, None, [], [])))


def test_the_checks_of_another_machine_come_through_the_hive(owner: Owner, tmp_path: Path) -> None:
    identity = enrol(tmp_path / "attic", owner.join_token(), "attic", passphrase=PASSPHRASE)
    with running_device(tmp_path / "attic", identity):
        eventually(lambda: owner.devices()[0].connected)
        with owner.client() as client:
            said = client.send("POST", "/api/devices/attic/doctor", None, Logs).text
            kept = client.get("/api/devices/attic/report", Report)
    assert [line.split(":")[0] for line in said.splitlines() if line[0] in "✓✗"][:3] == [
        "✓ engine",
        "✓ compose",
        "✓ btrfs",
    ]
    assert kept.version == "", "nobody opted in to upgrades"


def parts_of(*kinds: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    """Return every struct in what is sent, however deep."""
    found: set[type[msgspec.Struct]] = set()

    def look(kind: object) -> None:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if kind not in found:
                found.add(kind)
                for field in msgspec.structs.fields(kind):
                    look(field.type)
            return
        for inner in get_args(kind):
            look(inner)

    for kind in kinds:
        look(kind)
    return found


def test_every_field_that_is_told_is_named_in_the_privacy_page_and_nothing_else() -> None:
    told = {
        f"{kind.__name__}.{field.name}"
        for kind in parts_of(Reported, Heartbeat, Hello, Proof)
        for field in msgspec.structs.fields(kind)
    }
    named = set(re.findall(r"^\| `(\w+\.\w+)` \|", PAGE.read_text(), re.MULTILINE))
    assert (told - named, named - told) == (set(), set())
