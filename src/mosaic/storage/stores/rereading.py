"""Reading what a store that follows holds again, a share at a time, and writing anew what has rotted there.

A comparison by name and size finds what is gone or cut off. A disk that
gives back other bytes than it was given is found by reading alone, and a
replica that nobody reads is one in name only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mosaic.core.errors import Corrupt, NotFound, Unavailable
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.store import Store
from mosaic.storage.stores.catching_up import StoreBusy, Taking, still_owed
from mosaic.storage.stores.wholeness import is_checkable, is_whole, read_whole, write_anew
from mosaic.wire.blobs import MAX_OBJECT_BYTES

_SILENT_AT_MOST = 3
"""So many objects in a row that can't be read are a store that is away; fewer are damaged places of a far disk."""


@dataclass(slots=True)
class Rereading:
    """One share of what a store holds, being read. `last` is the name up to which it was.

    `renewed` were damaged and are whole again, `rotten` are damaged in both
    stores, and `unread` gave no answer.
    """

    first: Store
    follower: Store
    keys: VolumeKeys
    sizes: dict[str, int]
    names: list[str]
    last: str = ""
    renewed: list[str] = field(default_factory=list)
    rotten: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    _silent: int = 0

    @classmethod
    def begun(cls, first: Store, follower: Store, keys: VolumeKeys, *, after: str, parts: int) -> "Rereading":
        """Choose one of `parts` of what both stores have: what comes after `after`. Raises Unavailable."""
        needed = {entry.name for entry in first.list("")}
        sizes = {entry.name: entry.size for entry in follower.list("") if entry.name in needed}
        chosen = share(sorted(name for name in sizes if is_checkable(name)), after, parts)
        return cls(first, follower, keys, sizes, chosen[::-1], last=after)

    def read_some(self, objects: int, taking: Taking, ask: Callable[[], None]) -> bool:
        """Read so many more, and check every byte. `ask` is asked before each. Returns whether any are left.

        What is damaged is written anew once the first store gave it whole;
        until then nothing of it is deleted.

        Raises:
            Unavailable: the store is away, or has no room; `last` says how far this came.
        """
        for _ in range(min(objects, len(self.names))):
            ask()
            name = self.names[-1]
            with taking(min(self.sizes[name], MAX_OBJECT_BYTES)) as has_room:
                if not has_room:
                    raise StoreBusy
                try:
                    self._read(name)
                    self._silent = 0
                except Unavailable:
                    self.unread.append(name)
                    self._silent += 1
                    if self._silent >= _SILENT_AT_MOST:
                        raise
            self.last = self.names.pop()
        return bool(self.names)

    def owed(self) -> tuple[str, ...]:
        """Return the packs that are damaged in both stores and that newer heads may need. Raises Unavailable."""
        return still_owed(self.first, self.rotten)

    def _read(self, name: str) -> None:
        if is_whole(self.follower, name, self.sizes[name], self.keys):
            return
        try:
            whole = read_whole(self.first, name, self.keys)
        except NotFound:
            # Let go of meanwhile.
            return
        except Corrupt:
            self.rotten.append(name)
            return
        write_anew(self.follower, name, whole)
        self.renewed.append(name)


def share(names: Sequence[str], after: str, parts: int) -> list[str]:
    """Return one of `parts` of the sorted names: those after `after`, and from the beginning after the last."""
    count = -(-len(names) // max(1, parts))
    later = [name for name in names if name > after]
    return [*later, *names][:count]
