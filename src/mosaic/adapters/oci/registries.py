"""All registries that are spoken to, one connection for each."""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mosaic.adapters.oci.credentials import Credentials
from mosaic.adapters.oci.hosts import Trusts, known_as
from mosaic.adapters.oci.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from mosaic.adapters.oci.registry import Registry


class Registries:
    """The registries that are spoken to, each opened when it is first asked for. Threads may share it."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        authorities: Mapping[str, str] | None = None,
        plain_hosts: frozenset[str] = frozenset(),
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """`authorities` are certificates (PEM) by host; `plain_hosts` may be spoken to in the clear."""
        self._credentials = credentials
        self._authorities = dict(authorities or {})
        self._plain_hosts = plain_hosts
        self._limits = limits
        self._opened: dict[str, Registry] = {}
        self._lock = threading.Lock()

    def at(self, host: str) -> "Registry":
        """Return the registry of a host. Raises RegistryNameInvalid."""
        # Imported here: the HTTP client takes memory, and a Hive whose apps come from folders never asks.
        from mosaic.adapters.oci.registry import Registry

        name = known_as(host)
        with self._lock:
            if name not in self._opened:
                trusts = Trusts(self._authorities.get(name), self._plain_hosts)
                self._opened[name] = Registry(name, credentials=self._credentials, trusts=trusts, limits=self._limits)
            return self._opened[name]

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            for registry in self._opened.values():
                registry.close()
