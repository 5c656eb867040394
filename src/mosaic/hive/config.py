"""What a Hive is told when it starts. The command line builds this; nothing else reads an option."""

from dataclasses import dataclass, field
from pathlib import Path

from mosaic import __version__
from mosaic.core.device_container import image_of

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"


@dataclass(frozen=True, slots=True)
class Acme:
    """An authority that speaks ACME (RFC 8555), and where it writes when a certificate is about to end.

    `root` is a PEM file by which the authority itself is trusted; None means as this machine trusts others.
    """

    email: str
    directory: str = LETS_ENCRYPT
    root: Path | None = None


@dataclass(frozen=True, slots=True)
class OwnGateway:
    """A gateway that runs beside the Hive: its `url`, and the PEM file by which it is trusted, None for as others."""

    url: str
    root: Path | None = None


@dataclass(frozen=True, slots=True)
class HiveConfig:
    """Everything under `state` belongs to this Hive alone.

    `listen` is an address, `port` 0 takes a free one. `url` is how people and
    Devices reach the Hive; None means `http(s)://<listen>:<port>`. With
    `certificate` and `key` (PEM files) the Hive serves HTTPS by them; else,
    beyond loopback, by a certificate of its own CA, and on loopback by plain
    HTTP. With `acme` it stays on loopback, plain, and a front at `listen` and
    the URL's port serves HTTPS by that authority. `machine` names the machine that the blobs lie on, as Devices on the
    same machine name it. `database_url` None is an SQLite file in `state`.
    `setup_code` None makes a random one; either way it is in `setup_code_file`
    while the Hive has no account. `backup_argv` is the command that copies the
    database to a store once; none is made while it is empty. `logins` is the file of `docker login` with the
    passwords of registries; without it the Hive asks them as nobody. `device_image` is the name of the image that
    Devices in containers are started from. `resolvers` are the DNS servers (`address:port`) that are asked whose a
    domain is; none named means those of the machine. `own_gateway` is used from the first start on.
    """

    state: Path
    machine: str
    listen: str = "127.0.0.1"
    port: int = 8930
    url: str | None = None
    catalogs: tuple[Path, ...] = ()
    certificate: Path | None = None
    key: Path | None = field(default=None, repr=False)
    acme: Acme | None = None
    database_url: str | None = field(default=None, repr=False)
    setup_code: str | None = field(default=None, repr=False)
    backup_argv: tuple[str, ...] = ()
    logins: Path | None = None
    device_image: str = field(default_factory=lambda: image_of(__version__))
    resolvers: tuple[str, ...] = ()
    own_gateway: OwnGateway | None = None

    @property
    def own_listen(self) -> str:
        """The address that the Hive's own process listens on."""
        return "127.0.0.1" if self.acme else self.listen

    @property
    def setup_code_file(self) -> Path:
        """The 0600 file that `mosaic up` reads the set-up code from. Gone once the Hive has its account."""
        return self.state / "setup-code"

    @property
    def address_file(self) -> Path:
        """Written when the Hive accepts connections: one line, the URL that this machine reaches it at."""
        return self.state / "address"
