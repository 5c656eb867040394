"""Where `mosaic up` and `mosaic device run` keep everything: one state folder."""

import os
from dataclasses import dataclass
from pathlib import Path

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
    def storage(self) -> Path:
        """The storage daemon's own state; its pool is under it."""
        return self.state / "storage"

    @property
    def storage_socket(self) -> Path:
        """Where the storage daemon answers."""
        return self.storage / "storage.sock"

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
        for folder in (self.state, self.hive, self.device, self.storage, self.state / "run", self.state / "logs"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
