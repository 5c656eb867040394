"""Which names may be in a package: those that mean one and the same file on every machine.

A package is extracted on disks that nobody has seen, and its names reach logs,
engines and other archives. So they are UTF-8 without control characters, relative,
short enough for every file system, and no two of them are equal where a disk or an
eye folds case or composes accents (Unicode's canonical caseless match, D145).
"""

import unicodedata
from collections.abc import Iterable, Mapping, Set

from mosaic.core import symlinks

MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 4000
"""Below the kernel's 4095, with room for the folder that the package lies in on most machines."""


def fault_of(path: str) -> str | None:
    """Return a sentence about a path that may not be in a package; None when it may."""
    shown = repr(path if len(path) <= 80 else path[:80] + "…")
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return f"{shown} is not UTF-8"
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts:
        return f"{shown} leads out of the package"
    if "" in parts or "." in parts:
        return f"{shown} is not written plainly"
    if any(unicodedata.category(letter) == "Cc" for letter in path):
        return f"{shown} has a control character"
    if len(encoded) > MAX_PATH_BYTES or any(len(part.encode()) > MAX_NAME_BYTES for part in parts):
        return f"{shown} is longer than a name may be"
    return None


def fault_among(folders: Set[str], files: Iterable[str], links: Mapping[str, str]) -> str | None:
    """Return a sentence about the first path that may not be beside the others; None when all may.

    Every path must be good by itself. A folder above each must be among `folders`.
    """
    together = sorted([*folders, *files, *links])
    folded: dict[str, str] = {}
    for path in together:
        above = path.rpartition("/")[0]
        if above and above not in folders:
            return f"{path} lies in {above}, which is no folder of the package"
        name = _fold(path)
        if name in folded:
            same = "is in it twice" if folded[name] == path else f"and {folded[name]!r} are one name on some disks"
            return f"{path!r} {same}"
        folded[name] = path
    for path, target in links.items():
        if any("\ud800" <= letter <= "\udfff" for letter in target):
            return f"{path} is a link to something that is not UTF-8"
    return symlinks.fault(together, links)


def folders_above(path: str) -> list[str]:
    """Return every folder that a path lies in, the outermost first."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _fold(path: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())
