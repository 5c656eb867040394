"""Deciding whether somebody may try a password (or the set-up code) again.

Failures are counted per name and per address over a window; a success clears
the name's count only, so that one good password of an attacker's own does not
reset what its address did. Nothing is written down: a restart forgives.
"""

from collections import OrderedDict
from collections.abc import Sequence

from mosaic.core.errors import Refused

WINDOW_NS = 15 * 60 * 10**9
PER_NAME = 10
PER_ADDRESS = 30
_REMEMBERED = 4096


class LoginTooOften(Refused):
    """Too many wrong passwords. Nothing was checked this time."""

    code = "login-too-often"

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(
            "there were too many wrong passwords for this name or from this address",
            hint=f"wait {wait_seconds} s, then log in again",
        )


def wait_ns(failures: Sequence[int], now_ns: int, *, allowed: int) -> int:
    """Return how long to wait before the next try; 0 when it may be now. `failures` are instants, oldest first."""
    recent = [at for at in failures if now_ns - at < WINDOW_NS]
    if len(recent) < allowed:
        return 0
    return recent[-allowed] + WINDOW_NS - now_ns


class LoginLimits:
    """The failures of the last window. Bounded: the names tried longest ago are forgotten first."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, list[int]] = OrderedDict()
        self._addresses: OrderedDict[str, list[int]] = OrderedDict()

    def check(self, name: str, address: str, now_ns: int) -> None:
        """Return when a try is allowed. Raises LoginTooOften."""
        wait = max(
            wait_ns(self._names.get(name, ()), now_ns, allowed=PER_NAME),
            wait_ns(self._addresses.get(address, ()), now_ns, allowed=PER_ADDRESS),
        )
        if wait > 0:
            raise LoginTooOften(-(-wait // 10**9))

    def failed(self, name: str, address: str, now_ns: int) -> None:
        """Count a failure."""
        _note(self._names, name, now_ns, PER_NAME)
        _note(self._addresses, address, now_ns, PER_ADDRESS)

    def succeeded(self, name: str, address: str, at_ns: int) -> None:
        """Forget the failures of this name, and that this try, counted at `at_ns`, was one of the address."""
        self._names.pop(name, None)
        left = self._addresses.get(address, [])
        if at_ns in left:
            left.remove(at_ns)


def _note(failures: OrderedDict[str, list[int]], key: str, now_ns: int, kept: int) -> None:
    failures[key] = [*failures.pop(key, []), now_ns][-kept:]
    if len(failures) > _REMEMBERED:
        failures.popitem(last=False)
