"""What `mosaic up` chose at its first start and keeps: ports, addresses, catalogs.

Options of a later start replace what was kept. A port that was kept and is
taken by somebody else now is an error, not a reason to move: bookmarks,
Devices and logins point at it.
"""

import json
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from mosaic.adapters.private_file import write_private
from mosaic.core.errors import Refused

DEFAULT_PORT = 8930
HTTPS_PORT = 443
_TRIES = 100
LOOPBACK = "127.0.0.1"
NO_GATEWAY = "none"


class PortTaken(Refused):
    """Another program has the Hive's port."""

    code = "port-taken"

    def __init__(self, port: int, *, option: str = "--port") -> None:
        super().__init__(
            f"port {port} is taken by another program",
            hint=f"stop it (`ss -tlnp 'sport = :{port}'` names it), or choose another port with `{option}`",
        )


class AddressUnknown(Refused):
    """The address to listen on is not one of this machine's."""

    code = "address-unknown"

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"this machine cannot listen on {address}: {reason}",
            hint="give one of this machine's addresses with `--listen`, or 0.0.0.0 for all",
        )


class UrlNeeded(Refused):
    """Listening beyond loopback without a name for it."""

    code = "url-needed"

    def __init__(self) -> None:
        super().__init__(
            "a Hive that listens beyond this machine needs the address that others reach it at",
            hint="add `--url https://NAME:PORT`, with a name or an address that your Devices can reach",
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """`port` None means that none was chosen yet, `pool_gigabytes` (GiB) that the storage daemon chooses.

    `trusted` are folders of apps that the Device believes beside the `catalogs`, `hardware` and `group` what Targets
    are chosen by, where they were given. `own_engine` is isolated mode: apps run in an engine of the Device's own.
    `gateway` is the name of a gateway that runs beside the Hive, or NO_GATEWAY; names are given out under its
    `gateway_domain`, the same one if None. `gateway_url` is where Hive and links ask it, believed by `gateway_root`.
    """

    listen: str = LOOPBACK
    port: int | None = None
    url: str | None = None
    cert: str | None = None
    key: str | None = None
    acme: str | None = None
    acme_directory: str | None = None
    acme_root: str | None = None
    catalogs: tuple[str, ...] = ()
    pool: str | None = None
    pool_gigabytes: int | None = None
    name: str | None = None
    driver: str = "mosaic"
    backup_to: str | None = None
    device_image: str | None = None
    trusted: tuple[str, ...] = ()
    hardware: str | None = None
    group: str | None = None
    own_engine: bool = False
    gateway: str | None = None
    gateway_domain: str | None = None
    gateway_url: str | None = None
    gateway_root: str | None = None
    gateway_options: str | None = None

    @property
    def gateway_host(self) -> str | None:
        """The name of the gateway that runs beside the Hive, None where none does."""
        return self.gateway if self.gateway != NO_GATEWAY else None

    @property
    def backup_folder(self) -> Path | None:
        """The folder that the Hive's own database is copied to, None where it goes to a bucket or nowhere."""
        folder = Path((self.backup_to or "").removeprefix("file://"))
        return folder if folder.is_absolute() else None

    @property
    def own_pool(self) -> Path | None:
        """The folder on btrfs that was given to keep volumes in, None where they lie in an image under the state."""
        return None if self.pool is None else Path(self.pool)

    @property
    def hive_address(self) -> tuple[str, int]:
        """Where this machine connects to the Hive."""
        assert self.port is not None
        everywhere = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 (compared, not bound)
        return everywhere.get(self.own_listen, self.own_listen), self.port

    @property
    def own_listen(self) -> str:
        """Where the Hive's own process listens: behind a front that obtains certificates, on loopback."""
        return LOOPBACK if self.acme else self.listen

    @property
    def front_port(self) -> int | None:
        """The port of the front that obtains certificates, None without one."""
        return (urlsplit(self.url or "").port or HTTPS_PORT) if self.acme else None


def load(file: Path) -> Settings:
    """Read what was kept; the defaults when nothing was."""
    try:
        kept = json.loads(file.read_text())
    except FileNotFoundError:
        return Settings()
    known = {name: value for name, value in kept.items() if name in Settings.__slots__}
    folders = {name: tuple(known.get(name, ())) for name in ("catalogs", "trusted")}
    return Settings(**{**known, **folders})


def save(file: Path, settings: Settings) -> None:
    """Keep the settings in place of older ones."""
    write_private(file, f"{json.dumps(asdict(settings), indent=2)}\n".encode())


def with_port(settings: Settings, wanted: int | None) -> Settings:
    """Return the settings with a port that is free now. Raises PortTaken, AddressUnknown, UrlNeeded."""
    if settings.listen not in (LOOPBACK, "localhost", "::1") and settings.url is None:
        raise UrlNeeded
    if settings.front_port is not None and not is_free(settings.listen, settings.front_port):
        raise PortTaken(settings.front_port, option="--url https://NAME:PORT")
    fixed = wanted if wanted is not None else settings.port
    if fixed is not None:
        if not is_free(settings.own_listen, fixed):
            raise PortTaken(fixed)
        return replace(settings, port=fixed)
    for port in range(DEFAULT_PORT, DEFAULT_PORT + _TRIES):
        if is_free(settings.own_listen, port):
            return replace(settings, port=port)
    raise PortTaken(DEFAULT_PORT)


def is_free(listen: str, port: int) -> bool:
    """Tell whether this process could listen there. Raises AddressUnknown."""
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a connection of the last run that lingers is not a program that has the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listen, port))
        except OSError as error:
            import errno

            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise AddressUnknown(listen, error.strerror or str(error)) from None
        return True
