"""The file index of a package: what is in its bundle, file by file, so that each can be checked by itself.

    {"files":{"nginx.conf":{"mode":"0644","sha256":"<hex>","size":70}},
     "folders":["conf.d"],"format":1,"links":{"site.conf":"nginx.conf"}}

Its bytes are canonical (`core.strict_json`) and accepted in no other spelling, so an
index has one digest. Every folder is listed, empty ones too. Links are compared as
text and never followed.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mosaic.core import strict_json
from mosaic.core.package_paths import fault_among, fault_of, folders_above
from mosaic.core.strict_json import NotStrict, Plain

MAX_ENTRIES = 16_384
MAX_UNPACKED_BYTES = 1024**3
MAX_INDEX_BYTES = 8 * 1024**2

_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MODES = {"0644": False, "0755": True}
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """One file. `sha256` is hex; `size` is in bytes."""

    sha256: str
    size: int
    executable: bool


@dataclass(frozen=True, slots=True)
class FileIndex:
    """What a bundle holds, by path. Made by `of`, which checks it."""

    files: Mapping[str, IndexedFile]
    links: Mapping[str, str]
    folders: frozenset[str]

    def __contains__(self, path: str) -> bool:
        """Whether a file, a link or a folder of this path is in it."""
        return path in self.files or path in self.links or path in self.folders

    @property
    def content_bytes(self) -> int:
        """How many bytes all files have together."""
        return sum(file.size for file in self.files.values())


def of(files: Mapping[str, IndexedFile], links: Mapping[str, str], folders: Iterable[str]) -> FileIndex:
    """Return the index of these entries; folders that others lie in are added. Raises NotStrict: the first fault."""
    listed = set(folders)
    if len(files) + len(links) + len(listed) > MAX_ENTRIES:
        raise NotStrict(f"it has more than {MAX_ENTRIES} files and folders")
    for path in (*files, *links, *listed):
        if (wrong := fault_of(path)) is not None:
            raise NotStrict(wrong)
        listed.update(folders_above(path))
        if len(listed) > MAX_ENTRIES:
            raise NotStrict(f"it has more than {MAX_ENTRIES} folders")
    index = FileIndex(dict(sorted(files.items())), dict(sorted(links.items())), frozenset(listed))
    if (wrong := fault_among(index.folders, index.files, index.links)) is not None:
        raise NotStrict(wrong)
    if index.content_bytes > MAX_UNPACKED_BYTES:
        raise NotStrict(f"its files have more than {MAX_UNPACKED_BYTES // 2**20} MiB together")
    return index


def write(index: FileIndex) -> bytes:
    """Return the index's bytes."""
    files: dict[str, Plain] = {
        path: {"mode": "0755" if file.executable else "0644", "sha256": file.sha256, "size": file.size}
        for path, file in index.files.items()
    }
    return strict_json.write(
        {"files": files, "folders": [*sorted(index.folders)], "format": _FORMAT, "links": dict(index.links)}
    )


def read(content: bytes) -> FileIndex:
    """Return the index that bytes from anywhere are of. Raises NotStrict."""
    found = strict_json.mapping(strict_json.read(content, most_bytes=MAX_INDEX_BYTES), "the index")
    if found.get("format") != _FORMAT:
        raise NotStrict(f"its format is {str(found.get('format'))[:20]}, and {_FORMAT} is known here")
    strict_json.only(found, ("files", "folders", "format", "links"), "the index")
    files = {path: _file(path, value) for path, value in strict_json.mapping(found.get("files"), "files").items()}
    links = {
        path: strict_json.text(value, f"the link {path[:80]!a}")
        for path, value in strict_json.mapping(found.get("links"), "links").items()
    }
    folders = [strict_json.text(value, "a folder") for value in strict_json.items(found.get("folders"), "folders")]
    index = of(files, links, folders)
    if write(index) != content:
        raise NotStrict("it is not spelled as the one who writes it spells it")
    return index


def _file(path: str, value: Plain) -> IndexedFile:
    found = strict_json.mapping(value, f"the entry of {path[:80]!a}")
    strict_json.only(found, ("mode", "sha256", "size"), f"the entry of {path[:80]!a}")
    mode = _MODES.get(strict_json.text(found.get("mode"), "a mode"))
    sha256 = strict_json.text(found.get("sha256"), "a digest")
    if mode is None or not _HEX.fullmatch(sha256):
        raise NotStrict(f"the entry of {path[:80]!a} has no mode or digest that can be")
    return IndexedFile(sha256, strict_json.size(found.get("size"), "a size"), mode)
