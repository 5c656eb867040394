"""Which Hive heads and packs go to now.

The Device names it, again after each reconnection. The newest name is in the
ledger, so that a restarted daemon goes on before the Device is back.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from mosaic.adapters.hive_blobs import HiveConnection
from mosaic.core.errors import Unavailable
from mosaic.core.ids import DeviceId
from mosaic.wire.storage import Upstream


class NoUpstream(Unavailable):
    """The Device has not said yet where data goes."""

    code = "no-upstream"

    def __init__(self) -> None:
        super().__init__(
            "no Hive is known yet, so nothing can be replicated or restored",
            hint="start the Device: `mosaic device run`; it connects by itself",
        )


@dataclass(frozen=True, slots=True)
class Connected:
    """An upstream and its connection."""

    upstream: Upstream
    hive: HiveConnection

    @property
    def device(self) -> DeviceId:
        """The Device in whose name heads are written."""
        return DeviceId(self.upstream.device)

    @property
    def same_machine(self) -> bool:
        """Whether the Hive's blobs lie on this very machine, which makes them no replica."""
        return self.upstream.hive_machine == self.upstream.machine


class Upstreams:
    """The newest upstream. Threads share it."""

    def __init__(self, first: Upstream | None, *, deadline_seconds: float = 30.0) -> None:
        self._deadline_seconds = deadline_seconds
        self._lock = threading.Lock()
        self._connected = self._connect(first) if first else None

    def current(self) -> Connected | None:
        """Return the newest, None before the first."""
        with self._lock:
            return self._connected

    def require(self) -> Connected:
        """Return the newest. Raises NoUpstream before the first."""
        found = self.current()
        if found is None:
            raise NoUpstream
        return found

    def replace(self, upstream: Upstream, *, remember: Callable[[Upstream], None]) -> bool:
        """Go on with `upstream`; the same again changes nothing. Returns whether it was another one."""
        with self._lock:
            before = self._connected
            if before is not None and before.upstream == upstream:
                return False
            remember(upstream)
            self._connected = self._connect(upstream)
        if before is not None:
            before.hive.close()
        return True

    def close(self) -> None:
        """Give up all requests under way."""
        found = self.current()
        if found is not None:
            found.hive.close()

    def _connect(self, upstream: Upstream) -> Connected:
        hive = HiveConnection(
            upstream.url, upstream.token, ca_pem=upstream.ca_pem, deadline_seconds=self._deadline_seconds
        )
        return Connected(upstream, hive)
