"""What a Device process is told when it starts.

Everything else it knows comes from its state folder: who it is
(`mosaic.device.identity`), and its ledger.
"""

from dataclasses import dataclass
from pathlib import Path

DEFAULT_ENGINE = "unix:///var/run/docker.sock"
DEFAULT_DRIVER = "mosaic"


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """`driver` is the volume driver's name that the storage daemon at `storage_socket` registered.

    `front_port` is wished for the LAN front; None takes a free one. Either is
    chosen once and kept. `stop_seconds` is the grace that an app gets to end.
    After `alone_seconds` without a Hive, apps of policy manual that were here
    before a reboot are started unconfirmed.
    """

    name: str
    state: Path
    storage_socket: Path
    driver: str = DEFAULT_DRIVER
    engine: str = DEFAULT_ENGINE
    front: bool = True
    front_port: int | None = None
    caddy: str = "caddy"
    stop_seconds: int = 20
    alone_seconds: float = 30.0

    @property
    def apps(self) -> Path:
        """Where extracted bundles lie: `<app>/<digest>/`."""
        return self.state / "apps"

    @property
    def projects(self) -> Path:
        """Where rendered compose files lie: `<installation>/compose.json`."""
        return self.state / "projects"

    @property
    def ledger(self) -> Path:
        """The Device's own ledger."""
        return self.state / "device.ledger"

    @property
    def identity(self) -> Path:
        """Who this Device is. 0600."""
        return self.state / "identity.json"
