"""Deciding when a volume is audited, and which of its snapshots an audit leaves under suspicion.

An audit reads a whole snapshot and compares it with the state that was stored
for it. Each volume has its own moment in the night, so that the volumes of a
machine, and machines with one store, do not begin together.

A difference means that the search for changes overlooked something, nobody
knows since when. So every snapshot after the newest one that is trusted is
suspect, up to the one for which everything was read again.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

FIRST_HOUR = 1
HOURS = 4
"""Audits begin between one and five at night, by the machine's own zone."""

_LAST_HOUR = 6
"""One that could not begin at its moment (another one was under way) begins until then."""

OVERDUE_SECONDS = 48 * 3600
"""A machine that is switched off at night is audited by day, this long after the last time."""

RESTED_SECONDS = 7 * 24 * 3600
"""A snapshot that was found good, and that nothing followed, is read again only after so long."""

_HOUR_NS = 3600 * 10**9
_DAY_NS = 24 * _HOUR_NS


@dataclass(frozen=True, slots=True)
class Suspects:
    """Snapshots that may lack changes: those with the sequence numbers `first` to `last`."""

    first: int
    last: int


def is_due(volume: str, *, since_ns: int, now_ns: int, offset_seconds: int) -> bool:
    """Return whether a volume is to be audited now that was audited, or met, at `since_ns` the last time.

    Instants are wall-clock time (UTC), `offset_seconds` is what the machine's zone adds to it.
    """
    if since_ns > now_ns:
        # The clock was wrong then, or is now.
        return False
    turn_ns = _turn_ns(volume, now_ns, offset_seconds)
    if since_ns >= turn_ns:
        return False
    hour_ns = (now_ns + offset_seconds * 10**9) % _DAY_NS
    is_night = FIRST_HOUR * _HOUR_NS <= hour_ns < _LAST_HOUR * _HOUR_NS and now_ns - turn_ns < _LAST_HOUR * _HOUR_NS
    return is_night or now_ns - since_ns >= OVERDUE_SECONDS * 10**9


def suspects(*, trusted: int, newest: int) -> Suspects | None:
    """Return what is suspect when an audit failed, the newest trusted snapshot being `trusted` (0: none)."""
    return Suspects(trusted + 1, newest) if newest > trusted else None


def is_suspect(seq: int, found: Iterable[Suspects]) -> bool:
    """Return whether the snapshot of this number is among them."""
    return any(one.first <= seq <= one.last for one in found)


def _turn_ns(volume: str, now_ns: int, offset_seconds: int) -> int:
    """Return the volume's newest moment that is not after now."""
    spread = int.from_bytes(hashlib.blake2b(volume.encode(), digest_size=8).digest(), "big") % (HOURS * _HOUR_NS)
    local_ns = now_ns + offset_seconds * 10**9
    today_ns = local_ns - local_ns % _DAY_NS + FIRST_HOUR * _HOUR_NS + spread - offset_seconds * 10**9
    return today_ns if today_ns <= now_ns else today_ns - _DAY_NS
