"""The headers of a tar: those of a bundle as they are written, and those of anybody's as far as a bundle may have them.

Written is ustar, with a PAX header before an entry whose name or link is not ASCII or has more than 100
bytes: owner 0, no owner names, time zero, modes 0644 and 0755. So the bytes are said here and not by a library's
version. Read are ustar, PAX and the long names of GNU tar; sparse files, and whatever else a
header may ask for, are refused. Source: POSIX.1-2008, pax, "ustar interchange format" and
"pax extended header"; GNU tar manual, "basic tar format".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

BLOCK = 512
END = bytes(2 * BLOCK)
_NAME_BYTES = 100
_CHECKSUM = slice(148, 156)
_LARGEST = 2**40


class TarWrong(ValueError):
    """A header is not one, or asks for what no bundle may have."""


class Entry(Enum):
    """What an entry of a package is."""

    FILE = b"0"
    FOLDER = b"5"
    LINK = b"2"


@dataclass(frozen=True, slots=True)
class Header:
    """One header as it stands, before what precedes it in extended headers. `kind` is the type flag."""

    name: bytes
    kind: bytes
    size: int
    mode: int
    link: bytes


def encode(path: str, entry: Entry, *, size: int = 0, executable: bool = False, link: str = "") -> bytes:
    """Return the header of an entry, with the PAX header that it needs."""
    name, target = (path + "/" if entry is Entry.FOLDER else path).encode(), link.encode()
    extended = b""
    if _needs_pax(name):
        extended += _record(b"path", name)
    if _needs_pax(target):
        extended += _record(b"linkpath", target)
    before = b""
    if extended:
        before = _block(b"././@PaxHeader", b"x", len(extended), 0o644) + extended + padding(len(extended))
    mode = {Entry.FILE: 0o755 if executable else 0o644, Entry.FOLDER: 0o755, Entry.LINK: 0o777}[entry]
    return before + _block(_plain(name), entry.value, size, mode, _plain(target))


def padding(size: int) -> bytes:
    """Return the zeros that fill the last block of so many bytes."""
    return bytes(-size % BLOCK)


def decode(block: bytes) -> Header | None:
    """Return the header in a block of 512 bytes; None for a block of zeros, which ends a tar. Raises TarWrong."""
    if not any(block):
        return None
    blanked = block[:148] + b" " * 8 + block[156:]
    if len(block) != BLOCK or _number(block[_CHECKSUM]) != sum(blanked):
        raise TarWrong("a header fails its checksum")
    if block[257:262] != b"ustar":
        raise TarWrong("a header is of no known kind")
    name, prefix = _cut(block[:100]), _cut(block[345:500]) if block[257:263] == b"ustar\0" else b""
    return Header(
        name=prefix + b"/" + name if prefix else name,
        kind=b"0" if block[156:157] in (b"0", b"\0") else block[156:157],
        size=_number(block[124:136]),
        mode=_number(block[100:108]),
        link=_cut(block[157:257]),
    )


def read_pax(content: bytes) -> dict[bytes, bytes]:
    """Return the records of a PAX header. Raises TarWrong."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(content):
        space = content.find(b" ", at, at + 12)
        digits = content[at:space] if space > 0 else b""
        end = at + int(digits) if digits.isdigit() else at
        key, equals, value = content[space + 1 : end - 1].partition(b"=")
        if end <= space + 1 or content[end - 1 : end] != b"\n" or not equals or key in found:
            raise TarWrong("an extended header cannot be read")
        found[key] = value
        at = end
    return found


def with_pax(header: Header, records: Mapping[bytes, bytes]) -> Header:
    """Return a header with what its PAX header says instead. Raises TarWrong."""
    if any(key.startswith(b"GNU.sparse") for key in records):
        raise TarWrong("it has a sparse file, which could fill a disk from a few bytes")
    size = records.get(b"size")
    if size is not None and (not size.isdigit() or len(size) > 15):
        raise TarWrong("an extended header has a size that is none")
    return Header(
        name=records.get(b"path", header.name),
        kind=header.kind,
        size=header.size if size is None else int(size),
        mode=header.mode,
        link=records.get(b"linkpath", header.link),
    )


def _needs_pax(name: bytes) -> bool:
    return not name.isascii() or len(name) > _NAME_BYTES


def _plain(name: bytes) -> bytes:
    """Return what a reader without PAX sees."""
    return name.decode().encode("ascii", "replace")[:_NAME_BYTES]


def _record(key: bytes, value: bytes) -> bytes:
    """Return one PAX record, which begins with its own length in digits."""
    bare = len(key) + len(value) + 3
    length = bare + len(str(bare))
    length = bare + len(str(length))
    return str(length).encode() + b" " + key + b"=" + value + b"\n"


def _block(name: bytes, kind: bytes, size: int, mode: int, link: bytes = b"") -> bytes:
    before = b"".join(
        [
            name.ljust(100, b"\0"),
            b"%07o\0" % mode,
            b"%07o\0" % 0,
            b"%07o\0" % 0,
            b"%011o\0" % size,
            b"%011o\0" % 0,
        ]
    )
    after = b"".join(
        [kind, link.ljust(100, b"\0"), b"ustar\00000", bytes(64), b"%07o\0" % 0, b"%07o\0" % 0, bytes(167)]
    )
    checksum = sum(before) + sum(after) + 8 * ord(" ")
    return before + b"%06o\0 " % checksum + after


def _cut(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        # GNU's binary numbers, for what octal digits cannot say. Negative ones begin with 0xff.
        number = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    else:
        digits = field.replace(b"\0", b" ").strip()
        if digits.strip(b"01234567"):
            raise TarWrong("a header has a number that is none")
        number = int(digits or b"0", 8)
    if number > _LARGEST:
        raise TarWrong("a header has a number that is too large")
    return number
