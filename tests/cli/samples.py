"""Answers of a Hive, as small as they may be."""

from typing import Literal

from mosaic.wire.api import Device, Health, Installation
from mosaic.wire.report import InstallationPhase, InstallationReport, PortBinding, ServiceState, Step
from mosaic.wire.storage import Failure

GREEN = Health("green", "Running well", "notes runs.", "")
DEVICE = "d" * 32
ATTIC = "a" * 32


def device(name: str = "cellar", key: str = DEVICE) -> Device:
    return Device(key, name, True, True, "00" * 32, True, None, GREEN, "0.1.0", "20.10", None, None, [])


def report(
    phase: InstallationPhase = "running", *, healthy: bool = True, epoch: str = "1.1", problem: Failure | None = None,
    steps: list[Step] | None = None,
) -> InstallationReport:  # fmt: skip
    return InstallationReport(
        installation="abc",
        goal="run",
        epoch=epoch,
        phase=phase,
        healthy=healthy,
        app_digest=None,
        config_revision=1,
        services=[ServiceState("web", "running", "healthy", None)],
        ports=[PortBinding("nginx", 80, "tcp", "127.0.0.1", 8080)],
        url="http://notes.localhost:8000",
        steps=steps or [],
        problem=problem,
    )


def installation(
    *, phase: str = "settled", device: str = DEVICE, target: str | None = None, wanted: Literal["run", "stop"] = "run",
    reports: dict[str, InstallationReport] | None = None, problem: str | None = None,
) -> Installation:  # fmt: skip
    return Installation(
        installation="abc",
        name="notes",
        app="notes",
        app_digest="sha256:" + "0" * 64,
        wanted=wanted,
        phase=phase,
        device=device,
        target=target,
        epoch="1.1",
        failover="manual",
        open=False,
        health=GREEN,
        created_ns=0,
        reports=reports or {},
        volumes=[],
        problem=problem,
    )
