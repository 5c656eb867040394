"""Where `mosaic up` and `mosaic device run` keep everything: one state folder."""

import os
from dataclasses import dataclass
from pathlib import Path

from mosaic.core import engine_container

DEFAULT_STATE = Path("/var/lib/mosaic")


def state_folder(option: Path | None) -> Path:
    """Return the state folder: the option, else MOSAIC_STATE, else /var/lib/mosaic."""
    return (option or Path(os.environ.get("MOSAIC_STATE") or DEFAULT_STATE)).absolute()


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders and files under one state folder."""

    state: Path

    @property
    def hive(self) -> Path:
        """The Hive's own state."""
        return self.state / "hive"

    @property
    def device(self) -> Path:
        """The Device's own state."""
        return self.state / "device"

    @property
    def front(self) -> Path:
        """The LAN front's own state, which the Device tells it through."""
        return self.state / "front"

    @property
    def gateway(self) -> Path:
        """The state of the gateway that runs beside the Hive, if one does."""
        return self.state / "gateway"

    @property
    def storage(self) -> Path:
        """The storage daemon's own state; its pool is under it."""
        return self.state / "storage"

    @property
    def storage_socket(self) -> Path:
        """Where the storage daemon answers."""
        return self.storage / "storage.sock"

    @property
    def engine(self) -> Path:
        """Everything of the Device's own engine, in isolated mode."""
        return self.state / "engine"

    @property
    def engine_socket(self) -> Path:
        """Where the Device's own engine answers."""
        return Path(engine_container.socket_path(str(self.engine)))

    @property
    def engine_ports(self) -> Path:
        """Where the container of the Device's own engine takes ports of the machine."""
        return Path(engine_container.ports_path(str(self.engine)))

    @property
    def engine_plugins(self) -> Path:
        """Where the Device's own engine finds its volume driver."""
        return Path(engine_container.plugin_folder(str(self.engine)))

    @property
    def versions(self) -> Path:
        """The environments that the Device made when it upgraded itself."""
        return self.state / "versions"

    @property
    def settings(self) -> Path:
        """What was chosen at the first start."""
        return self.state / "up.json"

    @property
    def lock(self) -> Path:
        """Held while a supervisor works on this folder."""
        return self.state / "lock"

    @property
    def identity(self) -> Path:
        """The Device's identity; it is there once the Device has joined a Hive."""
        return self.device / "identity.json"

    @property
    def address(self) -> Path:
        """One line, written by the Hive when it accepts connections: its address on this machine."""
        return self.hive / "address"

    @property
    def setup_code(self) -> Path:
        """The set-up code, while the Hive has no account."""
        return self.hive / "setup-code"

    def note(self, service: str) -> Path:
        """Return where the number of a service's process is noted."""
        return self.state / "run" / f"{service}.pid"

    def log(self, service: str) -> Path:
        """Return where a service's output is appended."""
        return self.state / "logs" / f"{service}.log"

    def make(self) -> None:
        """Make the folders. Only their owner may look into them: keys lie there."""
        own = (self.hive, self.device, self.front, self.storage, self.state / "run", self.state / "logs")
        for folder in (self.state, *own):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
