"""Reading what a store that follows holds again, a share at a time, and writing anew what has rotted there.

A comparison by name and size finds what is gone or cut off. A disk that
gives back other bytes than it was given is found by reading alone, and a
replica that nobody reads is one in name only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mosaic.core.errors import Corrupt, NotFound
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.store import Store
from mosaic.storage.stores.catching_up import SourceIncomplete, StoreBusy, Taking, read_whole, renew, still_owed
from mosaic.wire.blobs import MAX_OBJECT_BYTES


@dataclass(frozen=True, slots=True)
class Reread:
    """What one run read, and wrote anew. `last` is the name that the next run goes on after."""

    last: str
    objects: int
    renewed: tuple[str, ...]


def reread(
    first: Store,
    follower: Store,
    keys: VolumeKeys,
    *,
    after: str,
    parts: int,
    taking: Taking,
    go_on: Callable[[], None],
) -> Reread:
    """Read one of `parts` of the follower's objects, those that come after `after`, and check every byte.

    What is damaged is deleted and written anew once the first store gave it
    whole; until then nothing is deleted. Killed in between, the object is
    missing, and the next comparison copies it. `taking` and `go_on` are as
    for `catch_up`.

    Raises:
        SourceIncomplete: the rest was read; the first store has something damaged too that a newer head may need.
        Unavailable: one of the stores did not answer.
    """
    sizes = {entry.name: entry.size for entry in follower.list("")}
    chosen = share(sorted(sizes), after, parts)
    damaged = []
    for name in chosen:
        go_on()
        with taking(min(sizes[name], MAX_OBJECT_BYTES)) as has_room:
            if not has_room:
                raise StoreBusy
            if not _is_whole(follower, name, sizes[name], keys):
                damaged.append(name)
    here = {entry.name: entry.size for entry in first.list("")} if damaged else {}
    # What the first store let go of may rot: nobody needs it.
    lost = renew(first, follower, keys, {name: here[name] for name in damaged if name in here}, taking, go_on)
    if owed := still_owed(first, lost):
        raise SourceIncomplete(owed)
    renewed = tuple(name for name in damaged if name in here and name not in lost)
    return Reread(chosen[-1] if chosen else after, len(chosen), renewed)


def share(names: Sequence[str], after: str, parts: int) -> list[str]:
    """Return one of `parts` of the sorted names: those after `after`, and from the beginning after the last."""
    count = -(-len(names) // max(1, parts))
    later = [name for name in names if name > after]
    return [*later, *names][:count]


def _is_whole(store: Store, name: str, size: int, keys: VolumeKeys) -> bool:
    if size > MAX_OBJECT_BYTES:
        return False
    try:
        read_whole(store, name, keys)
    except NotFound:
        # Deleted since it was listed.
        return True
    except Corrupt:
        return False
    return True
