"""An app's bundle: its folder as one reproducible tar, and back again.

The same files give the same bytes on every machine: entries sorted by name,
times zero, owner root, modes folded to 0644, 0755 for what may be executed and
folders; nothing else of the file system gets in. A bundle's digest is
SHA-256 over these bytes. Unpacking trusts nothing: the bytes may come
from anywhere.
"""

import hashlib
import io
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mosaic.adapters.private_file import sync_folder
from mosaic.core.errors import Corrupt, Refused
from mosaic.core.ids import AppDigest

MAX_BYTES = 16 * 1024 * 1024
MAX_ENTRIES = 4096
COMPOSE_FILE = "docker-compose.yml"
_LEFT_OUT = frozenset({".git", ".svn", ".hg", "__pycache__", ".DS_Store"})


class AppUnpackable(Refused):
    """The folder holds something that a bundle cannot."""

    code = "app-unpackable"

    def __init__(self, reason: str, *, hint: str) -> None:
        super().__init__(reason, hint=hint)


class BundleUnusable(Corrupt):
    """The bytes are not a bundle that may be unpacked. Nothing was left behind."""

    code = "bundle-unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the app's bundle cannot be used: {reason}", hint="publish or import the app again")


def pack(folder: Path) -> bytes:
    """Return the folder's bundle. Raises AppUnpackable: too large, a link out of it, a device or a socket."""
    buffer = io.BytesIO()
    size = 0
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for count, (name, path) in enumerate(_entries(folder), start=1):
            entry = _entry(folder, name, path)
            size += entry.size
            if size > MAX_BYTES or count > MAX_ENTRIES:
                raise AppUnpackable(
                    f"{folder.name} is too large: a bundle has at most {MAX_BYTES // 2**20} MiB in {MAX_ENTRIES} files",
                    hint="move what is not needed to run the app out of its folder; data belongs into volumes",
                )
            if entry.isreg():
                _add_file(tar, entry, path)
            else:
                tar.addfile(entry)
    return buffer.getvalue()


def digest(bundle: bytes) -> AppDigest:
    """Return the name of a bundle: `sha256:` and the hex digest of its bytes."""
    return AppDigest("sha256:" + hashlib.sha256(bundle).hexdigest())


def read(bundle: bytes, name: str) -> bytes:
    """Return one file of a bundle. Raises BundleUnusable: not a tar, or without that file."""
    try:
        with tarfile.open(fileobj=io.BytesIO(bundle), mode="r:") as tar:
            source = tar.extractfile(name)
            if source is not None:
                return source.read()
    except (tarfile.TarError, KeyError, OSError, ValueError) as error:
        raise BundleUnusable(f"{name} cannot be read: {error}") from error
    raise BundleUnusable(f"{name} is no file")


def unpack(bundle: bytes, target: Path) -> None:
    """Extract a bundle to `target`, which must not exist yet; it appears complete or not at all.

    Raises:
        BundleUnusable: not a tar, too large, a name or link that leaves it, a device.
    """
    incoming = target.with_name(f".{target.name}.new")
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir(parents=True)
    try:
        _extract(bundle, incoming)
        for folder, _, _ in os.walk(incoming, topdown=False):
            sync_folder(Path(folder))
        incoming.rename(target)
        sync_folder(target.parent)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise BundleUnusable(str(error) or type(error).__name__) from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _entries(folder: Path) -> Iterator[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        for name in (*folders, *files):
            if name not in _LEFT_OUT:
                path = Path(where) / name
                found.append((path.relative_to(folder).as_posix(), path))
    return iter(sorted(found))


def _entry(folder: Path, name: str, path: Path) -> tarfile.TarInfo:
    seen = path.lstat()
    entry = tarfile.TarInfo(name)
    if stat.S_ISREG(seen.st_mode):
        entry.size = seen.st_size
        entry.mode = 0o755 if seen.st_mode & 0o111 else 0o644
    elif stat.S_ISDIR(seen.st_mode):
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    elif stat.S_ISLNK(seen.st_mode):
        entry.type, entry.mode, entry.linkname = tarfile.SYMTYPE, 0o777, str(path.readlink())
        if not _stays_inside(name, entry.linkname):
            raise AppUnpackable(
                f"{folder.name}/{name} is a link that leads out of the app's folder",
                hint="replace the link by a copy of what it points to",
            )
    else:
        raise AppUnpackable(
            f"{folder.name}/{name} is neither a file, a folder nor a link", hint="remove it from the app's folder"
        )
    return entry


def _add_file(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    content = path.read_bytes()
    # It may have grown since it was looked at; the header must say what follows.
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _stays_inside(name: str, link: str) -> bool:
    if link.startswith("/") or "\0" in link:
        return False
    depth = len(PurePosixPath(name).parts) - 1
    for part in PurePosixPath(link).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


def _extract(bundle: bytes, target: Path) -> None:
    if len(bundle) > MAX_BYTES + MAX_ENTRIES * 2048:
        raise BundleUnusable("it is too large")
    links: list[tuple[Path, str]] = []
    with tarfile.open(fileobj=io.BytesIO(bundle), mode="r:") as tar:
        for count, entry in enumerate(tar, start=1):
            if count > MAX_ENTRIES:
                raise BundleUnusable("it has too many files")
            path = target / _checked_name(entry.name)
            if entry.isdir():
                path.mkdir(parents=True, exist_ok=True)
            elif entry.isreg():
                _write(path, tar, entry)
            elif entry.issym() and _stays_inside(entry.name, entry.linkname):
                links.append((path, entry.linkname))
            else:
                raise BundleUnusable(f"{entry.name!r} is not a file, a folder or a link inside it")
    # Links come last: no file is ever written through one.
    for path, link in links:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(link)


def _checked_name(name: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise BundleUnusable(f"{name!r} leads out of it")
    return name


def _write(path: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
    source = tar.extractfile(entry)
    if source is None:
        raise BundleUnusable(f"{entry.name!r} has no content")
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o755 if entry.mode & 0o111 else 0o644
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        shutil.copyfileobj(source, file)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(mode)
