"""The means by which steps are carried out, gathered in one value."""

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from mosaic.adapters.clock import Clock
from mosaic.core.errors import Refused, Unavailable
from mosaic.crypto.secret import Secret
from mosaic.device.config import DeviceConfig
from mosaic.device.lookout import Lookout
from mosaic.device.outside import Engine, Hive, Storage
from mosaic.device.records import Records
from mosaic.wire.assignment import VolumeAssignment


class HiveAway(Unavailable):
    """A step needs the Hive, and there is no connection just now."""

    code = "hive-away"

    def __init__(self) -> None:
        super().__init__(
            "this step needs the Hive, and there is no connection to it",
            hint="it goes on by itself as soon as the Hive answers; apps that run keep running",
        )


class RootKeyMissing(Refused):
    """The Device has not been given the account's root key."""

    code = "root-key-missing"

    def __init__(self) -> None:
        super().__init__(
            "this Device does not have the account's root key yet, so it can open no volume",
            hint="admit it in the Console or with `mosaic device admit`, with the passphrase",
        )


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose Device this is, as pinned at enrolment. `key` is the owner's Ed25519 public key (hex)."""

    account: str
    key: str


@dataclass(frozen=True, slots=True)
class Means:
    """`hive` and `root` raise HiveAway and RootKeyMissing while there is none.

    `formers` are the root keys that were renewed since; they open, and wrap nothing.
    `is_confirmed` says whether the Hive has said since this start what belongs here.
    `envelope_of` is what a volume's stores receive, as the Hive said it last.
    """

    config: DeviceConfig
    device: str
    owner: Owner
    engine: Engine
    storage: Storage
    lookout: Lookout
    records: Records
    clock: Clock
    hive: Callable[[], Hive]
    root: Callable[[], Secret]
    is_confirmed: Callable[[], bool]
    draw: Callable[[], float]
    envelope_of: Callable[[VolumeAssignment], str | None]
    formers: Callable[[], list[Secret]] = list
    choosing_ports: anyio.Lock = field(default_factory=anyio.Lock)
