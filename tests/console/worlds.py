"""Devices and installations as the Hive's views return them, for tests that need no Hive."""

import msgspec

from mosaic.wire.account import AccountKeys, KdfParameters
from mosaic.wire.api import Account, Device, Health, Installation
from mosaic.wire.report import InstallationReport, MachineState, PortBinding, ServiceState, Step, VolumeReport
from mosaic.wire.storage import ConflictSnapshot, Replica

NS = 10**9
NOW = 1_900_000_000 * NS
GREEN = Health("green", "Running well", "notes runs.", "")
KEYS = AccountKeys(1, KdfParameters(65536, 4, 1, "00" * 16), "00", "00", "00", "00" * 32)
ACCOUNT = Account("acc", "ada", KEYS)

ATTIC = Device(
    device="d1",
    name="attic",
    admitted=True,
    has_root_key=True,
    wrapping_key="00" * 32,
    connected=True,
    last_report_ns=NOW - 4 * NS,
    health=Health("green", "Healthy", "attic reported 4 s ago.", ""),
    version="0.1.0",
    engine_version="27.3",
    machine=MachineState(500 * 10**9, 286 * 10**9, 16 * 10**9, 6 * 10**9, 0.42, "amd64"),
    pool=None,
    installations=[],
)
STUDY = msgspec.structs.replace(ATTIC, device="d2", name="study")
SILENT = msgspec.structs.replace(
    ATTIC,
    device="d3",
    name="hallway",
    connected=False,
    health=Health("red", "Not heard from", "hallway has not reported for 3 min 12 s.", "Check its power and network."),
)

RUNNING = InstallationReport(
    installation="i1",
    goal="run",
    epoch="0.3",
    phase="running",
    healthy=True,
    app_digest=None,
    config_revision=1,
    services=[ServiceState("web", "running", "healthy", None)],
    ports=[PortBinding("web", 80, "tcp", "127.0.0.1", 31041)],
    url="http://notes.localhost:8931",
)
NOTES = Installation(
    installation="i1",
    name="notes",
    app="notes",
    app_digest="sha256:" + "ab" * 32,
    wanted="run",
    phase="settled",
    device="d1",
    target=None,
    epoch="0.3",
    failover="manual",
    open=False,
    health=GREEN,
    created_ns=NOW - 100 * NS,
    reports={"d1": RUNNING},
    volumes=[],
)


def called(name: str, base: Installation = NOTES) -> Installation:
    """Return the same installation under another name."""
    return msgspec.structs.replace(base, name=name, installation=f"i-{name}")


def reported(report: InstallationReport, base: Installation = NOTES) -> Installation:
    """Return the installation with another report of its Device."""
    return msgspec.structs.replace(base, reports={base.device: report})


def working(*steps: Step, phase: str = "starting") -> InstallationReport:
    """Return a report of work under way."""
    return msgspec.structs.replace(RUNNING, phase=phase, healthy=False, steps=list(steps))


def kept(replica: Replica, *conflicts: ConflictSnapshot) -> VolumeReport:
    """Return a volume with one copy."""
    return VolumeReport("a1" * 32, "i1", "data", "0.3", replica.state, None, [replica], 0, list(conflicts))
