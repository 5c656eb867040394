"""The records that a volume's tree is made of, as keys and values.

    N node                  what a file is: type, mode, owner, times, size, xattrs, content
    G node index            64 chunk ids of a big file
    E parent name           a directory entry: the node of that name
    C pack                  the pack is condemned: since which head, and its instant
    K seq                   the snapshot of that number is kept; with 0: up to which was decided, and the rule

Keys sort so that a directory's entries lie together, and so do a file's
groups; nodes that were made together have neighbouring numbers. A record
names nothing by its path, so renaming a directory changes one entry.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from mosaic.core.collecting import Condemned
from mosaic.crypto.hashing import BLOB_ID_BYTES
from mosaic.storage.engine.damage import TreeMalformed

CHUNK_BYTES = 64 * 1024
GROUP_IDS = 64
INLINE_IDS = 4
"""Files of up to this many chunks keep their ids in the node record; bigger ones in groups."""

ZERO_CHUNK = bytes(BLOB_ID_BYTES)
"""Stands for a chunk of zeros, which is never stored. A group of nothing else is left out."""

ROOT_NODE = 1
NODE_MAX = (1 << 63) - 1
SIZE_MAX = (1 << 63) - 1
NAME_BYTES_MAX = 255

_KEY = struct.Struct(">BQ")
_GROUP_KEY = struct.Struct(">BQQ")
_NODE = struct.Struct(">BHIIqIQIH")
_XATTR = struct.Struct(">HI")
_U64 = struct.Struct(">Q")
_CONDEMNED_KEY = struct.Struct(">B16s")
_CONDEMNED = struct.Struct(">QQ")
_NODE_TAG, _GROUP_TAG, _ENTRY_TAG, _CONDEMNED_TAG, _KEPT_TAG = b"NGECK"

Xattrs: TypeAlias = tuple[tuple[bytes, bytes], ...]


class NodeType(IntEnum):
    """The kinds of file that are stored."""

    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3
    FIFO = 4


@dataclass(frozen=True, slots=True)
class Node:
    """One file. `mode` is the 12 permission bits; `links` how many names it had; `tail` the chunk ids or the target."""

    type: NodeType
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int
    links: int
    xattrs: Xattrs
    tail: bytes

    @property
    def chunk_count(self) -> int:
        """How many chunks a file has."""
        return -(-self.size // CHUNK_BYTES)

    @property
    def group_count(self) -> int:
        """How many groups of chunk ids a big file has; 0 for one whose ids are inline."""
        big = self.type is NodeType.FILE and self.chunk_count > INLINE_IDS
        return -(-self.chunk_count // GROUP_IDS) if big else 0


def node_key(node: int) -> bytes:
    """Return the key of a node's record."""
    return _KEY.pack(_NODE_TAG, node)


def group_key(node: int, index: int) -> bytes:
    """Return the key of the group that holds chunks 64·index and following."""
    return _GROUP_KEY.pack(_GROUP_TAG, node, index)


def entry_key(parent: int, name: bytes) -> bytes:
    """Return the key of a directory entry."""
    return _KEY.pack(_ENTRY_TAG, parent) + name


def entries_of(parent: int) -> tuple[bytes, bytes]:
    """Return the first key and the key after the last of a directory's entries."""
    return _KEY.pack(_ENTRY_TAG, parent), _KEY.pack(_ENTRY_TAG, parent + 1)


def groups_of(node: int) -> tuple[bytes, bytes]:
    """Return the first key and the key after the last of a file's groups."""
    return _KEY.pack(_GROUP_TAG, node), _KEY.pack(_GROUP_TAG, node + 1)


ALL_NODES = (_KEY.pack(_NODE_TAG, 0), bytes([_NODE_TAG + 1]))
ALL_RECORDS = (b"", b"\xff")
ALL_ENTRIES = (_KEY.pack(_ENTRY_TAG, 0), bytes([_ENTRY_TAG + 1]))


ALL_CONDEMNED = (bytes([_CONDEMNED_TAG]), bytes([_CONDEMNED_TAG + 1]))
ALL_KEPT = (_KEY.pack(_KEPT_TAG, 1), bytes([_KEPT_TAG + 1]))
DECIDED_KEY = _KEY.pack(_KEPT_TAG, 0)
"""The record that says up to which number snapshots were decided on. No snapshot has the number 0."""


def is_entry(key: bytes) -> bool:
    """Return whether the key is a directory entry's."""
    return key[0] == _ENTRY_TAG


def is_node(key: bytes) -> bool:
    """Return whether the key is that of what a node is."""
    return key[0] == _NODE_TAG


def is_group(key: bytes) -> bool:
    """Return whether the key is a group's: its record is long."""
    return key[0] == _GROUP_TAG


def node_of(key: bytes) -> int:
    """Return the node that a node's or group's key is of, or the parent of an entry's."""
    return int(_KEY.unpack_from(key)[1])


