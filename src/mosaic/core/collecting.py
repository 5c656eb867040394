"""Deciding which stored packs go, and when.

A pack goes in two steps that are at least a day apart. `condemn` chooses
packs that kept snapshots can do without; a head that lists them is accepted,
and from then on no head ever relies on one of them again. `due` says which of
the condemned ones may be deleted now.

What kept snapshots need, and that it lies elsewhere too, is found out by the
caller. Nothing here reads a clock or a store.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

GRACE_SECONDS = 24 * 3600.0
"""So long a reader that took no lease, and a store's own caches, may still look for a condemned pack."""

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is done at once, and for what.

    Packs that were met less than `settled_seconds` ago are left: they may be a
    writer's who has not named them in a head yet. Up to `rewrite_bytes` are
    written anew to empty packs of which less than half is needed, and to merge
    packs below `small_bytes` when there are at least `merged` of them. Nothing
    is done for less than `worth_bytes` of space and `worth_packs` packs: each
    time makes a little garbage itself, and a volume at rest must come to rest.
    """

    settled_seconds: float = GRACE_SECONDS
    rewrite_bytes: int = 64 * 1024 * 1024
    small_bytes: int = 4 * 1024 * 1024
    merged: int = 8
    worth_bytes: int = 64 * 1024
    worth_packs: int = 8


@dataclass(frozen=True, slots=True)
class PackUse:
    """A stored pack that no head has condemned, and what kept snapshots need of it.

    `needed_bytes` are those of blobs that would be read from this pack; a blob
    that lies in several packs counts in one of them. `is_sound` says that the
    pack was never found damaged. `known_seconds` is how long it has been known.
    """

    pack: bytes
    size: int
    needed_bytes: int
    known_seconds: float
    is_sound: bool = True


@dataclass(frozen=True, slots=True)
class Condemned:
    """A pack (16-byte name) that an accepted head condemned: number `seq`, whose instant is `at_ns`."""

    pack: bytes
    seq: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A condemned pack that is still in a store.

    `waited_seconds` have passed on this machine, by a clock that never jumps,
    since it first saw the accepted head that condemns the pack.
    """

    condemned: Condemned
    waited_seconds: float


def condemn(packs: Iterable[PackUse], limits: Limits) -> tuple[bytes, ...]:
    """Return the packs to condemn. What is needed of them must be written to others first.

    A damaged pack of which something is needed stays: nobody knows what else can still be read of it.
    """
    settled = [one for one in packs if one.known_seconds >= limits.settled_seconds]
    garbage = [one.pack for one in settled if one.needed_bytes == 0]
    worth = sorted(
        (one for one in settled if one.needed_bytes > 0 and one.is_sound and _is_wasteful(one, limits)),
        key=lambda one: (one.needed_bytes / max(1, one.size), one.size, one.pack),
    )
    taken = _within(worth, limits.rewrite_bytes)
    merging = [one for one in taken if not _is_sparse(one)]
    if len(merging) < limits.merged:
        # Written anew alone, a small pack would be a small pack again.
        taken = [one for one in taken if _is_sparse(one)]
    chosen = [*sorted(garbage), *sorted(one.pack for one in taken)]
    gone = set(chosen)
    freed = sum(one.size - one.needed_bytes for one in settled if one.pack in gone)
    return tuple(chosen) if freed >= limits.worth_bytes or len(chosen) >= limits.worth_packs else ()


def due(waiting: Iterable[Waiting], *, now_ns: int, oldest_reader: int | None) -> tuple[bytes, ...]:
    """Return the condemned packs that may be deleted.

    Both the grace by this machine's steady clock and the one by the wall
    clocks must be over; a head whose instant lies ahead of `now_ns` says
    nothing by its clock. `oldest_reader` is the number of the newest head that
    was there when the oldest read lease of all that are still held was given:
    its reader may know of no other place than packs condemned later.
    """
    return tuple(
        one.condemned.pack
        for one in waiting
        if one.waited_seconds >= GRACE_SECONDS
        and _is_past(one.condemned.at_ns, now_ns)
        and (oldest_reader is None or oldest_reader >= one.condemned.seq)
    )


def _is_past(at_ns: int, now_ns: int) -> bool:
    return at_ns > now_ns or now_ns - at_ns >= GRACE_SECONDS * _NS


def _is_wasteful(one: PackUse, limits: Limits) -> bool:
    return _is_sparse(one) or one.size < limits.small_bytes


def _is_sparse(one: PackUse) -> bool:
    return 2 * one.needed_bytes < one.size


def _within(packs: Sequence[PackUse], budget_bytes: int) -> list[PackUse]:
    taken: list[PackUse] = []
    for one in packs:
        budget_bytes -= one.needed_bytes
        if budget_bytes < 0:
            break
        taken.append(one)
    return taken
