"""What a Device tells its Hive on every change: always the whole picture.

Every field is named, with its reason, in docs/privacy.md; nothing else is told.
"""

from typing import Literal

import msgspec

from mosaic.wire.device_links import LinkTokenHash
from mosaic.wire.lan import LanState
from mosaic.wire.storage import ConflictSnapshot, Failure, PoolState, Replica, ReplicaState, WentBack
from mosaic.wire.updating import UpdateState

InstallationPhase = Literal[
    "fetching", "restoring", "starting", "running", "stopping", "stopped",
    "preparing", "prepared", "replicating", "released", "dropped", "failed", "fenced",
]  # fmt: skip


class ServiceState(msgspec.Struct, frozen=True):
    """One container of the app as the engine sees it. `health` is None without a healthcheck; `link`: it is a link."""

    service: str
    state: Literal["created", "running", "paused", "restarting", "exited", "dead", "missing"]
    health: Literal["starting", "healthy", "unhealthy"] | None
    exit_code: int | None
    link: bool = False


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

    `healthy` is the health gate's answer while running. `url` and `secure_url` are the LAN
    address by name, when there is one, and `network_urls` are those for other
    machines of the network while the app is open to it. `unconfirmed` means that it was started
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
    update: UpdateState | None = None
    secure_url: str | None = None
    network_urls: list[str] = []


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


class UpgradeState(msgspec.Struct, frozen=True):
    """How the newest upgrade of the Device itself goes, or what came of it.

    `wish` is its command's, `digest` the package's, `version` "" until it was
    read. `stage`: `refused` means that nothing was switched, and `back` that the
    version before runs again; `why` is the reason of both, and `last_lines` what
    the new one said last. `may_retry`: what stood in the way may pass.
    """

    wish: str
    digest: str
    version: str
    stage: Literal["fetching", "switching", "kept", "back", "refused"]
    why: str = ""
    last_lines: str = ""
    may_retry: bool = False


class Report(msgspec.Struct, frozen=True):
    """Everything at one instant. `highest` is the highest epoch that this Device ever saw, per installation.

    `hardware` and `group` are what roll-outs go by (`mosaic.core.target_choice`).
    `version` is the program's where the owner opted in to its upgrades, and empty elsewhere.
    `link_tokens` are the hashes of the tokens that it gave to links. `lan` is how apps are found on its own network.
    """

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
    hardware: str = ""
    group: str = ""
    upgrade: UpgradeState | None = None
    link_tokens: list[LinkTokenHash] = []
    lan: LanState = msgspec.field(default_factory=LanState)
