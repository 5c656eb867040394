"""The means by which steps are carried out, gathered in one value."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from mosaic.adapters.clock import Clock
from mosaic.adapters.port_lending import PortLending
from mosaic.adapters.web_probe import Answer, probe
from mosaic.core.disk_forecast import DEFAULT_WATERMARK
from mosaic.core.errors import Refused, Unavailable
from mosaic.crypto.secret import Secret
from mosaic.device.catalogs import Catalogs
from mosaic.device.config import DeviceConfig
from mosaic.device.hive_check import HiveAddress
from mosaic.device.lookout import Lookout
from mosaic.device.outside import Engine, Hive, Storage
from mosaic.device.packages.store import PackageStore
from mosaic.device.records import Records
from mosaic.wire.assignment import VolumeAssignment

if TYPE_CHECKING:
    from mosaic.adapters.oci.registries import Registries
    from mosaic.device.upgrading.upgrader import Upgrader


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
class Packages:
    """The packages here, and who is asked about them. `registries` opens them when they are first needed,
    `close` ends their connections.

    `watermark` is how full a disk may be after an app was fetched, in per cent.
    """

    store: PackageStore
    catalogs: Catalogs
    registries: "Callable[[], Registries]"
    close: Callable[[], None]
    watermark: int = DEFAULT_WATERMARK


@dataclass(frozen=True, slots=True)
class Means:
    """`hive` and `root` raise HiveAway and RootKeyMissing while there is none.

    `formers` are the root keys that were renewed since; they open, and wrap nothing.
    `is_confirmed` says whether the Hive has said since this start what belongs here.
    `envelope_of` is what a volume's stores receive, as the Hive said it last.
    `hive_address` says where the Hive is, for who asks it nothing but how it is.
    `open_sealed` opens the secret inputs of an app's action, sealed to this Device for a subject.
    `sign_audit_head` signs the end of the audit log for a reader's nonce.
    `probe` asks a web port on loopback how it answers. `lending` opens ports on the machine in isolated mode.
    `upgrading` is who carries out upgrades of the Device itself, None where nobody could.
    """

    config: DeviceConfig
    device: str
    owner: Owner
    engine: Engine
    storage: Storage
    lookout: Lookout
    records: Records
    packages: Packages
    clock: Clock
    hive: Callable[[], Hive]
    root: Callable[[], Secret]
    is_confirmed: Callable[[], bool]
    draw: Callable[[], float]
    envelope_of: Callable[[VolumeAssignment], str | None]
    open_sealed: Callable[[str, bytes], dict[str, str]]
    sign_audit_head: Callable[[str, str], str]
    formers: Callable[[], list[Secret]] = list
    hive_address: Callable[[], HiveAddress | None] = lambda: None
    probe: Callable[[int], Answer] = probe
    choosing_ports: anyio.Lock = field(default_factory=anyio.Lock)
    lending: PortLending | None = None
    upgrading: "Callable[[], Upgrader | None]" = lambda: None
