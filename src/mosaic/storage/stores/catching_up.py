"""Bringing a store that follows up to date: what the first store has and it lacks is copied.

Both are listed, so it does not matter why something is missing. Packs come
first and heads last, so that a head in the store always finds what it needs,
wherever this is killed. Nothing is copied unread: a pack that is damaged
where it comes from would only look like a replica. What the follower has cut
off is written anew.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.errors import Corrupt, NotFound, Unavailable
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine import envelopes, heads, mended, pack
from mosaic.storage.engine.store import Store
from mosaic.storage.stores.wholeness import SPARE, is_checkable, read_whole, write_anew
from mosaic.wire.blobs import MAX_OBJECT_BYTES

Taking: TypeAlias = Callable[[int], AbstractContextManager[bool]]
"""Waits until that many bytes have room in memory."""


class StoreDamaged(Corrupt):
    """A store that follows has objects of the right name and the wrong size, also when they were written anew."""

    code = "store-damaged"

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(
            f"{len(names)} objects in the store are cut off or overwritten: {', '.join(names[:3])}",
            hint="remove the store, give it an empty folder or bucket, and add it again; no other store is affected",
        )


class SourceIncomplete(Unavailable):
    """The first store cannot give something that the other one lacks."""

    code = "store-source-incomplete"

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(
            f"{len(names)} packs cannot be read whole where they come from: {', '.join(names[:3])}",
            hint="they are written anew from the live data, and copied then",
        )
        self.packs = [found for name in names if (found := pack.pack_of(name))]


class StoreBusy(Unavailable):
    """Too much waits in memory for a store already."""

    code = "store-busy"

    def __init__(self) -> None:
        super().__init__("the store is too slow for what waits for it", hint="it is tried again by itself")


@dataclass(frozen=True, slots=True)
class Copied:
    """What one run brought over."""

    objects: int
    bytes: int


def catch_up(first: Store, follower: Store, keys: VolumeKeys, *, taking: Taking, go_on: Callable[[], None]) -> Copied:
    """Copy what `follower` lacks, or has in another size. `go_on` is asked before each object, and raises to end this.

    Killed or failed anywhere, what was copied stays, and the next run goes on there.

    Raises:
        SourceIncomplete: everything else was copied, but no heads.
        StoreDamaged: everything was copied, and something has another size again.
        Unavailable: one of the stores did not answer.
    """
    there = {entry.name: entry.size for entry in follower.list("")}
    here = {entry.name: entry.size for entry in first.list("")}
    missing = {name: size for name, size in here.items() if name not in there}
    other = {name: size for name, size in here.items() if there.get(name, size) != size}
    lost = _copy(first, follower, keys, _but_heads(missing), taking, go_on)
    lost += _copy(first, follower, keys, _but_heads(other), taking, go_on, replaces=True)
    if owed := still_owed(first, lost):
        raise SourceIncomplete(owed)
    # An older head that is damaged is no loss to whoever has a newer one.
    lost += _copy(first, follower, keys, _heads(missing), taking, go_on)
    lost += _copy(first, follower, keys, _heads(other), taking, go_on, replaces=True)
    brought = [size for name, size in (*missing.items(), *other.items()) if name not in lost]
    for name in there:
        if name.startswith(SPARE):
            follower.delete(name)
    if other:
        _check_taken(follower, {name: size for name, size in other.items() if name not in lost})
    return Copied(len(brought), sum(brought))


def still_owed(first: Store, lost: Sequence[str]) -> tuple[str, ...]:
    """Return the packs that the first store has still, and that newer heads do not do without."""
    lost_packs = [name for name in lost if name.startswith(pack.PREFIX)]
    if not lost_packs:
        return ()
    marked = {pack.object_name(found) for found in mended.mended(first)}
    there = {entry.name for entry in first.list(pack.PREFIX)}
    return tuple(name for name in lost_packs if name in there and name not in marked)


def _copy(
    first: Store,
    follower: Store,
    keys: VolumeKeys,
    wanted: Mapping[str, int],
    taking: Taking,
    go_on: Callable[[], None],
    *,
    replaces: bool = False,
) -> list[str]:
    """Copy objects of these names and sizes, packs first. Returns those that cannot be read whole.

    `replaces` what the follower has under these names, unless nobody can tell which of the two is damaged.
    """
    lost = []
    for name in sorted(wanted, key=_rank):
        go_on()
        if wanted[name] > MAX_OBJECT_BYTES:
            # Not even asked for: nobody wrote such an object.
            lost.append(name)
            continue
        with taking(wanted[name]) as has_room:
            if not has_room:
                raise StoreBusy
            try:
                whole = read_whole(first, name, keys)
            except (Corrupt, NotFound):
                lost.append(name)
                continue
            if not replaces:
                follower.put(name, whole)
            elif is_checkable(name):
                write_anew(follower, name, whole)
    return lost


def _check_taken(follower: Store, written: Mapping[str, int]) -> None:
    """Raise StoreDamaged for what is of another size again, though it was just written."""
    there = {entry.name: entry.size for entry in follower.list("")}
    damaged = tuple(name for name, size in written.items() if there.get(name, size) != size)
    if damaged:
        raise StoreDamaged(damaged)


def _heads(sizes: Mapping[str, int]) -> dict[str, int]:
    return {name: size for name, size in sizes.items() if name.startswith(heads.PREFIX)}


def _but_heads(sizes: Mapping[str, int]) -> dict[str, int]:
    return {name: size for name, size in sizes.items() if not name.startswith(heads.PREFIX)}


def _rank(name: str) -> tuple[int, str]:
    order = (pack.PREFIX, envelopes.PREFIX, mended.PREFIX)
    return next((number for number, prefix in enumerate(order) if name.startswith(prefix)), len(order)), name
