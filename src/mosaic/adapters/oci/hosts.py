"""Where a registry is reached, and which other places it may send us to.

Registries are spoken to over HTTPS. Plain HTTP is for this machine itself
and for hosts that the owner listed, as Docker has it. A registry that is
reached over HTTPS never sends us on to anything else.
"""

import functools
import ipaddress
import re
import ssl
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from mosaic.adapters.oci.failures import RedirectRefused, RegistryNameInvalid, RegistryUntrusted

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# The one registry whose images are named without it, and which is reached by another name (docker's reference format).
_DOCKER_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_DOCKER_SERVER = "registry-1.docker.io"
_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]
"""Scheme, host and port: what credentials belong to (RFC 6454)."""


@dataclass(frozen=True, slots=True)
class Trusts:
    """How a registry is believed.

    `ca_pem` is an authority to trust beside the public ones; for this machine's
    own address it also says that HTTPS is spoken there. `plain_hosts` are hosts
    (`HOST` or `HOST:PORT`) that may be spoken to in the clear.
    """

    ca_pem: str | None = None
    plain_hosts: frozenset[str] = frozenset()


PUBLIC = Trusts()
"""The public authorities, and nothing in the clear beyond this machine."""


class Place:
    """One registry's address, and the rules about where it leads. Raises RegistryNameInvalid."""

    def __init__(self, host: str, trusts: Trusts) -> None:
        if _HOST.fullmatch(host) is None:
            raise RegistryNameInvalid(host)
        self.host = known_as(host)
        self._trusts = trusts
        plain = host in trusts.plain_hosts or (trusts.ca_pem is None and is_loopback(host))
        server = _DOCKER_SERVER if self.host == "docker.io" else host
        self.address = f"{'http' if plain else 'https'}://{server}"
        try:
            self._origin = _origin(self.address)
        except ValueError:
            raise RegistryNameInvalid(host) from None

    @functools.cached_property
    def tls(self) -> ssl.SSLContext:
        """What certificates are checked with. Raises RegistryUntrusted: the given authority cannot be read."""
        context = ssl.create_default_context()
        if self._trusts.ca_pem is not None:
            try:
                context.load_verify_locations(cadata=self._trusts.ca_pem)
            except (ssl.SSLError, ValueError) as error:
                raise RegistryUntrusted(self.host) from error
        return context

    def is_own(self, url: str) -> bool:
        """Whether a URL leads to this very server, which alone may see credentials."""
        return _origin(url) == self._origin

    def led_to(self, url: str, location: str) -> str:
        """Return where the answer for `url` leads. Raises RedirectRefused."""
        try:
            target = urljoin(url, location)
            parts = urlsplit(target)
            _origin(target)
        except ValueError:
            raise RedirectRefused(self.host, "it is no address") from None
        if parts.username is not None or not target.isascii() or not target.isprintable() or " " in target:
            raise RedirectRefused(self.host, "it is no plain address")
        self.require_safe(target)
        return target

    def require_safe(self, url: str) -> None:
        """Refuse to be sent to a URL that is not encrypted, unless all of this is in the clear anyway."""
        scheme, host, port = _origin(url)
        if scheme == "https":
            return
        if scheme != "http":
            raise RedirectRefused(self.host, "it is not an address of the web")
        if self._origin[0] == "https":
            raise RedirectRefused(self.host, "it is not encrypted")
        if not (_is_loopback(host) or self._trusts.plain_hosts & {host, f"{host}:{port}"}):
            raise RedirectRefused(self.host, f"{host} is not among the hosts that may be spoken to in the clear")


def known_as(host: str) -> str:
    """Return the name by which people know a registry."""
    return "docker.io" if host in _DOCKER_NAMES else host


def is_loopback(host: str) -> bool:
    """Whether a host (a port may follow) is this machine itself."""
    try:
        return _is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _is_loopback(name: str) -> bool:
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _origin(url: str) -> Origin:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)
