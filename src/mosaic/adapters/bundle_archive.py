"""Writing an app's folder as a bundle archive: a reproducible gzip tar with its file index, in one pass.

The same files give the same tar for every user, umask, clock and order of writing: entries sorted by name,
nothing else of the file system in it (`core.tar_header` has the bytes). Links are packed as links. A part
of a file is in memory at a time, and one line of the index for each. Reading one back is
`adapters.bundle_extraction`'s.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mosaic.adapters.bundle import AppUnpackable
from mosaic.adapters.gzip_stream import GzipWriter
from mosaic.adapters.private_file import sync_folder
from mosaic.core import file_index, tar_header
from mosaic.core.file_index import FileIndex, IndexedFile
from mosaic.core.package_paths import folders_above
from mosaic.core.strict_json import NotStrict
from mosaic.core.tar_header import Entry

LEFT_OUT = frozenset({".git", ".svn", ".hg", "__pycache__", ".DS_Store"})
"""Never part of an app: they differ from one checkout to the next."""

_PART_BYTES = 64 * 1024
_SHRINK = "mend that; or move what is not needed to run the app out of its folder, or name it in .composeappignores"
_UNKNOWN = "0" * 64


@dataclass(frozen=True, slots=True)
class WrittenBundle:
    """An archive that was written. `tar_digest` and `tar_size` are of what was compressed."""

    digest: str
    size: int
    tar_digest: str
    tar_size: int
    index: FileIndex


@dataclass(frozen=True, slots=True)
class _OnDisk:
    path: Path
    size: int
    executable: bool


@dataclass(frozen=True, slots=True)
class _Given:
    content: bytes
    executable: bool


_Source: TypeAlias = _OnDisk | _Given


@dataclass(slots=True)
class _Found:
    """What a folder holds, by path."""

    files: dict[str, _Source]
    links: dict[str, str]
    folders: set[str]


def write(
    folder: Path, target: Path, *, skip: Callable[[str], bool], replaced: Mapping[str, bytes] | None = None
) -> WrittenBundle:
    """Write the folder's archive to `target`, which appears whole, durably, or not at all.

    `skip` says of a path, relative and with `/`, whether it stays out; it is asked for each file, link and folder,
    and for what lies in a skipped folder too. `replaced` files have this content in place of their own,
    and are in the archive whatever `skip` says.

    Raises:
        AppUnpackable: too large, a link out of it, a name that no package may have, something that is no file.
    """
    found = _look(folder, skip, replaced or {})
    _require_packable(folder, found)
    draft = target.with_name(f".{target.name}.new")
    draft.unlink(missing_ok=True)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            gzip = GzipWriter(file.write)
            index = _write_entries(folder, found, gzip)
            gzip.finish()
            file.flush()
            os.fsync(descriptor)
        draft.replace(target)
        sync_folder(target.parent)
    finally:
        draft.unlink(missing_ok=True)
    return WrittenBundle(gzip.packed_digest, gzip.packed_bytes, gzip.plain_digest, gzip.plain_bytes, index)


def require_packable(folder: Path, *, skip: Callable[[str], bool]) -> None:
    """Return when the folder can be written as an archive, as far as its names and sizes say. Nothing is written.

    Raises:
        AppUnpackable: as `write` does.
    """
    _require_packable(folder, _look(folder, skip, {}))


def _look(folder: Path, skip: Callable[[str], bool], replaced: Mapping[str, bytes]) -> _Found:
    if not folder.is_dir():
        raise AppUnpackable(f"{folder} is no folder", hint="name the folder that the compose file is in")
    found = _Found({}, {}, set())
    for where, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        for name in (*folders, *files):
            path = Path(where) / name
            plain = path.relative_to(folder).as_posix()
            if name not in LEFT_OUT and plain not in replaced and not skip(plain):
                _add(found, folder, plain, path)
    for plain, content in replaced.items():
        found.files[plain] = _Given(content, _is_executable(folder / plain))
    for plain in (*found.files, *found.links, *found.folders):
        found.folders.update(folders_above(plain))
    return found


def _raise(error: OSError) -> None:
    # What cannot be looked into must not be missing from the package in silence.
    raise _unreadable(error)


def _unreadable(error: OSError) -> AppUnpackable:
    return AppUnpackable(
        f"{error.filename} cannot be read: {error.strerror}", hint="let the one who packs read the app's folder"
    )


def _add(found: _Found, folder: Path, plain: str, path: Path) -> None:
    seen = path.lstat()
    if stat.S_ISREG(seen.st_mode):
        found.files[plain] = _OnDisk(path, seen.st_size, bool(seen.st_mode & 0o111))
    elif stat.S_ISDIR(seen.st_mode):
        found.folders.add(plain)
    elif stat.S_ISLNK(seen.st_mode):
        found.links[plain] = str(path.readlink())
    else:
        raise AppUnpackable(
            f"{folder.name}/{plain} is neither a file, a folder nor a link", hint="remove it from the app's folder"
        )


def _is_executable(path: Path) -> bool:
    try:
        return bool(path.lstat().st_mode & 0o111) and not path.is_symlink()
    except FileNotFoundError:
        return False


def _require_packable(folder: Path, found: _Found) -> None:
    """Refuse what no index could hold, before anything is written."""
    try:
        # Who would read the archive checks the same. The digests are not known yet.
        file_index.of(
            {path: IndexedFile(_UNKNOWN, _size(source), source.executable) for path, source in found.files.items()},
            found.links,
            found.folders,
        )
    except NotStrict as error:
        raise AppUnpackable(f"{folder.name} cannot be packed: {error}", hint=_SHRINK) from None


def _size(source: _Source) -> int:
    return source.size if isinstance(source, _OnDisk) else len(source.content)


def _write_entries(folder: Path, found: _Found, gzip: GzipWriter) -> FileIndex:
    files: dict[str, IndexedFile] = {}
    for path in sorted([*found.files, *found.links, *found.folders]):
        if path in found.folders:
            gzip.add(tar_header.encode(path, Entry.FOLDER))
        elif path in found.links:
            gzip.add(tar_header.encode(path, Entry.LINK, link=found.links[path]))
        else:
            files[path] = _write_file(folder, path, found.files[path], gzip)
    gzip.add(tar_header.END)
    return file_index.of(files, found.links, found.folders)


def _write_file(folder: Path, path: str, source: _Source, gzip: GzipWriter) -> IndexedFile:
    size, digest, written = _size(source), hashlib.sha256(), 0
    gzip.add(tar_header.encode(path, Entry.FILE, size=size, executable=source.executable))
    for part in _parts(source):
        written += len(part)
        if written > size:
            break
        digest.update(part)
        gzip.add(part)
    if written != size:
        raise AppUnpackable(
            f"{folder.name}/{path} changed while it was packed", hint="pack again when nothing writes to the folder"
        )
    gzip.add(tar_header.padding(size))
    return IndexedFile(digest.hexdigest(), size, source.executable)


def _parts(source: _Source) -> Iterator[bytes]:
    if isinstance(source, _Given):
        yield source.content
        return
    try:
        # A link or a pipe that took the file's place since is neither followed nor waited for.
        descriptor = os.open(source.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(error) from None
    with os.fdopen(descriptor, "rb") as file:
        while part := file.read(_PART_BYTES):
            yield part
