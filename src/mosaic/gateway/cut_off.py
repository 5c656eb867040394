"""How long a gateway routes without its database: alone for ever, beside others for an hour.

What others were told meanwhile it does not know. So a name that was taken away
goes on there, and an hour is enough to have a database again; alone it is the only
one who could have been told. Pure.
"""

LONGEST_NS = 3600 * 10**9
TOLD_NS = 60 * 10**9
"""After so long, and so often, it is said."""


class CutOff:
    """Of one gateway. Instants are those of a clock that never goes back."""

    def __init__(self, now_ns: int) -> None:
        self._heard_ns = now_ns
        self._told_ns = now_ns
        self._has_others = False

    def heard(self, now_ns: int) -> None:
        """Take note that the database answered."""
        self._heard_ns = self._told_ns = now_ns

    def has_others(self, *, has_others: bool) -> None:
        """Take note whether there ever were other gateways of the group."""
        self._has_others = has_others

    def is_over(self, now_ns: int) -> bool:
        """Whether nothing may be routed any more."""
        return self._has_others and now_ns - self._heard_ns > LONGEST_NS

    def to_tell(self, now_ns: int) -> tuple[int, int | None] | None:
        """Return for how many seconds there is no database, and in how many it ends; None when nothing is due."""
        if now_ns - self._told_ns < TOLD_NS:
            return None
        self._told_ns = now_ns
        silent_ns = now_ns - self._heard_ns
        return silent_ns // 10**9, max(0, LONGEST_NS - silent_ns) // 10**9 if self._has_others else None
