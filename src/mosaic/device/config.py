"""What a Device process is told when it starts.

Everything else it knows comes from its state folder: who it is
(`mosaic.device.identity`), and its ledger.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic import __version__
from mosaic.adapters.machine import own_hardware

if TYPE_CHECKING:
    from mosaic.core.device_container import Container

DEFAULT_ENGINE = "unix:///var/run/docker.sock"
DEFAULT_DRIVER = "mosaic"
DEFAULT_PLUGINS = Path("/run/docker/plugins")
LINK_IMAGE = f"mosaic/link:{__version__}"
"""What runs as a link, whatever image of that name an app brings: of the Device's own version."""


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """`driver` is the volume driver's name that the storage daemon at `storage_socket` registered.

    `front` is the folder of the LAN front that somebody runs beside this Device (None: nobody does), and `front_port`
    is wished for it; None takes a free one. Either is chosen once and kept.
    `stop_seconds` is the grace that an app gets to end.
    After `alone_seconds` without a Hive, apps of policy manual that were here
    before a reboot are started unconfirmed. `hardware` and `group` (None: in none) are what Targets are chosen by.
    `plugins` is where the engine's volume drivers are found from here.
    `upgrades`: the owner opted in to automatic upgrades of the Device; only then is its version told.
    `trusted` are folders of apps on this machine: whoever may write there is believed (decision 42).
    `lent_ports` is where an engine with a network of its own takes ports of the machine; None: it is the machine's.
    `link_image` is what runs as a link, and `has_tun` says that the machine has the device of tunnels.
    `own_engine` is that engine's container where this Device has to keep it running; None: somebody else does.
    """

    name: str
    state: Path
    storage_socket: Path
    driver: str = DEFAULT_DRIVER
    engine: str = DEFAULT_ENGINE
    front: Path | None = None
    front_port: int | None = None
    caddy: str = "caddy"
    plugins: Path = DEFAULT_PLUGINS
    stop_seconds: int = 20
    alone_seconds: float = 30.0
    hardware: str = field(default_factory=own_hardware)
    group: str | None = None
    upgrades: bool = False
    trusted: tuple[Path, ...] = ()
    lent_ports: Path | None = None
    link_image: str = LINK_IMAGE
    has_tun: bool = False
    own_engine: "Container | None" = None

    @property
    def apps(self) -> Path:
        """Where extracted bundles lie: `<app>/<digest>/`."""
        return self.state / "apps"

    @property
    def trust(self) -> Path:
        """Where is kept what was believed of catalogs: `<name>-<root>/`."""
        return self.state / "trust"

    @property
    def projects(self) -> Path:
        """Where rendered compose files lie: `<installation>/compose.json`."""
        return self.state / "projects"

    @property
    def ledger(self) -> Path:
        """The Device's own ledger."""
        return self.state / "device.ledger"

    @property
    def told(self) -> Path:
        """The newest whole report, in the very bytes that the Hive was sent. 0600."""
        return self.state / "report.json"

    @property
    def identity(self) -> Path:
        """Who this Device is. 0600."""
        return self.state / "identity.json"
