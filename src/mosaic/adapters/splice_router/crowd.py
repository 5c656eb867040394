"""Who is let in: so many connections of one source, and so many in all."""

from collections import Counter
from ipaddress import IPv6Address

from mosaic.adapters.splice_router.limits import Limits

_V6_NETWORK_BITS = 64


class Crowd:
    """The connections that are open, by their sources. For one event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._of_source: Counter[str] = Counter()
        self._in_all = 0

    def admit(self, source: str) -> bool:
        """Count one in, unless there are enough."""
        if self._in_all >= self._limits.in_all or self._of_source[source] >= self._limits.per_source:
            return False
        self._in_all += 1
        self._of_source[source] += 1
        return True

    def gone(self, source: str) -> None:
        """Count one out that was admitted."""
        self._in_all -= 1
        self._of_source[source] -= 1
        if not self._of_source[source]:
            del self._of_source[source]


def source_of(host: str) -> str:
    """Return what connections of one visitor have in common: the address of IPv4, the /64 of IPv6."""
    if ":" not in host:
        return host
    address = IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> (128 - _V6_NETWORK_BITS):016x}/{_V6_NETWORK_BITS}"
