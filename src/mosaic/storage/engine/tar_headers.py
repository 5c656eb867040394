"""The headers of a tar stream in the PAX format: what stands before each file's bytes.

Every member has an extended header, for its time to the nanosecond; what does
not fit the old fields, extended attributes and ACLs are in it too. Holes are
described as GNU tar describes them (sparse format 1.0), which Python, Go and
libarchive read as well.

Only `tarfile`'s header blocks are used: a `TarFile` remembers every member.
"""

import tarfile
from array import array
from collections.abc import Iterable, Iterator
from functools import lru_cache

from mosaic.storage.engine.records import Node, NodeType

BLOCK_BYTES = 512
_RECORD_BYTES = 10_240
_NAME_BYTES = 99
_ID_END = 8**7
_SIZE_END = 8**11
_SECOND_NS = 1_000_000_000

_TYPES = {
    NodeType.FILE: tarfile.REGTYPE,
    NodeType.DIRECTORY: tarfile.DIRTYPE,
    NodeType.SYMLINK: tarfile.SYMTYPE,
    NodeType.FIFO: tarfile.FIFOTYPE,
}


def member(path: bytes, node: Node) -> bytes:
    """Return the header of anything that has one name, or the first of its names. A file's bytes follow it, padded."""
    link = node.tail if node.type is NodeType.SYMLINK else b""
    size = node.size if node.type is NodeType.FILE else 0
    return _member(path, node, _TYPES[node.type], size, link, _attributes(node))


def hard_link(path: bytes, node: Node, first: bytes) -> bytes:
    """Return the header of a further name of what the stream has at `first`."""
    return _member(path, node, tarfile.LNKTYPE, 0, first, ())


def sparse_member(path: bytes, node: Node, extents: "array[int]") -> bytes:
    """Return the header of a file with holes, and its map.

    `extents` are the starts and ends of what is not a hole. Their bytes follow,
    one after another, padded together.
    """
    starts, ends = extents[::2], extents[1::2]
    pairs = [(start, end - start) for start, end in zip(starts, ends, strict=True)]
    if not pairs or ends[-1] < node.size:
        pairs.append((node.size, 0))
    listed = b"%d\n" % len(pairs) + b"".join(b"%d\n%d\n" % pair for pair in pairs)
    listed += bytes(padding(len(listed)))
    records = (
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", path),
        (b"GNU.sparse.realsize", b"%d" % node.size),
        *_attributes(node),
    )
    size = len(listed) + sum(length for _, length in pairs)
    # A program that knows no holes sees by the name that this is not the file itself.
    name = b"./GNUSparseFile.0/" + path.rpartition(b"/")[2]
    return _member(name, node, tarfile.REGTYPE, size, b"", records) + listed


def padding(size: int) -> int:
    """Return how many zeros follow so many bytes of a member."""
    return -size % BLOCK_BYTES


def ending(written: int) -> bytes:
    """Return what ends a whole stream of so many bytes."""
    end = 2 * BLOCK_BYTES
    return bytes(end + -(written + end) % _RECORD_BYTES)


def broken_ending() -> bytes:
    """Return what ends a stream that is not to be taken for whole: the first block of a header that never comes.

    A stream that stops between two members passes for complete with GNU tar,
    whether it has an ending or not; one that stops here fails with every reader.
    """
    return _extended_header(BLOCK_BYTES)


def _attributes(node: Node) -> Iterator[tuple[bytes, bytes]]:
    for name, value in node.xattrs:
        # A record's key ends at the first =, so GNU tar writes and reads these two letters like this.
        yield b"SCHILY.xattr." + name.replace(b"%", b"%25").replace(b"=", b"%3D"), value


def _member(path: bytes, node: Node, kind: bytes, size: int, link: bytes, more: Iterable[tuple[bytes, bytes]]) -> bytes:
    seconds = node.mtime_ns // _SECOND_NS
    header = tarfile.TarInfo(_short(path))
    header.type = kind
    header.linkname = _short(link)
    header.mode = node.mode
    header.uid = node.uid if node.uid < _ID_END else 0
    header.gid = node.gid if node.gid < _ID_END else 0
    header.size = size if size < _SIZE_END else 0
    header.mtime = seconds if 0 <= seconds < _SIZE_END else 0
    records = [(b"mtime", _decimal(node.mtime_ns))]
    # Names are bytes: one that is no UTF-8 stands here as it is, as with GNU tar. It does not know `hdrcharset`.
    if not _fits(path):
        records.append((b"path", path))
    if not _fits(link):
        records.append((b"linkpath", link))
    records += ((b"uid", b"%d" % node.uid),) if header.uid != node.uid else ()
    records += ((b"gid", b"%d" % node.gid),) if header.gid != node.gid else ()
    records += ((b"size", b"%d" % size),) if header.size != size else ()
    text = b"".join(_record(key, value) for key, value in [*records, *more])
    return _extended_header(len(text)) + text + bytes(padding(len(text))) + _block(header)


@lru_cache(maxsize=256)
def _extended_header(size: int) -> bytes:
    header = tarfile.TarInfo("././@PaxHeader")
    header.type = tarfile.XHDTYPE
    header.size = size
    return _block(header)


def _block(header: tarfile.TarInfo) -> bytes:
    return header.tobuf(tarfile.USTAR_FORMAT, "ascii", "replace")


def _record(key: bytes, value: bytes) -> bytes:
    """Return one record: its own length in decimal digits, those included, then `key=value` and a line's end."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) > len(str(rest)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _decimal(instant_ns: int) -> bytes:
    seconds, rest = divmod(abs(instant_ns), _SECOND_NS)
    return b"%s%d.%09d" % (b"-" if instant_ns < 0 else b"", seconds, rest)


def _fits(name: bytes) -> bool:
    return len(name) <= _NAME_BYTES and name.isascii()


def _short(name: bytes) -> str:
    return name[:_NAME_BYTES].decode("ascii", "replace")
