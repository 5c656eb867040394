"""How often somebody may ask a gateway: by where he asks from, by link, by Hive. Nothing is written down.

A source is an IPv4 address, or the /64 of an IPv6 one, which is what one line is given.
"""

from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address

from mosaic.core.errors import Refused

WINDOW_NS = 60 * 10**9
PER_SOURCE = 240
"""Requests that did not come from a known Hive. A whole village may be behind one address."""

PER_SOURCE_REFUSED = 30
"""Requests whose token or signature was wrong."""

PER_LINK = 20
_REMEMBERED = 8192


class AskedTooOften(Refused):
    """Too many requests from one place. Nothing of this one was looked at."""

    code = "asked-too-often"

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(
            "there were too many requests from this address", hint=f"wait {wait_seconds} s, then try again"
        )
        self.wait_seconds = wait_seconds


class LinkRegistersTooOften(Refused):
    """The link began again and again."""

    code = "link-registers-too-often"

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(
            "this link registered too often within a minute",
            hint=f"it goes on in {wait_seconds} s; its log says why it starts again and again",
        )
        self.wait_seconds = wait_seconds


class Limits:
    """What was asked in the last minute. Bounded: who asked longest ago is forgotten first. For one event loop."""

    def __init__(self) -> None:
        self._asked: OrderedDict[str, deque[int]] = OrderedDict()
        self._refused: OrderedDict[str, deque[int]] = OrderedDict()
        self._registered: OrderedDict[str, deque[int]] = OrderedDict()

    def ask(self, address: str, now_ns: int) -> None:
        """Count a request from an address. Raises AskedTooOften."""
        source = source_of(address)
        self.check_refused(address, now_ns)
        if (wait := _count(self._asked, source, now_ns, PER_SOURCE)) > 0:
            raise AskedTooOften(wait)

    def check_refused(self, address: str, now_ns: int) -> None:
        """Return unless there were too many wrong tokens or signatures from there. Raises AskedTooOften."""
        if (wait := _wait(self._refused.get(source_of(address)), now_ns, PER_SOURCE_REFUSED)) > 0:
            raise AskedTooOften(wait)

    def refuse(self, address: str, now_ns: int) -> None:
        """Count a wrong token or signature."""
        _count(self._refused, source_of(address), now_ns, PER_SOURCE_REFUSED)

    def register(self, link: str, now_ns: int) -> None:
        """Count that a link registers, whose token is right. Raises LinkRegistersTooOften."""
        if (wait := _count(self._registered, link, now_ns, PER_LINK)) > 0:
            raise LinkRegistersTooOften(wait)


def source_of(address: str) -> str:
    """Return what all requests of one line have in common."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> 64 << 64))


def _count(known: OrderedDict[str, deque[int]], key: str, now_ns: int, allowed: int) -> int:
    """Return how many seconds to wait, and count this one if that is none."""
    times = known.pop(key, deque[int]())
    known[key] = times
    if len(known) > _REMEMBERED:
        known.popitem(last=False)
    if (wait := _wait(times, now_ns, allowed)) > 0:
        return wait
    times.append(now_ns)
    return 0


def _wait(times: deque[int] | None, now_ns: int, allowed: int) -> int:
    if times is None:
        return 0
    while times and now_ns - times[0] >= WINDOW_NS:
        times.popleft()
    return 0 if len(times) < allowed else max(1, -(-(times[0] + WINDOW_NS - now_ns) // 10**9))
