"""Which part of a file a request asks for: one range of bytes, as RFC 9110 (section 14) has it. Pure."""

import re
from dataclasses import dataclass

from mosaic.core.errors import Refused

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class BeyondTheEnd(Refused):
    """The range begins behind the end."""

    code = "range-beyond-end"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"it has {size} bytes, and none of the range is among them", hint="ask for it from its beginning"
        )
        self.size = size


@dataclass(frozen=True, slots=True)
class Part:
    """`length` bytes from `first` on."""

    first: int
    length: int


def part_of(header: str | None, size: int) -> Part | None:
    """Return the part that a `Range` asks for of so many bytes; None for all of it, also where it makes no sense.

    Several ranges at once are answered with everything, as a server may.

    Raises:
        BeyondTheEnd: there is nothing where it begins.
    """
    found = _RANGE.fullmatch(header.strip()) if header is not None else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        if length == 0:
            raise BeyondTheEnd(size)
        return Part(size - length, length)
    first, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if found[2] and last < first:
        return None
    if first >= size:
        raise BeyondTheEnd(size)
    return Part(first, min(last, size - 1) - first + 1)
