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
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from mosaic.adapters.private_file import sync_folder
from mosaic.core import symlinks
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
        # A name that is no text is often the reason, and people and JSON can be told only text.
        super().__init__(reason.encode(errors="backslashreplace").decode(), hint=hint)


class BundleUnusable(Corrupt):
    """The bytes are not a bundle that may be unpacked. Nothing was left behind."""

    code = "bundle-unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the app's bundle cannot be used: {reason}", hint="publish or import the app again")


def pack(folder: Path) -> bytes:
    """Return the folder's bundle. Raises AppUnpackable: too large, a link out of it, a device or a socket."""
    entries = _entries(folder)
    _require_links_inside(folder, entries)
    buffer = io.BytesIO()
    size = 0
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for count, (name, path) in enumerate(entries, start=1):
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
    except (tarfile.TarError, KeyError, OSError, ValueError, RecursionError) as error:
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
    except (tarfile.TarError, OSError, ValueError, RecursionError) as error:
        raise BundleUnusable(str(error) or type(error).__name__) from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def stays_inside(path: Path, folder: Path) -> bool:
    """Whether a path, with every link on its way followed, ends in the folder. Nothing has to be there."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _entries(folder: Path) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        for name in (*folders, *files):
            if name not in _LEFT_OUT:
                path = Path(where) / name
                found.append((path.relative_to(folder).as_posix(), path))
    return sorted(found)


def _require_links_inside(folder: Path, entries: list[tuple[str, Path]]) -> None:
    links = {name: str(path.readlink()) for name, path in entries if path.is_symlink()}
    wrong = symlinks.fault((name for name, _ in entries), links)
    # The folder may hold links that are left out of the bundle; only the disk knows where those lead.
    if wrong is None and (out := _leading_out(folder, links)) is not None:
        wrong = f"{out} is a link that leads out of the package"
    if wrong is not None:
        raise AppUnpackable(
            f"{folder.name} cannot be packed: {wrong}", hint="replace the link by a copy of what it points to"
        )


def _leading_out(folder: Path, links: Iterable[str]) -> str | None:
    return next((name for name in links if not stays_inside(folder / name, folder)), None)


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


def _extract(bundle: bytes, target: Path) -> None:
    if len(bundle) > MAX_BYTES + MAX_ENTRIES * 2048:
        raise BundleUnusable("it is too large")
    with tarfile.open(fileobj=io.BytesIO(bundle), mode="r:") as tar:
        entries = _checked_entries(tar)
        for name, entry in entries.items():
            if entry.isdir():
                (target / name).mkdir(parents=True, exist_ok=True)
            elif entry.isreg():
                _write(target / name, tar, entry)
    _write_links(target, _links(entries))


def _checked_entries(tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """Return every entry by its plain name. All of them are judged before any is written."""
    entries: dict[str, tarfile.TarInfo] = {}
    for entry in tar:
        if len(entries) == MAX_ENTRIES:
            raise BundleUnusable("it has too many files")
        name = _checked_name(entry.name)
        if name in entries:
            raise BundleUnusable(f"{name!r} is in it twice")
        # A sparse file of a few bytes would fill the disk with its holes.
        if not (entry.isdir() or entry.issym() or entry.isreg()) or entry.issparse():
            raise BundleUnusable(f"{name!r} is not a plain file, a folder or a symbolic link")
        entries[name] = entry
    if (wrong := symlinks.fault(entries, _links(entries))) is not None:
        raise BundleUnusable(wrong)
    return entries


def _links(entries: Mapping[str, tarfile.TarInfo]) -> dict[str, str]:
    return {name: entry.linkname for name, entry in entries.items() if entry.issym()}


def _write_links(target: Path, links: Mapping[str, str]) -> None:
    """Make all links; they come last, so that nothing is ever written through one."""
    for name, link in links.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(link)
    # The disk's own answer, should ours have missed something: it may fold names that we hold to be two.
    if (out := _leading_out(target, links)) is not None:
        raise BundleUnusable(f"{out} is a link that leads out of the package")


def _checked_name(name: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise BundleUnusable(f"{name!r} leads out of it")
    return "/".join(parts)


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