def entry_name(key: bytes) -> bytes:
    """Return an entry's name. Raises TreeMalformed for one that could lead out of its directory."""
    name = key[_KEY.size :]
    if not name or name in (b".", b"..") or b"/" in name or b"\0" in name or len(name) > NAME_BYTES_MAX:
        raise TreeMalformed(f"an entry is called {name!r}")
    return name


def group_index(key: bytes) -> int:
    """Return the index of a group from its key."""
    if len(key) != _GROUP_KEY.size:
        raise TreeMalformed("a group's key has a wrong length")
    return int(_GROUP_KEY.unpack(key)[2])


def encode_entry(node: int) -> bytes:
    """Return the value of a directory entry."""
    return _U64.pack(node)


def decode_entry(value: bytes) -> int:
    """Return the node that an entry points at."""
    if len(value) != _U64.size:
        raise TreeMalformed("an entry has a wrong length")
    node = int(_U64.unpack(value)[0])
    if node > NODE_MAX:
        raise TreeMalformed("an entry points at a number that no node has")
    return node


def condemned_key(pack: bytes) -> bytes:
    """Return the key of the record that condemns a pack."""
    return _CONDEMNED_KEY.pack(_CONDEMNED_TAG, pack)


def encode_condemned(condemned: Condemned) -> bytes:
    """Return the value of the record that condemns a pack."""
    return _CONDEMNED.pack(condemned.seq, condemned.at_ns)


def decode_condemned(key: bytes, value: bytes) -> Condemned:
    """Return what a record says that condemns a pack."""
    if len(key) != _CONDEMNED_KEY.size or len(value) != _CONDEMNED.size:
        raise TreeMalformed("a condemned pack's record has a wrong length")
    return Condemned(key[1:], *_CONDEMNED.unpack(value))


def kept_key(seq: int) -> bytes:
    """Return the key of the record that keeps a snapshot; its value is empty."""
    return _KEY.pack(_KEPT_TAG, seq)


def kept_seq(key: bytes) -> int:
    """Return the number of the snapshot that a record keeps."""
    if len(key) != _KEY.size:
        raise TreeMalformed("a kept snapshot's record has a wrong length")
    return int(_KEY.unpack(key)[1])


def encode_node(node: Node) -> bytes:
    """Return the value of a node's record."""
    seconds, nanoseconds = divmod(node.mtime_ns, 1_000_000_000)
    fixed = _NODE.pack(
        node.type,
        node.mode,
        node.uid,
        node.gid,
        seconds,
        nanoseconds,
        node.size,
        node.links,
        len(node.xattrs),
    )
    attributes = b"".join(_XATTR.pack(len(name), len(value)) + name + value for name, value in node.xattrs)
    return fixed + attributes + node.tail


def decode_node(value: bytes) -> Node:
    """Return what a node's record says. Raises TreeMalformed for what `encode_node` never writes."""
    try:
        kind, mode, uid, gid, seconds, nanoseconds, size, links, count = _NODE.unpack_from(value)
        at = _NODE.size
        xattrs: list[tuple[bytes, bytes]] = []
        for _ in range(count):
            name_length, length = _XATTR.unpack_from(value, at)
            at += _XATTR.size
            name = value[at : at + name_length]
            at += name_length
            xattrs.append((name, value[at : at + length]))
            at += length
        type_ = NodeType(kind)
    except (struct.error, ValueError) as error:
        raise TreeMalformed("a node's record is cut short or of an unknown type") from error
    node = Node(
        type=type_,
        mode=mode,
        uid=uid,
        gid=gid,
        mtime_ns=seconds * 1_000_000_000 + nanoseconds,
        size=size,
        links=links,
        xattrs=tuple(xattrs),
        tail=value[at:],
    )
    _check(node, complete=at <= len(value), nanoseconds=nanoseconds)
    return node


def inline_ids(node: Node) -> list[bytes]:
    """Return the chunk ids that lie in the node's own record."""
    return split_ids(node.tail)


def split_ids(value: bytes) -> list[bytes]:
    """Return the chunk ids of a group's value."""
    if len(value) % BLOB_ID_BYTES:
        raise TreeMalformed("a list of chunk ids has a wrong length")
    return [value[at : at + BLOB_ID_BYTES] for at in range(0, len(value), BLOB_ID_BYTES)]


def _check(node: Node, *, complete: bool, nanoseconds: int) -> None:
    whole = complete and node.mode <= 0o7777 and nanoseconds < 1_000_000_000 and node.size <= SIZE_MAX
    if node.type is NodeType.FILE:
        inline = 0 if node.group_count else node.chunk_count
        whole = whole and len(node.tail) == inline * BLOB_ID_BYTES
    elif node.type is NodeType.SYMLINK:
        whole = whole and b"\0" not in node.tail and 0 < len(node.tail) == node.size
    else:
        whole = whole and not node.tail
    if not whole:
        raise TreeMalformed("a node's record contradicts itself")
