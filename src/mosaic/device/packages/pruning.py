"""Removing versions from the disk that the record has already forgotten, and what kills left behind."""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.private_file import sync_folder
from mosaic.adapters.written_tree import remove

_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ASIDE = re.compile(r"\.([0-9a-f]{64})\.aside", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went: versions as `<name>/<hex>`, and digests of blobs."""

    versions: list[str]
    blobs: list[str]


def remove_versions(apps: Path, kept: Mapping[str, Set[str]], *, record: str) -> list[str]:
    """Remove every version of these apps that is not kept; return what went. Doing it twice is fine."""
    gone: list[str] = []
    for name, digests in kept.items():
        hexes = {digest.removeprefix("sha256:") for digest in digests}
        for path in sorted((apps / name).iterdir()):
            if path.name == record or not _is_leftover(path.name, hexes, record):
                continue
            if _HEX.fullmatch(path.name):
                gone.append(f"{name}/{path.name}")
                # A version that is there is whole: half of one must not be under its name.
                path = path.rename(path.with_name(f".{path.name}.gone"))
            remove(path)
        _remove_empty(apps / name, record, is_wanted=bool(hexes))
    return gone


def remove_drafts(folder: Path) -> None:
    """Remove from an app's folder what was being extracted or removed. Nothing being there is fine."""
    for path in sorted(folder.glob(".*")):
        if not _ASIDE.fullmatch(path.name):
            remove(path)


def _is_leftover(name: str, hexes: Set[str], record: str) -> bool:
    """Whether an entry is a version that nobody keeps, or a draft; what is none of ours stays."""
    if _HEX.fullmatch(name):
        return name not in hexes
    if (aside := _ASIDE.fullmatch(name)) is not None:
        return aside[1] not in hexes
    return name.startswith(".") or name == f"{record}.new"


def _remove_empty(folder: Path, record: str, *, is_wanted: bool) -> None:
    if not is_wanted and {path.name for path in folder.iterdir()} <= {record}:
        (folder / record).unlink(missing_ok=True)
        folder.rmdir()
        sync_folder(folder.parent)
