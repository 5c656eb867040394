"""What a Device tells its Hive: on every change, and every 30 s. Always the whole picture."""

from typing import Literal

import msgspec

from mosaic.wire.storage import ConflictSnapshot, Failure, PoolState, Replica, ReplicaState, WentBack

InstallationPhase = Literal[
    "fetching", "restoring", "starting", "running", "stopping", "stopped",
    "preparing", "prepared", "replicating", "released", "dropped", "failed", "fenced",
]  # fmt: skip


class ServiceState(msgspec.Struct, frozen=True):
    """One container of the app as the engine sees it. `health` is None without a healthcheck."""

    service: str
    state: Literal["created", "running", "paused", "restarting", "exited", "dead", "missing"]
    health: Literal["starting", "healthy", "unhealthy"] | None
    exit_code: int | None


class PortBinding(msgspec.Struct, frozen=True):
    """Where a published port is reached on the Device's machine."""

    service: str
    container_port: int
    protocol: str
    host_ip: str
    host_port: int


class Step(msgspec.Struct, frozen=True):
    """One step of the work under way, for people to watch. Times in ns since 1970 UTC."""

    name: str
    state: Literal["waiting", "now", "done", "failed"]
    started_ns: int | None = None
    ended_ns: int | None = None
    moved_bytes: int | None = None
    total_bytes: int | None = None
    detail: str = ""


class InstallationReport(msgspec.Struct, frozen=True):
    """One installation on this Device. `epoch` is the one that the Device acts under.

    `healthy` is the health gate's answer while running. `url` is the LAN
    address by name, when there is one. `unconfirmed` means that it was started
    without a Hive after a reboot. `images` are the pins resolved here.
    """

    installation: str
    goal: str
    epoch: str | None
    phase: InstallationPhase
    healthy: bool
    app_digest: str | None
    config_revision: int
    services: list[ServiceState] = []
    ports: list[PortBinding] = []
    url: str | None = None
    images: dict[str, str] = {}
    steps: list[Step] = []
    problem: Failure | None = None
    unconfirmed: bool = False


class VolumeReport(msgspec.Struct, frozen=True):
    """One volume here: its public key, how far each store has it, and what waits."""

    volume: str
    installation: str
    kind: str
    epoch: str | None
    state: ReplicaState
    local_head: str | None
    replicas: list[Replica]
    waiting_bytes: int
    conflicts: list[ConflictSnapshot] = []
    problem: Failure | None = None
    went_back: WentBack | None = None


class MachineState(msgspec.Struct, frozen=True):
    """Disk, memory and load of the Device's machine."""

    disk_total_bytes: int
    disk_free_bytes: int
    memory_total_bytes: int
    memory_available_bytes: int
    load_1m: float
    architecture: str


class Report(msgspec.Struct, frozen=True):
    """Everything at one instant. `highest` is the highest epoch that this Device ever saw, per installation."""

    at_ns: int
    assignments_revision: int
    version: str
    engine_version: str | None
    machine: MachineState
    pool: PoolState | None
    installations: list[InstallationReport]
    volumes: list[VolumeReport]
    highest: dict[str, str] = {}
    problem: Failure | None = None
