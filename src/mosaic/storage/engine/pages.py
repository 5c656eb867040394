"""Pages and the root record: how the tree's records become blobs.

A page of level 0 holds records; one of level n holds, for each page of level
n-1, that page's first key and id. Both have one shape: keys in ascending
order, each with a value. The root record names the top page.
"""

import struct
from dataclasses import dataclass
from itertools import pairwise

from mosaic.crypto.hashing import BLOB_ID_BYTES
from mosaic.storage.engine.damage import TreeMalformed

ROOT_MAGIC = b"MOSAROOT"
ROOT_VERSION = 1
ROOT_CONDEMNING = 2
"""The version of a volume from which packs were ever collected: who doesn't know it must not write to the volume."""

_PAGE = struct.Struct(">BI")
_ITEM = struct.Struct(">HI")
_ROOT = struct.Struct(">8sBB32sQQQQ")


@dataclass(frozen=True, slots=True)
class Page:
    """A decoded page: `values[i]` belongs to `keys[i]`; at level > 0 values are page ids."""

    level: int
    keys: list[bytes]
    values: list[bytes]


@dataclass(frozen=True, slots=True)
class Root:
    """The root record. `next_node` is the lowest number that no node has had; `condemns`: packs may be condemned."""

    level: int
    top: bytes
    next_node: int
    files: int
    directories: int
    content_bytes: int
    condemns: bool = False


def item_bytes(key: bytes, value: bytes) -> int:
    """Return how much a record adds to its page."""
    return _ITEM.size + len(key) + len(value)


def encode_page(level: int, items: list[tuple[bytes, bytes]]) -> bytes:
    """Return a page's bytes. `items` are in ascending order of key."""
    parts = [_PAGE.pack(level, len(items))]
    for key, value in items:
        parts += (_ITEM.pack(len(key), len(value)), key, value)
    return b"".join(parts)


def decode_page(content: bytes, *, level: int) -> Page:
    """Read a page. Raises TreeMalformed when it is not one of this level, or not in order."""
    keys: list[bytes] = []
    values: list[bytes] = []
    try:
        found, count = _PAGE.unpack_from(content)
        at = _PAGE.size
        for _ in range(count):
            key_length, length = _ITEM.unpack_from(content, at)
            at += _ITEM.size + key_length
            keys.append(content[at - key_length : at])
            at += length
            values.append(content[at - length : at])
    except struct.error as error:
        raise TreeMalformed("a page is cut short") from error
    in_order = all(one < next_ for one, next_ in pairwise(keys))
    if found != level or at != len(content) or not keys or not in_order:
        raise TreeMalformed("a page has a wrong level, length or order")
    if level and any(len(value) != BLOB_ID_BYTES for value in values):
        raise TreeMalformed("a page points at something that is no page")
    return Page(level, keys, values)


def encode_root(root: Root) -> bytes:
    """Return the root record's bytes."""
    return _ROOT.pack(
        ROOT_MAGIC,
        ROOT_CONDEMNING if root.condemns else ROOT_VERSION,
        root.level,
        root.top,
        root.next_node,
        root.files,
        root.directories,
        root.content_bytes,
    )


def decode_root(content: bytes) -> Root:
    """Read the root record. Raises TreeMalformed for another magic, version or length."""
    try:
        magic, version, level, top, next_node, files, directories, content_bytes = _ROOT.unpack(content)
    except struct.error as error:
        raise TreeMalformed("the root record has a wrong length") from error
    if magic != ROOT_MAGIC or version not in (ROOT_VERSION, ROOT_CONDEMNING):
        raise TreeMalformed(f"this is no root record of version {ROOT_VERSION} or {ROOT_CONDEMNING}")
    return Root(level, top, next_node, files, directories, content_bytes, version == ROOT_CONDEMNING)
