"""Tars and gzips made byte by byte, as no library would write them."""

import gzip
import zlib


def header(
    name: bytes | str,
    *,
    kind: bytes = b"0",
    size: int = 0,
    mode: int = 0o644,
    link: bytes | str = b"",
    magic: bytes = b"ustar\00000",
) -> bytes:
    """One header with a right checksum."""
    raw_name, raw_link = (text.encode() if isinstance(text, str) else text for text in (name, link))
    before = raw_name.ljust(100, b"\0")[:100] + b"%07o\0" % mode + b"0000000\0" * 2
    before += _size(size) + b"00000000000\0"
    after = kind + raw_link.ljust(100, b"\0")[:100] + magic
    after = after.ljust(512 - 156, b"\0")
    checksum = sum(before) + sum(after) + 8 * 32
    return before + b"%06o\0 " % checksum + after


def file(name: bytes | str, content: bytes = b"", *, mode: int = 0o644) -> bytes:
    """A file with its content."""
    return header(name, size=len(content), mode=mode) + content + bytes(-len(content) % 512)


def pax(*records: tuple[str, bytes]) -> bytes:
    """A PAX header with these records."""
    content = b"".join(_record(key.encode(), value) for key, value in records)
    return header("pax", kind=b"x", size=len(content)) + content + bytes(-len(content) % 512)


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    """GNU tar's long name."""
    content = name + b"\0"
    return (
        header("././@LongLink", kind=kind, size=len(content), magic=b"ustar  \0") + content + bytes(-len(content) % 512)
    )


def packed(*parts: bytes, ending: bytes = bytes(1024)) -> bytes:
    """A gzip of a tar with these entries."""
    return gzip.compress(b"".join(parts) + ending, mtime=0)


def packed_zeros(before: bytes, zeros: int) -> bytes:
    """A gzip of something and very many zeros, made without holding them."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [deflate.compress(before)]
    part = bytes(2**20)
    parts += [deflate.compress(part) for _ in range(zeros // 2**20)]
    return b"".join([*parts, deflate.flush()])


def _size(size: int) -> bytes:
    if size < 8**11:
        return b"%011o\0" % size
    return b"\x80" + size.to_bytes(11, "big")


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while length != len(str(length)) + len(rest):
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest
