"""Reading somebody's tar from beginning to end, as a package may be one: nothing is looked for twice, nothing skipped.

Python's tarfile is for archives that one trusts: a header of it may ask for gigabytes of memory, or for
a reading that never ends. Here every header is bounded before it is read, and an entry that is no file, folder or
symbolic link ends the reading.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mosaic.core import tar_header
from mosaic.core.package_paths import fault_of
from mosaic.core.tar_header import BLOCK, Entry, Header, TarWrong

PART_BYTES = 64 * 1024
_MOST_EXTENDED = 16 * 1024
_MOST_EXTENDED_TOGETHER = 32 * 1024**2
_MOST_ENDING = 1024**2
"""Zeros behind the end of a tar: writers fill their last record with them."""

_FAULTS = {
    b"1": "a hard link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"7": "a contiguous file",
    b"S": "a sparse file",
    b"g": "a header for all entries",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One entry. `path` is plain and relative, "" for the top folder; `size` is 0 for what is no file."""

    path: str
    entry: Entry
    size: int
    executable: bool
    link: str


class TarStream:
    """One reading of a tar. `read(n)` returns up to n bytes, and none at its end."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._left = 0
        self._extended = 0

    def members(self) -> Iterator[Member]:
        """Yield every entry in turn. The content of one is read before the next is asked for.

        Raises:
            TarWrong: not a tar, cut short, more behind its end, or an entry that no package may have.
        """
        while (header := self._next()) is not None:
            member = _member(header)
            self._left = member.size
            yield member
            for _ in self.content():
                pass
            self._exactly(-member.size % BLOCK)
        self._require_end()

    def content(self) -> Iterator[bytes]:
        """Yield what is left of the content of the newest entry, in parts. Raises TarWrong: it is cut short."""
        while self._left:
            part = self._read(min(PART_BYTES, self._left))
            if not part:
                raise TarWrong("it ends in the middle of a file")
            self._left -= len(part)
            yield part

    def _next(self) -> Header | None:
        """Return the next header that is an entry's, with what came before it for it."""
        records: dict[bytes, bytes] = {}
        while (header := tar_header.decode(self._exactly(BLOCK))) is not None:
            found = self._records(header)
            if found is None:
                return tar_header.with_pax(header, records)
            if found.keys() & records.keys():
                raise TarWrong("an entry has two extended headers for one thing")
            records |= found
        if records:
            raise TarWrong("an extended header belongs to nothing")
        return None

    def _records(self, header: Header) -> dict[bytes, bytes] | None:
        """Return what an extended header says; None when the header is an entry's."""
        if header.kind not in (b"x", b"L", b"K"):
            return None
        self._extended += header.size + BLOCK
        if header.size > _MOST_EXTENDED or self._extended > _MOST_EXTENDED_TOGETHER:
            raise TarWrong("its extended headers are too large")
        content = self._exactly(header.size + -header.size % BLOCK)[: header.size]
        if header.kind == b"x":
            return tar_header.read_pax(content)
        return {b"path" if header.kind == b"L" else b"linkpath": content.rstrip(b"\0")}

    def _require_end(self) -> None:
        seen = 0
        while part := self._read(PART_BYTES):
            seen += len(part)
            if any(part) or seen > _MOST_ENDING:
                raise TarWrong("there is more behind its end")

    def _exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self._read(count - len(parts))
            if not part:
                raise TarWrong("it is cut short")
            parts += part
        return bytes(parts)


def _member(header: Header) -> Member:
    shown = repr(header.name[:80].decode(errors="backslashreplace"))
    try:
        entry = Entry(header.kind)
    except ValueError:
        what = _FAULTS.get(header.kind, "something unknown")
        raise TarWrong(f"{shown} is {what}; a package has files, folders and symbolic links") from None
    try:
        path, link = header.name.decode(), header.link.decode()
    except UnicodeDecodeError:
        raise TarWrong(f"{shown} or what it links to is not UTF-8") from None
    if entry is not Entry.FILE and header.size:
        raise TarWrong(f"{shown} is no file, and has content")
    if entry is Entry.FOLDER and path.rstrip("/") == ".":
        return Member("", entry, 0, executable=False, link="")
    path = path.removeprefix("./")
    if entry is Entry.FOLDER:
        path = path.removesuffix("/")
    if (wrong := fault_of(path)) is not None:
        raise TarWrong(wrong)
    executable = entry is Entry.FILE and bool(header.mode & 0o111)
    return Member(path, entry, header.size, executable, link if entry is Entry.LINK else "")
