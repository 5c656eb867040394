"""What a snapshot has and no state can hold: the first few of it, so that the owner is told where.

What may hold files of its own goes before sockets and device nodes, of which
an app may have any number.
"""

from mosaic.storage.engine.roots import Skipped, shown

MOST = 20
_LONGEST_BYTES = 1000


class Skips:
    """Collects them."""

    def __init__(self) -> None:
        self._foreign: dict[bytes, Skipped] = {}
        self._special: dict[bytes, Skipped] = {}

    def add(self, one: Skipped) -> None:
        """Note one. The same place again changes nothing."""
        kept = self._foreign if one.is_foreign else self._special
        if len(kept) < MOST:
            kept.setdefault(one.where, _short(one))

    def all(self) -> tuple[Skipped, ...]:
        """Return what is told."""
        return (*self._foreign.values(), *self._special.values())[:MOST]


def _short(one: Skipped) -> Skipped:
    """Paths have no limit, and this is kept in a record. Without `where` it is found again by looking everywhere."""
    if len(one.where) <= _LONGEST_BYTES:
        return one
    return Skipped(f"{shown(one.where[:_LONGEST_BYTES])}…", one.reason)
