"""What a send stream says has changed, gathered under the paths that the files have in the end.

A stream renames while it goes: what was said of a path before moves along.
Nothing here is believed about what a file is now; it only says where to look.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mosaic.storage.engine.records import CHUNK_BYTES
from mosaic.storage.engine.send_stream import Command, StreamUnreadable, Verb

SPOTS_MAX = 60_000
SPANS_MAX = 1_000_000
"""Beyond this, looking at every file takes less memory, and hardly more time."""

_MADE = {Verb.MKFILE, Verb.MKDIR, Verb.MKNOD, Verb.MKFIFO, Verb.MKSOCK, Verb.SYMLINK}
_WRITTEN = {Verb.WRITE, Verb.CLONE, Verb.UPDATE_EXTENT}
_GONE = {Verb.UNLINK, Verb.RMDIR}
_HEADERS = {Verb.SUBVOL, Verb.SNAPSHOT}


class Spot:
    """One path at which something changed, or below which something did.

    `names` are the entries of a directory that came, went or mean another file
    now. `touched` says that the file itself changed, `whole` that nothing of
    its content is as before, and `spans` has (first, past the last) numbers of
    the chunks that were written.
    """

    __slots__ = ("children", "names", "spans", "touched", "whole")

    def __init__(self) -> None:
        self.children: dict[bytes, Spot] = {}
        self.names: set[bytes] = set()
        self.spans: array[int] = array("Q")
        self.touched = False
        self.whole = False

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield the spans, in the order in which they were told."""
        return zip(self.spans[::2], self.spans[1::2], strict=True)


@dataclass(frozen=True, slots=True)
class Hints:
    """Where the snapshot with the uuid `snapshot` differs from the one with the uuid `since`.

    `changes` None: that is not known.
    """

    snapshot: str
    since: str
    changes: Spot | None


def gather(told: Iterable[Command]) -> Spot:
    """Return the changes of a whole stream, as the spot of the volume's own directory.

    Raises:
        StreamUnreadable: they are too many, or contradict each other; look at every file instead.
    """
    gathering = _Gathering()
    for command in told:
        gathering.take(command)
    return gathering.top


class _Gathering:
    def __init__(self) -> None:
        self.top = Spot()
        self._spots = 1
        self._spans = 0

    def take(self, command: Command) -> None:
        verb = command.verb
        if verb in _HEADERS:
            return
        if verb in _MADE:
            self._put(command.path, self._new(whole=True))
        elif verb is Verb.RENAME:
            self._put(command.to, self._remove(command.path))
        elif verb is Verb.LINK:
            self._put(command.path, self._new(whole=False))
        elif verb in _GONE:
            gone = self._remove(command.path)
            if gone is not None and verb is Verb.UNLINK and (gone.whole or gone.spans):
                # The file may live on under another name, and what was written to it would be forgotten.
                raise StreamUnreadable("a file was written under a name that it does not keep")
        else:
            self._touch(command, self._at(command.path))

    def _touch(self, command: Command, spot: Spot) -> None:
        spot.touched = True
        if command.verb not in _WRITTEN or not command.length:
            return
        first, end = command.start // CHUNK_BYTES, -(-(command.start + command.length) // CHUNK_BYTES)
        spans = spot.spans
        if spans and spans[-2] <= first <= spans[-1]:
            spans[-1] = max(spans[-1], end)
            return
        spans.extend((first, end))
        self._spans += 1
        if self._spans > SPANS_MAX:
            raise StreamUnreadable("too much has changed")

    def _put(self, path: bytes, spot: Spot | None) -> None:
        parent, name = self._parent(path)
        parent.names.add(name)
        if spot is None:
            parent.children.pop(name, None)
        else:
            parent.children[name] = spot

    def _remove(self, path: bytes) -> Spot | None:
        parent, name = self._parent(path)
        parent.names.add(name)
        return parent.children.pop(name, None)

    def _at(self, path: bytes) -> Spot:
        spot = self.top
        for name in path.split(b"/") if path else ():
            below = spot.children.get(name)
            if below is None:
                below = spot.children[name] = self._new(whole=False, touched=False)
            spot = below
        return spot

    def _parent(self, path: bytes) -> tuple[Spot, bytes]:
        folder, _, name = path.rpartition(b"/")
        if not name or name in (b".", b".."):
            raise StreamUnreadable("a path ends in no name")
        return self._at(folder), name

    def _new(self, *, whole: bool, touched: bool = True) -> Spot:
        self._spots += 1
        if self._spots > SPOTS_MAX:
            raise StreamUnreadable("too much has changed")
        spot = Spot()
        spot.whole, spot.touched = whole, touched
        return spot
