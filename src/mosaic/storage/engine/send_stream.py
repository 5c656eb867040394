"""Reading the commands of a btrfs send stream, version 1.

The layout is that of `fs/btrfs/send.h` in the Linux kernel: little-endian; a
header of magic and version, then commands of length, type, CRC-32C and
attributes. The checksum is not looked at: the kernel of this machine writes
into a pipe to this process. Only what tells which files changed, and where, is
kept; the stream is a hint, and the files themselves are looked at afterwards.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

_MAGIC = b"btrfs-stream\0"
_VERSION = struct.Struct("<I")
_COMMAND = struct.Struct("<IHI")
_ATTRIBUTE = struct.Struct("<HH")
_U64 = struct.Struct("<Q")
_READ_BYTES = 256 * 1024
_LONGEST_COMMAND = 256 * 1024

_SIZE, _PATH, _PATH_TO, _OFFSET, _CLONE_LENGTH = 4, 15, 16, 18, 24


class Verb(IntEnum):
    """What a command does to the file at its path."""

    SUBVOL = 1
    SNAPSHOT = 2
    MKFILE = 3
    MKDIR = 4
    MKNOD = 5
    MKFIFO = 6
    MKSOCK = 7
    SYMLINK = 8
    RENAME = 9
    LINK = 10
    UNLINK = 11
    RMDIR = 12
    SET_XATTR = 13
    REMOVE_XATTR = 14
    WRITE = 15
    CLONE = 16
    TRUNCATE = 17
    CHMOD = 18
    CHOWN = 19
    UTIMES = 20
    END = 21
    UPDATE_EXTENT = 22


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `to` is where a RENAME ends; `start` and `length` are the bytes of a file that were written."""

    verb: Verb
    path: bytes
    to: bytes = b""
    start: int = 0
    length: int = 0


class StreamUnreadable(Exception):
    """The stream is cut short, or of a kind that this reader does not know. Look at every file instead."""


def commands(descriptor: int) -> Iterator[Command]:
    """Yield the stream's commands up to its END. Raises StreamUnreadable, OSError."""
    source = _Source(descriptor)
    header = source.take(len(_MAGIC) + _VERSION.size)
    if not header.startswith(_MAGIC) or _VERSION.unpack_from(header, len(_MAGIC)) != (1,):
        raise StreamUnreadable("it has another header")
    while True:
        length, kind, _ = _COMMAND.unpack(source.take(_COMMAND.size))
        if length > _LONGEST_COMMAND:
            raise StreamUnreadable("a command is too long")
        body = source.take(length)
        try:
            verb = Verb(kind)
        except ValueError as error:
            raise StreamUnreadable(f"command {kind} is not known") from error
        if verb is Verb.END:
            return
        yield _command(verb, body)


class _Source:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._read = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        while len(self._read) - self._at < size:
            more = os.read(self._descriptor, _READ_BYTES)
            if not more:
                raise StreamUnreadable("it is cut short")
            self._read = self._read[self._at :] + more
            self._at = 0
        taken = self._read[self._at : self._at + size]
        self._at += size
        return taken


def _command(verb: Verb, body: bytes) -> Command:
    found = _attributes(body)
    if _PATH not in found:
        raise StreamUnreadable("a command has no path")
    length = _number(found, _CLONE_LENGTH if verb is Verb.CLONE else _SIZE)
    return Command(verb, found[_PATH], found.get(_PATH_TO, b""), _number(found, _OFFSET), length)


def _attributes(body: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(body):
        if at + _ATTRIBUTE.size > len(body):
            raise StreamUnreadable("an attribute is cut short")
        kind, length = _ATTRIBUTE.unpack_from(body, at)
        at += _ATTRIBUTE.size
        found[kind] = body[at : at + length]
        at += length
    if at != len(body):
        raise StreamUnreadable("an attribute is cut short")
    return found


def _number(found: dict[int, bytes], kind: int) -> int:
    value = found.get(kind)
    if value is None:
        return 0
    if len(value) != _U64.size:
        raise StreamUnreadable("a number has a wrong length")
    return int(_U64.unpack(value)[0])
