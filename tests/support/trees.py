"""Making directory trees for tests, and telling whether two are the same."""

import hashlib
import os
import stat
from collections import defaultdict
from pathlib import Path

Fingerprint = dict[bytes, tuple[object, ...]]
"""What each relative path is. Two trees are the same when their fingerprints are equal."""


def tree_fingerprint(top: Path) -> Fingerprint:
    """Return content, type, mode, owner, mtime, xattrs, link target and hard-link group of every path.

    Sockets and device nodes are left out, as volumes do. Inode numbers,
    ctimes and block layout are no part of it. The top directory is `b""`.
    """
    found: Fingerprint = {}
    names: dict[tuple[int, int], list[bytes]] = defaultdict(list)
    identity: dict[bytes, tuple[int, int]] = {}
    for path in [top, *_beneath(top)]:
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        if kind in (stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK):
            continue
        name = b"" if path == top else os.fsencode(path.relative_to(top))
        owner = (status.st_uid, status.st_gid)
        mode = stat.S_IMODE(status.st_mode)
        found[name] = (kind, mode, *owner, status.st_mtime_ns, _xattrs(path), _content(path, kind))
        if kind != stat.S_IFDIR:
            identity[name] = (status.st_dev, status.st_ino)
            names[identity[name]].append(name)
    for name, file in identity.items():
        found[name] += (tuple(sorted(names[file])),)
    return found


def tree_difference(one: Path, other: Path) -> list[str]:
    """Return a line for each path that differs: for messages of failed tests."""
    left, right = tree_fingerprint(one), tree_fingerprint(other)
    return [
        f"{os.fsdecode(name)}: {left.get(name)} / {right.get(name)}"
        for name in sorted(left.keys() | right.keys())
        if left.get(name) != right.get(name)
    ]


def holds_xattrs(folder: Path) -> bool:
    """Return whether files in this folder can have `user.*` attributes."""
    probe = folder / ".xattr-probe"
    probe.touch()
    try:
        os.setxattr(probe, "user.probe", b"1")
    except OSError:
        return False
    else:
        return True
    finally:
        probe.unlink()


def _beneath(folder: Path) -> list[Path]:
    paths: list[Path] = []
    for path in sorted(folder.iterdir()):
        paths.append(path)
        if stat.S_ISDIR(path.lstat().st_mode):
            paths += _beneath(path)
    return paths


def _xattrs(path: Path) -> tuple[tuple[str, bytes], ...]:
    kept = ("user.", "trusted.", "security.capability", "system.posix_acl")
    names = [name for name in os.listxattr(path, follow_symlinks=False) if name.startswith(kept)]
    return tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in sorted(names))


def _content(path: Path, kind: int) -> object:
    if kind == stat.S_IFLNK:
        return os.fsencode(path.readlink())
    if kind != stat.S_IFREG:
        return None
    with path.open("rb") as file:
        return (path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
