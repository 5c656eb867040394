"""Random trees for property tests: lists of edits that can be made to any folder."""

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

_NAMES = [b"a", b"b", b"c", b"\xff\xfe", "ü".encode(), b"new\nline", b" -rf", b"x" * 255]
_SIZES = [0, 1, 100, 65_535, 65_536, 65_537, 262_144, 262_145, 5_000_000]
_CONTENT = ["file", "patch", "append", "truncate", "sparse"]
_NEW = [*_CONTENT, "mkdir", "symlink", "fifo", "link"]
_CHANGES = ["change"] * 5


@dataclass(frozen=True)
class Edit:
    """One edit. `number` chooses sizes, offsets and values; what can't be done to a path is left undone."""

    verb: str
    path: tuple[bytes, ...]
    other: tuple[bytes, ...]
    number: int


_paths = st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3).map(tuple)
edits = st.lists(
    st.builds(Edit, st.sampled_from(_NEW + _CHANGES), _paths, _paths, st.integers(0, 10**6)), min_size=1, max_size=12
)


def make(top: Path, todo: Sequence[Edit]) -> None:
    """Make the edits in a folder."""
    for edit in todo:
        with contextlib.suppress(OSError, shutil.Error):
            _make(top, edit)


def _make(top: Path, edit: Edit) -> None:
    path = top / os.fsdecode(b"/".join(edit.path))
    other = top / os.fsdecode(b"/".join(edit.other))
    if edit.verb not in _NEW:
        _change(path, other, edit.number)
        return
    if not path.parent.is_symlink():
        path.parent.mkdir(parents=True, exist_ok=True)
    if edit.verb in _CONTENT:
        if path.is_file() or not path.exists():
            _write(path, edit.verb, edit.number)
    elif edit.verb == "mkdir":
        path.mkdir(exist_ok=True)
    elif edit.verb == "symlink":
        path.symlink_to(os.fsdecode(edit.other[0]))
    elif edit.verb == "fifo":
        os.mkfifo(path)
    else:
        os.link(other, path, follow_symlinks=False)


def _write(path: Path, verb: str, number: int) -> None:
    size = _SIZES[number % len(_SIZES)]
    with path.open("r+b" if path.exists() else "w+b") as file:
        match verb:
            case "file":
                file.truncate(0)
                file.write(_bytes(number, size))
            case "patch":
                file.seek(number % (path.stat().st_size + 1))
                file.write(_bytes(number, 50))
            case "append":
                file.seek(0, os.SEEK_END)
                file.write(_bytes(number, size // 10))
            case "truncate":
                file.truncate(size)
            case _:
                file.truncate(0)
                file.seek(size)
                file.write(b"end")


def _change(path: Path, other: Path, number: int) -> None:
    match number % 5:
        case 0:
            path.rename(other)
        case 1 if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        case 1:
            path.unlink()
        case 2 if not path.is_symlink():
            path.chmod([0o600, 0o644, 0o700, 0o755, 0o640, 0o4755, 0o1777][number % 7] | 0o400)
        case 3:
            os.utime(path, ns=(number, number * 1_000_000_007), follow_symlinks=False)
        case 4 if path.is_file():
            os.setxattr(path, f"user.{number % 3}", _bytes(number, number % 200))
        case _:
            pass


def _bytes(number: int, length: int) -> bytes:
    seed = (b"%d " % number) * 40
    return (seed * (length // len(seed) + 1))[:length]
