"""Bringing a store that follows up to date: what the first store has and it lacks is copied.

Both are listed, so it does not matter why something is missing. Packs come
first and heads last, so that a head in the store always finds what it needs,
wherever this is killed. Nothing is copied unread: a pack that is damaged
where it comes from would only look like a replica.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.errors import Corrupt, NotFound, Unavailable
from mosaic.core.ids import VolumeId
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine import heads, mended, pack
from mosaic.storage.engine.scrub import check_pack
from mosaic.storage.engine.store import Store
from mosaic.wire.blobs import MAX_OBJECT_BYTES

Taking: TypeAlias = Callable[[int], AbstractContextManager[bool]]
"""Waits until that many bytes have room in memory."""


class StoreDamaged(Corrupt):
    """A store that follows has objects of the right name and the wrong size."""

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
    """Copy what `follower` lacks. `go_on` is asked before each object, and raises to end this.

    Killed or failed anywhere, what was copied stays, and the next run goes on there.

    Raises:
        SourceIncomplete: everything else was copied, but no heads.
        StoreDamaged: the same, and the follower is to blame.
        Unavailable: one of the stores did not answer.
    """
    there = {entry.name: entry.size for entry in follower.list("")}
    here = {entry.name: entry.size for entry in first.list("")}
    missing = sorted((name for name in here if name not in there), key=_rank)
    copied: list[int] = []

    def copy(names: list[str]) -> list[str]:
        """Return those that cannot be read whole."""
        lost = []
        for name in names:
            go_on()
            if here[name] > MAX_OBJECT_BYTES:
                # Not even asked for: nobody wrote such an object.
                lost.append(name)
                continue
            with taking(here[name]) as has_room:
                if not has_room:
                    raise StoreBusy
                whole = _read(first, name, keys)
                if whole is None:
                    lost.append(name)
                else:
                    follower.put(name, whole)
                    copied.append(len(whole))
        return lost

    owed = _still_owed(first, copy([name for name in missing if not name.startswith(heads.PREFIX)]))
    damaged = tuple(name for name, size in here.items() if there.get(name, size) != size)
    if damaged:
        raise StoreDamaged(damaged)
    if owed:
        raise SourceIncomplete(owed)
    # An older head that is damaged is no loss to whoever has a newer one.
    copy([name for name in missing if name.startswith(heads.PREFIX)])
    return Copied(len(copied), sum(copied))


def _still_owed(first: Store, lost: list[str]) -> tuple[str, ...]:
    """Return those which are there still, and which newer heads do not do without."""
    if not lost:
        return ()
    marked = {pack.object_name(found) for found in mended.mended(first)}
    there = {entry.name for entry in first.list("")}
    return tuple(name for name in lost if name in there and name not in marked)


def _rank(name: str) -> tuple[int, str]:
    order = (pack.PREFIX, "e-", mended.PREFIX)
    return next((number for number, prefix in enumerate(order) if name.startswith(prefix)), len(order)), name


def _read(first: Store, name: str, keys: VolumeKeys) -> bytes | None:
    """Return an object that is whole as far as this can be told, None for one that is not."""
    try:
        whole = first.get(name)
        found = pack.pack_of(name)
        if found is not None:
            check_pack(found, whole, keys)
        if name.startswith(heads.PREFIX):
            heads.open_head(whole, VolumeId(keys.volume))
    except (Corrupt, NotFound):
        return None
    return whole
